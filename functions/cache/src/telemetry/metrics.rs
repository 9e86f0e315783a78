//! Counters of calls, for each function. They are only written: nothing decides by these numbers.

use std::{
    collections::BTreeMap,
    ops::Index,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use foldhash::HashMap;

use crate::outcome::{Bypass, CacheFailure, Fill, Outcome};

/// How many calls ended in which way since the cache was made. The numbers are read one after the
/// other, while calls go on.
///
/// ```
/// # use larder::{Cache, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let cache = Cache::memory();
/// with_cache(cache.clone(), async {
///     for _ in 0..3 {
///         square(12).await;
///     }
/// })
/// .await;
/// let stats = cache.stats();
/// assert_eq!((stats.miss, stats.stored, stats.hit), (1, 1, 2));
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Fresh entries served.
    pub hit: u64,
    /// Of these, those that a copy in this process has answered, without the server.
    pub near_hit: u64,
    /// Stale entries served while another caller refreshed.
    pub stale: u64,
    /// Stale entries served because the call's own origin call failed.
    pub stale_on_error: u64,
    /// Stale entries served because another caller's refresh, or the cache, had just failed.
    pub stale_after_error: u64,
    /// Origin calls because there was no usable entry.
    pub miss: u64,
    /// Origin calls because the entry was past its ttl.
    pub expired: u64,
    /// Origin calls because the caller asked for a new value.
    pub refreshed: u64,
    /// Calls answered by another caller's origin call.
    pub collapsed: u64,
    /// Origin calls without a lease, since the last answer for the key could not be stored.
    pub passed: u64,
    /// Origin calls because the cache is disabled.
    pub disabled: u64,
    /// Origin calls because the server's circuit breaker was open.
    pub breaker: u64,
    /// Origin calls because the caller asked to bypass the cache.
    pub requested: u64,
    /// Entries stored.
    pub stored: u64,
    /// Calls whose origin failed and whose caller got its error.
    pub origin_error: u64,
    /// Calls whose cache I/O failed, by kind: `stats.failures[CacheFailure::Timeout]`.
    pub failures: FailureCounts,
    /// Entries that could not be decoded. A call replaces each, as on a miss; `peek` leaves it.
    pub unreadable: u64,
    /// Leases acquired: each is the right to call the origin for one key.
    pub lease_won: u64,
    /// Of these, those that replaced another record: of a holder that failed, or from before a
    /// flush.
    pub lease_taken_over: u64,
    /// Calls that waited for another caller's lease.
    pub lease_waited: u64,
    /// Calls that went to their origin because another function has their name, or another type the
    /// name of theirs: a mistake, which an error in the log explains.
    pub refused: u64,
    /// Calls that went to their origin because no key can be made of their arguments: a mistake,
    /// too.
    pub keyless: u64,
    /// Origin calls after a wait for another caller's, which failed, took too long, or left nothing
    /// to use.
    pub waited_in_vain: u64,
    /// Bytes of entries and leases read, envelope included.
    pub bytes_read: u64,
    /// Bytes of entries stored, envelope included.
    pub bytes_written: u64,
    /// Time spent in origin calls that succeeded. An origin call of
    /// [`get_or_fetch_many`](crate::Cache::get_or_fetch_many) counts once for each of its values.
    pub origin_time: Duration,
    /// How long the origin calls of the served entries, fresh or stale, had taken.
    pub origin_time_saved: Duration,
}

/// How often the cache failed, by kind.
///
/// ```
/// # use larder::{Cache, CacheFailure, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let down = Cache::builder().url("memcached://127.0.0.1:1").build().unwrap();
/// with_cache(down.clone(), square(12)).await;
/// let stats = down.stats();
/// assert_eq!(stats.failures[CacheFailure::Refused], 1);
/// assert_eq!(stats.failures.total(), 1);
/// assert_eq!(stats.failures.iter().count(), CacheFailure::ALL.len()); // zeros included
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FailureCounts([u64; CacheFailure::ALL.len()]);

impl FailureCounts {
    /// The sum over all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each kind with its count, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (CacheFailure, u64)> {
        CacheFailure::ALL.into_iter().zip(self.0)
    }
}

impl Index<CacheFailure> for FailureCounts {
    type Output = u64;

    fn index(&self, failure: CacheFailure) -> &u64 {
        &self.0[failure as usize]
    }
}

/// The counters of one function.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    counts: [AtomicU64; Counter::Last as usize],
    failure: [AtomicU64; CacheFailure::ALL.len()],
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Counter {
    Hit,
    NearHit,
    Stale,
    StaleOnError,
    StaleAfterError,
    Miss,
    Expired,
    Refreshed,
    Collapsed,
    Passed,
    Disabled,
    Breaker,
    Requested,
    Stored,
    OriginError,
    Unreadable,
    LeaseWon,
    LeaseTakenOver,
    LeaseWaited,
    Refused,
    Keyless,
    WaitedInVain,
    BytesRead,
    BytesWritten,
    OriginMicros,
    OriginMicrosSaved,
    /// The number of counters above.
    Last,
}

