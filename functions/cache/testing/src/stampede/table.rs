//! The results of one round: origin calls for each key, and how long callers waited.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::line::{Event, Order};
use larder::Source;

/// The events of one round.
#[derive(Debug, Clone)]
pub struct Round {
    order: Order,
    keys: Vec<Told>,
    waits: Vec<Duration>,
    sources: BTreeMap<&'static str, usize>,
}

/// The events of one key.
#[derive(Debug, Clone, Default)]
struct Told {
    /// The workers whose origin was called, in order.
    called: Vec<usize>,
    /// Those whose call has ended.
    ended: Vec<usize>,
    /// The values, each with the workers whose callers got it.
    answers: Vec<(usize, u64)>,
    /// Those whose own call was stored.
    stored: Vec<usize>,
}

impl Round {
    /// A round without events.
    #[must_use]
    pub fn new(order: Order) -> Self {
        let keys = usize::try_from(order.keys).unwrap_or(usize::MAX);
        Self {
            order,
            keys: vec![Told::default(); keys],
            waits: Vec::new(),
            sources: BTreeMap::new(),
        }
    }

    pub(super) fn count(&mut self, worker: usize, event: Event) {
        let key = match event {
            Event::Origin(key)
            | Event::Ended(key)
            | Event::Answer { key, .. }
            | Event::Failed { key, .. } => key,
        };
        // A worker asks for the keys of its order and no others.
        let told = &mut self.keys[usize::try_from(key).unwrap_or(usize::MAX)];
        match event {
            Event::Origin(_) => told.called.push(worker),
            Event::Ended(_) => told.ended.push(worker),
            Event::Failed { took, .. } => self.waits.push(took),
            Event::Answer {
                value,
                took,
                source,
                stored,
                ..
            } => {
                told.answers.push((worker, value));
                if stored {
                    told.stored.push(worker);
                }
                self.waits.push(took);
                *self.sources.entry(word(source)).or_default() += 1;
            }
        }
    }

    /// The number of origin calls for each key.
    #[must_use]
    pub fn origin_calls(&self) -> Vec<usize> {
        self.keys.iter().map(|told| told.called.len()).collect()
    }

    /// The workers whose origin was called for `key`, in this order.
    #[must_use]
    pub fn called(&self, key: u64) -> &[usize] {
        self.told(key).map_or(&[], |told| &told.called)
    }

    /// The keys for which `worker` has begun an origin call that has not ended.
    #[must_use]
    pub fn unended(&self, worker: usize) -> Vec<u64> {
        let unended = |told: &Told| told.called.contains(&worker) && !told.ended.contains(&worker);
        (0..)
            .zip(&self.keys)
            .filter(|(_, told)| unended(told))
            .map(|(key, _)| key)
            .collect()
    }

    /// Whether an origin call of `worker` for `key` was stored.
    #[must_use]
    pub fn stored(&self, key: u64, worker: usize) -> bool {
        self.told(key)
            .is_some_and(|told| told.stored.contains(&worker))
    }

    /// The values that callers got for `key`, each once, without those of `but`.
    #[must_use]
    pub fn values(&self, key: u64, but: Option<usize>) -> Vec<u64> {
        let answers = self.told(key).into_iter().flat_map(|told| &told.answers);
        let mut values: Vec<_> = answers
            .filter(|(worker, _)| Some(*worker) != but)
            .map(|(_, value)| *value)
            .collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    /// How many callers were answered.
    #[must_use]
    pub fn answers(&self) -> usize {
        self.waits.len()
    }

    /// How many callers were answered from `source`.
    #[must_use]
    pub fn from(&self, source: Source) -> usize {
        self.sources.get(word(source)).copied().unwrap_or(0)
    }

    /// The longest wait of the fastest `percent` of the callers; zero if there were none.
    #[must_use]
    pub fn waited(&self, percent: usize) -> Duration {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        let place = (waits.len() * percent).div_ceil(100).saturating_sub(1);
        waits.get(place).copied().unwrap_or_default()
    }

    fn told(&self, key: u64) -> Option<&Told> {
        self.keys.get(usize::try_from(key).ok()?)
    }
}

fn word(source: Source) -> &'static str {
    match source {
        Source::Origin => "origin",
        Source::Cache => "cache",
        Source::Stale => "stale",
    }
}

/// One row: origin calls for each key, and waits in multiples of the origin's time.
impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.origin_calls();
        let (total, most) = (
            calls.iter().sum::<usize>(),
            calls.iter().max().unwrap_or(&0),
        );
        let relative =
            |percent| self.waited(percent).as_secs_f64() / self.order.origin.as_secs_f64();
        let (p50, p99, max) = (relative(50), relative(99), relative(100));
        let keys = calls.len();
        write!(
            f,
            "{:>7} answers {total:>4} origin calls for {keys} keys (at most {most} a key)   waited p50 {p50:.2}  p99 {p99:.2}  max {max:.2} x the origin's time",
            self.answers()
        )
    }
}
