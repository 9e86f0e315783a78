//! What a cache would do with the user's own traffic, computed without asking the target: the hit
//! ratio over the lifetime of entries, and over the memory of a cache that drops what was not used
//! for the longest time (LRU).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) at_s: f64,
    pub(crate) key: usize,
    /// The size of the answer; one where no size is known.
    pub(crate) bytes: f64,
}

/// The two curves, and where they become flat.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct WhatIf {
    /// With memory for everything. Empty if the traffic has no times.
    pub(crate) lifetimes: Vec<LifetimePoint>,
    /// With entries that never expire.
    pub(crate) memory: Vec<MemoryPoint>,
    /// The hit ratio with neither limit: each key is missed once.
    pub(crate) best_hit_ratio: f64,
    /// The shortest lifetime that reaches most of the best hit ratio.
    pub(crate) enough_ttl_s: Option<f64>,
    /// The least memory that reaches most of it.
    pub(crate) enough_memory: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct LifetimePoint {
    pub(crate) ttl_s: f64,
    pub(crate) hit_ratio: f64,
    /// The most that is alive at once.
    pub(crate) most_memory: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct MemoryPoint {
    pub(crate) memory: f64,
    pub(crate) hit_ratio: f64,
}

/// The share of the best hit ratio that is enough: what is left costs many times as much.
pub(crate) const ENOUGH: f64 = 0.95;

/// The lifetimes that are tried, in seconds, as far as the traffic lasts.
const LIFETIMES: [f64; 22] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0,
    3600.0, 7200.0, 14_400.0, 43_200.0, 86_400.0, 259_200.0, 604_800.0,
];

/// Points of the curve over memory; each has two thirds of the next one's.
const MEMORY_POINTS: i32 = 20;

/// `timed` says whether the times are real; without them there is no curve over lifetimes.
pub(crate) fn what_if(accesses: &[Access], timed: bool) -> WhatIf {
    let keys = accesses.iter().map(|access| access.key + 1).max();
    let keys = keys.unwrap_or(0);
    let best = 1.0 - distinct(accesses, keys) as f64 / accesses.len().max(1) as f64;
    let lifetimes = match timed {
        true => lifetimes(accesses, keys),
        false => Vec::new(),
    };
    let memory = memory(accesses, keys);
    let enough = |hit_ratio: f64| hit_ratio >= ENOUGH * best;
    let ttl = lifetimes.iter().find(|point| enough(point.hit_ratio));
    let least = memory.iter().find(|point| enough(point.hit_ratio));
    WhatIf {
        enough_ttl_s: ttl.filter(|_| best > 0.0).map(|point| point.ttl_s),
        enough_memory: least.filter(|_| best > 0.0).map(|point| point.memory),
        best_hit_ratio: best,
        lifetimes,
        memory,
    }
}

fn distinct(accesses: &[Access], keys: usize) -> usize {
    let mut seen = vec![false; keys];
    accesses.iter().for_each(|access| seen[access.key] = true);
    seen.iter().filter(|seen| **seen).count()
}

fn lifetimes(accesses: &[Access], keys: usize) -> Vec<LifetimePoint> {
    let lasted = accesses.last().map_or(0.0, |last| last.at_s);
    let longest = LIFETIMES.iter().copied().find(|ttl| *ttl > lasted);
    let tried = LIFETIMES.into_iter();
    tried
        .take_while(|ttl| *ttl <= longest.unwrap_or(f64::MAX))
        .map(|ttl_s| lifetime(accesses, keys, ttl_s))
        .collect()
}

/// An entry lives for `ttl_s` after the miss that stored it.
fn lifetime(accesses: &[Access], keys: usize, ttl_s: f64) -> LifetimePoint {
    let mut stored = vec![f64::NEG_INFINITY; keys];
    let (mut hits, mut alive, mut most) = (0_u64, 0.0_f64, 0.0_f64);
    let mut expiries = std::collections::VecDeque::new();
    for access in accesses {
        while let Some((at, bytes)) = expiries.front().copied()
            && at <= access.at_s
        {
            expiries.pop_front();
            alive -= bytes;
        }
        if access.at_s < stored[access.key] + ttl_s {
            hits += 1;
        } else {
            stored[access.key] = access.at_s;
            expiries.push_back((access.at_s + ttl_s, access.bytes));
            alive += access.bytes;
            most = most.max(alive);
        }
    }
    LifetimePoint {
        ttl_s,
        hit_ratio: hits as f64 / accesses.len().max(1) as f64,
        most_memory: most,
    }
}

