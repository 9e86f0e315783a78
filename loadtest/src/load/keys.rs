//! Which keys a round asks for, and in which order. No key is cold twice, and the same seed gives
//! the same keys.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::target::{Function, Keys};

/// Independent random streams of one seed: changing how one is used does not shift another.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Range = 1,
    Order = 2,
    Arrivals = 3,
    Popularity = 4,
    Resample = 5,
}

/// The generator for `stream` of `seed`; each `part` has its own sequence.
pub(crate) fn generator(seed: u64, stream: Stream, part: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream((part << 8) | stream as u64);
    rng
}

/// The keys of one function over a whole run.
pub(crate) struct Supply {
    source: Source,
    /// What makes this run's keys new to the target.
    salt: String,
    taken: usize,
}

enum Source {
    Salted,
    Shuffled(Vec<String>),
}

impl Supply {
    /// `salt` must never have been used before at this target: it makes salted keys cold.
    pub(crate) fn new(function: &Function, salt: &str, seed: u64) -> Self {
        let source = match &function.keys {
            Keys::Salted => Source::Salted,
            Keys::Range { first, last } => shuffled(
                (*first..=*last).map(|number| number.to_string()).collect(),
                seed,
            ),
            Keys::File(_) => shuffled(function.listed.clone(), seed),
        };
        Self {
            source,
            salt: salt.to_owned(),
            taken: 0,
        }
    }

    /// Takes one key out for good: it is never given again, even when a range begins again.
    pub(crate) fn reserve(&mut self) -> Option<String> {
        match &mut self.source {
            Source::Salted => self.take(1).pop(),
            Source::Shuffled(keys) => keys.pop(),
        }
    }

    /// The next `count` keys. None of them was given before, unless a range or a file was used up:
    /// then it begins again, and only the flush between rounds makes its keys cold. Fewer if the
    /// range itself is smaller.
    pub(crate) fn take(&mut self, count: usize) -> Vec<String> {
        let start = self.taken;
        match &self.source {
            Source::Salted => {
                self.taken += count;
                let numbers = start..self.taken;
                numbers.map(|n| format!("{}-{n}", self.salt)).collect()
            }
            Source::Shuffled(keys) => {
                let count = count.min(keys.len());
                self.taken = (start + count) % keys.len();
                keys.iter()
                    .cycle()
                    .skip(start)
                    .take(count)
                    .cloned()
                    .collect()
            }
        }
    }
}

fn shuffled(mut keys: Vec<String>, seed: u64) -> Source {
    keys.shuffle(&mut generator(seed, Stream::Range, 0));
    Source::Shuffled(keys)
}

/// `0..count`, each `repeats` times, in the seeded order of `part`.
pub(crate) fn order(count: usize, repeats: usize, seed: u64, part: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).cycle().take(count * repeats).collect();
    order.shuffle(&mut generator(seed, Stream::Order, part));
    order
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::target::Target;

    fn supply(function: usize) -> Supply {
        let target = Target::load(None, &[], "").unwrap();
        Supply::new(&target.functions[function], "lt-1", 42)
    }

    #[test]
    fn no_key_is_given_twice_within_the_range() {
        for function in [0, 1] {
            let mut supply = supply(function);
            let keys: Vec<String> = (0..5).flat_map(|_| supply.take(100)).collect();
            assert_eq!(keys.iter().collect::<HashSet<_>>().len(), 500);
        }
    }

    #[test]
    fn a_reserved_key_never_comes_again() {
        for function in [0, 1] {
            let mut supply = supply(function);
            let reserved = supply.reserve().unwrap();
            let mut keys = (0..20).flat_map(|_| supply.take(99));
            assert!(keys.all(|key| key != reserved));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_keys_and_order() {
        assert_eq!(supply(1).take(40), supply(1).take(40));
        assert_eq!(order(10, 3, 42, 1), order(10, 3, 42, 1));
        assert_ne!(order(10, 3, 42, 1), order(10, 3, 42, 2));
    }
}
