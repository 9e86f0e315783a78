//! Counts what became of calls, function by function. Told, never asked: nothing decides by these numbers.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Index,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::outcome::{Bypass, CacheFailure, Fill, Outcome};

/// How many calls ended how, since the cache was made. A snapshot: read one number after the other.
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
    /// Stale entries served while another caller refreshed.
    pub stale: u64,
    /// Stale entries served because the origin failed.
    pub stale_on_error: u64,
    /// Origin calls because nothing usable was there.
    pub miss: u64,
    /// Origin calls because the entry was past its ttl.
    pub expired: u64,
    /// Origin calls because the request wanted a new value.
    pub refreshed: u64,
    /// Calls answered by another caller's origin call.
    pub collapsed: u64,
    /// Origin calls because the cache is switched off.
    pub disabled: u64,
    /// Origin calls because the server was left alone after failures.
    pub breaker: u64,
    /// Origin calls because the request wanted neither read nor write.
    pub requested: u64,
    /// Entries stored.
    pub stored: u64,
    /// Calls whose origin failed, and whose error went to the caller.
    pub origin_error: u64,
    /// Calls whose cache I/O failed, by kind: `stats.failures[CacheFailure::Timeout]`.
    pub failures: FailureCounts,
    /// Entries that stood there and could not be read. A call replaces each, as on a miss; a look (`peek`) leaves it.
    pub unreadable: u64,
    /// Leases won: each is the right to call the origin for one key.
    pub lease_won: u64,
    /// Of these, how many were taken over from a holder that died, failed, or held one of before a flush.
    pub lease_taken_over: u64,
    /// Calls that waited for another caller's lease.
    pub lease_waited: u64,
    /// Bytes of entries and leases read, envelope included.
    pub bytes_read: u64,
    /// Bytes of entries stored, envelope included.
    pub bytes_written: u64,
    /// Time spent in origin calls that succeeded. What [`get_or_fetch_many`](crate::Cache::get_or_fetch_many) spends counts for each
    /// of the values that it got.
    pub origin_time: Duration,
    /// What the entries served, fresh or stale, had taken their origin.
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
/// assert_eq!((stats.failures[CacheFailure::Refused], stats.failures[CacheFailure::Timeout]), (1, 0));
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FailureCounts([u64; CacheFailure::ALL.len()]);

impl FailureCounts {
    /// Of all kinds together.
    ///
    /// ```
    /// # use larder::{Cache, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let down = Cache::builder().url("memcached://127.0.0.1:1").build().unwrap();
    /// with_cache(down.clone(), square(12)).await;
    /// assert_eq!(down.stats().failures.total(), 1);
    /// # }
    /// ```
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each kind with its number.
    ///
    /// ```
    /// # use larder::{Cache, CacheFailure, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let down = Cache::builder().url("memcached://127.0.0.1:1").build().unwrap();
    /// with_cache(down.clone(), square(12)).await;
    /// for (kind, times) in down.stats().failures.iter() {
    ///     assert_eq!(times, u64::from(kind == CacheFailure::Refused), "{kind}");
    /// }
    /// # }
    /// ```
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

/// What is counted of one function.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    counts: [AtomicU64; Counter::Last as usize],
    failure: [AtomicU64; CacheFailure::ALL.len()],
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Counter {
    Hit,
    Stale,
    StaleOnError,
    Miss,
    Expired,
    Refreshed,
    Collapsed,
    Disabled,
    Breaker,
    Requested,
    Stored,
    OriginError,
    Unreadable,
    LeaseWon,
    LeaseTakenOver,
    LeaseWaited,
    BytesRead,
    BytesWritten,
    OriginMicros,
    OriginMicrosSaved,
    /// The number of those above.
    Last,
}

impl Counters {
    pub(crate) fn outcome(&self, outcome: Outcome) {
        let (count, fill) = match outcome {
            Outcome::Hit => (Counter::Hit, None),
            Outcome::Stale => (Counter::Stale, None),
            Outcome::StaleOnError => (Counter::StaleOnError, None),
            Outcome::Miss(fill) => (Counter::Miss, Some(fill)),
            Outcome::Expired(fill) => (Counter::Expired, Some(fill)),
            Outcome::Refreshed(fill) => (Counter::Refreshed, Some(fill)),
            Outcome::Collapsed => (Counter::Collapsed, None),
            Outcome::Bypassed(Bypass::Disabled) => (Counter::Disabled, None),
            Outcome::Bypassed(Bypass::Breaker) => (Counter::Breaker, None),
            Outcome::Bypassed(Bypass::Requested) => (Counter::Requested, None),
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

    fn add(&self, count: Counter, amount: u64) {
        self.counts[count as usize].fetch_add(amount, Ordering::Relaxed);
    }
}

/// The counters of each function, by its name.
#[derive(Debug, Default)]
pub(crate) struct CountersByName(RwLock<HashMap<String, Arc<Counters>>>);

/// So many names are counted apart. Names that a program makes up as it goes must not fill its memory.
const NAMES: usize = 256;
/// The name under which those beyond are counted together: no function can have it.
const OTHERS: &str = "(others)";

impl CountersByName {
    pub(crate) fn of(&self, name: &str) -> Arc<Counters> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counters) = known.get(name) {
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
        hit: read(Counter::Hit),
        stale: read(Counter::Stale),
        stale_on_error: read(Counter::StaleOnError),
        miss: read(Counter::Miss),
        expired: read(Counter::Expired),
        refreshed: read(Counter::Refreshed),
        collapsed: read(Counter::Collapsed),
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
        assert!(stats.failures.iter().map(|(_, n)| n).eq(1..=6));
        assert_eq!(stats.failures[CacheFailure::Oversize], 6);
        assert_eq!((stats.failures.total(), stats.miss), (21, 21));
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
    }
}