impl Counters {
    pub(crate) fn outcome(&self, outcome: Outcome) {
        let (count, fill) = match outcome {
            Outcome::Hit => (Counter::Hit, None),
            Outcome::Stale => (Counter::Stale, None),
            Outcome::StaleOnError => (Counter::StaleOnError, None),
            Outcome::StaleAfterError => (Counter::StaleAfterError, None),
            Outcome::Miss(fill) => (Counter::Miss, Some(fill)),
            Outcome::Expired(fill) => (Counter::Expired, Some(fill)),
            Outcome::Refreshed(fill) => (Counter::Refreshed, Some(fill)),
            Outcome::Collapsed => (Counter::Collapsed, None),
            Outcome::Passed => (Counter::Passed, None),
            Outcome::Bypassed(Bypass::Disabled) => (Counter::Disabled, None),
            Outcome::Bypassed(Bypass::Breaker) => (Counter::Breaker, None),
            Outcome::Bypassed(Bypass::Requested) => (Counter::Requested, None),
            Outcome::Bypassed(Bypass::Name) => (Counter::Refused, None),
            Outcome::Bypassed(Bypass::Key) => (Counter::Keyless, None),
        };
        self.increment(count);
        match fill {
            Some(Fill::Stored) => self.increment(Counter::Stored),
            Some(Fill::Failed(failure)) => {
                self.failure[failure as usize].fetch_add(1, Ordering::Relaxed);
            }
            Some(Fill::NotStored) | None => {}
        }
    }

    pub(crate) fn increment(&self, count: Counter) {
        self.add(count, 1);
    }

    pub(crate) fn bytes(&self, count: Counter, bytes: usize) {
        self.add(count, bytes as u64);
    }

    pub(crate) fn time(&self, count: Counter, time: Duration) {
        self.add(count, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    pub(crate) fn add(&self, count: Counter, amount: u64) {
        self.counts[count as usize].fetch_add(amount, Ordering::Relaxed);
    }
}

/// The counters of each function, by its name.
#[derive(Debug, Default)]
pub(crate) struct CountersByName(RwLock<HashMap<String, Arc<Counters>>>);

/// The most names with separate counters. A program that makes up names must not fill its memory.
const NAMES: usize = 256;
/// The name under which all further ones are counted together. No function can have it.
const OTHERS: &str = "(others)";

impl CountersByName {
    pub(crate) fn of(&self, name: &str) -> Arc<Counters> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // Once all separate counters are taken, no call changes the map.
        let others = || known.get(OTHERS).filter(|_| known.len() > NAMES);
        if let Some(counters) = known.get(name).or_else(others) {
            return counters.clone();
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let name = if known.len() < NAMES { name } else { OTHERS };
        known.entry(name.to_owned()).or_default().clone()
    }

    pub(crate) fn total(&self) -> Stats {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        sum(&known.values().collect::<Vec<_>>())
    }

    pub(crate) fn by_name(&self) -> BTreeMap<String, Stats> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let named = known.iter();
        named
            .map(|(name, counters)| (name.clone(), sum(&[counters])))
            .collect()
    }
}

fn sum(all: &[&Arc<Counters>]) -> Stats {
    let read = |count: Counter| {
        let each = all.iter();
        each.map(|one| one.counts[count as usize].load(Ordering::Relaxed))
            .sum()
    };
    let time = |count| Duration::from_micros(read(count));
    let failure = CacheFailure::ALL.map(|failure| {
        let each = all.iter();
        each.map(|one| one.failure[failure as usize].load(Ordering::Relaxed))
            .sum()
    });
    Stats {
        hit: read(Counter::Hit) + read(Counter::NearHit),
        near_hit: read(Counter::NearHit),
        stale: read(Counter::Stale),
        stale_on_error: read(Counter::StaleOnError),
        stale_after_error: read(Counter::StaleAfterError),
        miss: read(Counter::Miss),
        expired: read(Counter::Expired),
        refreshed: read(Counter::Refreshed),
        collapsed: read(Counter::Collapsed),
        passed: read(Counter::Passed),
        disabled: read(Counter::Disabled),
        breaker: read(Counter::Breaker),
        requested: read(Counter::Requested),
        stored: read(Counter::Stored),
        origin_error: read(Counter::OriginError),
        failures: FailureCounts(failure),
        unreadable: read(Counter::Unreadable),
        lease_won: read(Counter::LeaseWon),
        lease_taken_over: read(Counter::LeaseTakenOver),
        lease_waited: read(Counter::LeaseWaited),
        refused: read(Counter::Refused),
        keyless: read(Counter::Keyless),
        waited_in_vain: read(Counter::WaitedInVain),
        bytes_read: read(Counter::BytesRead),
        bytes_written: read(Counter::BytesWritten),
        origin_time: time(Counter::OriginMicros),
        origin_time_saved: time(Counter::OriginMicrosSaved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_trouble_has_its_own_number() {
        let counters = CountersByName::default();
        for (times, failure) in (1..).zip(CacheFailure::ALL) {
            for _ in 0..times {
                counters
                    .of("a")
                    .outcome(Outcome::Miss(Fill::Failed(failure)));
            }
        }
        let stats = counters.total();
        assert!(stats.failures.iter().map(|(_, n)| n).eq(1..=11));
        assert_eq!(stats.failures[CacheFailure::Oversize], 6);
        assert_eq!((stats.failures.total(), stats.miss), (66, 66));
    }

    #[test]
    fn names_without_end_are_counted_together() {
        let counters = CountersByName::default();
        for n in 0..NAMES + 10 {
            counters.of(&n.to_string()).increment(Counter::Hit);
        }
        let by_name = counters.by_name();
        assert_eq!(by_name.len(), NAMES + 1);
        assert_eq!((by_name["0"].hit, by_name[OTHERS].hit), (1, 10));
        assert_eq!(counters.total().hit, NAMES as u64 + 10);
        // Without the lock of a writer, which would wait for this reader.
        let _reading = counters.0.read().unwrap();
        counters.of("one more").increment(Counter::Hit);
    }
}