/// An LRU cache has a key if everything that was used since fits with it. So the bytes of the keys
/// that were used since, and its own, are the least memory with which an access is a hit (Mattson's
/// stack distance).
fn memory(accesses: &[Access], keys: usize) -> Vec<MemoryPoint> {
    let mut needed = stack_distances(accesses, keys);
    needed.sort_by(f64::total_cmp);
    let Some(largest) = needed.last().copied() else {
        return Vec::new();
    };
    let step = 1.5_f64;
    let sizes = (0..MEMORY_POINTS).rev();
    let sizes = sizes.map(|power| (largest / step.powi(power)).ceil());
    let mut points: Vec<MemoryPoint> = Vec::new();
    for memory in sizes {
        let hits = needed.partition_point(|needed| *needed <= memory);
        if points.last().is_none_or(|last| last.memory < memory) {
            points.push(MemoryPoint {
                memory,
                hit_ratio: hits as f64 / accesses.len().max(1) as f64,
            });
        }
    }
    points
}

/// The stack distance of each access that is not the first of its key.
fn stack_distances(accesses: &[Access], keys: usize) -> Vec<f64> {
    let mut used = Sums::new(accesses.len());
    let mut last: Vec<Option<(usize, f64)>> = vec![None; keys];
    let mut distances = Vec::new();
    for (now, access) in accesses.iter().enumerate() {
        if let Some((before, bytes)) = last[access.key] {
            distances.push(used.between(before, now));
            used.add(before, -bytes);
        }
        used.add(now, access.bytes);
        last[access.key] = Some((now, access.bytes));
    }
    distances
}

/// Sums of ranges of a row of numbers (a Fenwick tree).
struct Sums(Vec<f64>);

impl Sums {
    fn new(length: usize) -> Self {
        Self(vec![0.0; length + 1])
    }

    fn add(&mut self, at: usize, value: f64) {
        let mut at = at + 1;
        while at < self.0.len() {
            self.0[at] += value;
            at += at & at.wrapping_neg();
        }
    }

    fn below(&self, end: usize) -> f64 {
        let (mut at, mut sum) = (end, 0.0);
        while at > 0 {
            sum += self.0[at];
            at &= at - 1;
        }
        sum
    }

    fn between(&self, from: usize, end: usize) -> f64 {
        self.below(end) - self.below(from)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn accesses(keys: &[(f64, usize)]) -> Vec<Access> {
        let access = |(at_s, key): &(f64, usize)| Access {
            at_s: *at_s,
            key: *key,
            bytes: 10.0,
        };
        keys.iter().map(access).collect()
    }

    #[test]
    fn a_lifetime_is_counted_from_the_miss_that_stored_the_entry() {
        let traffic = accesses(&[(0.0, 0), (4.0, 0), (6.0, 0), (9.0, 1), (10.0, 0)]);
        let found = what_if(&traffic, true);
        let at = |ttl| {
            let mut points = found.lifetimes.iter();
            points.find(|point| point.ttl_s == ttl).copied().unwrap()
        };
        // Misses at 0, 6 and 9; the second key is alive together with the first one.
        assert_eq!((at(5.0).hit_ratio, at(5.0).most_memory), (0.4, 20.0));
        assert_eq!(at(1.0).hit_ratio, 0.0);
        assert_eq!((at(20.0).hit_ratio, found.best_hit_ratio), (0.6, 0.6));
        assert_eq!(found.enough_ttl_s, Some(20.0));
        assert_eq!(what_if(&traffic, false).lifetimes, []);
    }

    /// An LRU cache that is simulated entry by entry.
    fn simulated(traffic: &[Access], memory: f64) -> usize {
        let (mut cache, mut hits) = (VecDeque::<Access>::new(), 0);
        for access in traffic {
            if let Some(at) = cache.iter().position(|one| one.key == access.key) {
                hits += 1;
                cache.remove(at);
            }
            cache.push_front(*access);
            while cache.iter().map(|one| one.bytes).sum::<f64>() > memory {
                cache.pop_back();
            }
        }
        hits
    }

    #[test]
    fn the_curve_over_memory_is_that_of_a_simulated_cache() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let traffic: Vec<Access> = (0..2000)
            .map(|number| Access {
                at_s: f64::from(number),
                key: (rng.random::<f64>().powi(3) * 100.0) as usize,
                bytes: 10.0,
            })
            .collect();
        let found = what_if(&traffic, true);
        assert!(found.memory.len() > 5, "{:?}", found.memory);
        for point in &found.memory {
            let hits = simulated(&traffic, point.memory);
            assert_eq!(point.hit_ratio, hits as f64 / 2000.0, "{point:?}");
        }
        let last = found.memory.last().unwrap();
        assert_eq!(last.hit_ratio, found.best_hit_ratio);
    }

    #[test]
    fn traffic_without_a_second_request_has_no_recommendation() {
        let found = what_if(&accesses(&[(0.0, 0), (1.0, 1)]), true);
        assert_eq!((found.best_hit_ratio, found.enough_ttl_s), (0.0, None));
        assert_eq!((found.memory, found.enough_memory), (Vec::new(), None));
        assert_eq!(what_if(&[], true).lifetimes.len(), 1);
    }
}
