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

use crate::outcome::{Bypass, Fill, Outcome, Trouble};

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
    /// Calls whose cache I/O failed, by kind: `stats.trouble[Trouble::Timeout]`.
    pub trouble: Troubles,
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
/// # use larder::{Cache, Trouble, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let down = Cache::builder().url("memcached://127.0.0.1:1").build().unwrap();
/// with_cache(down.clone(), square(12)).await;
/// let stats = down.stats();
/// assert_eq!((stats.trouble[Trouble::Refused], stats.trouble[Trouble::Timeout]), (1, 0));
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Troubles([u64; Trouble::ALL.len()]);

impl Troubles {
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
    /// assert_eq!(down.stats().trouble.total(), 1);
    /// # }
    /// ```
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each kind with its number.
    ///
    /// ```
    /// # use larder::{Cache, Trouble, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let down = Cache::builder().url("memcached://127.0.0.1:1").build().unwrap();
    /// with_cache(down.clone(), square(12)).await;
    /// for (kind, times) in down.stats().trouble.iter() {
    ///     assert_eq!(times, u64::from(kind == Trouble::Refused), "{kind}");
    /// }
    /// # }
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (Trouble, u64)> {
        Trouble::ALL.into_iter().zip(self.0)
    }
}

impl Index<Trouble> for Troubles {
    type Output = u64;

    fn index(&self, trouble: Trouble) -> &u64 {
        &self.0[trouble as usize]
    }
}

/// What is counted of one function.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    counts: [AtomicU64; Count::Last as usize],
    trouble: [AtomicU64; Trouble::ALL.len()],
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Count {
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
            Outcome::Hit => (Count::Hit, None),
            Outcome::Stale => (Count::Stale, None),
            Outcome::StaleOnError => (Count::StaleOnError, None),
            Outcome::Miss(fill) => (Count::Miss, Some(fill)),
            Outcome::Expired(fill) => (Count::Expired, Some(fill)),
            Outcome::Refreshed(fill) => (Count::Refreshed, Some(fill)),
            Outcome::Collapsed => (Count::Collapsed, None),
            Outcome::Bypassed(Bypass::Disabled) => (Count::Disabled, None),
            Outcome::Bypassed(Bypass::Breaker) => (Count::Breaker, None),
            Outcome::Bypassed(Bypass::Requested) => (Count::Requested, None),
        };
        self.one(count);
        match fill {
            Some(Fill::Stored) => self.one(Count::Stored),
            Some(Fill::Failed(trouble)) => {
                self.trouble[trouble as usize].fetch_add(1, Ordering::Relaxed);
            }
            Some(Fill::NotStored) | None => {}
        }
    }

    pub(crate) fn one(&self, count: Count) {
        self.add(count, 1);
    }

    pub(crate) fn bytes(&self, count: Count, bytes: usize) {
        self.add(count, bytes as u64);
    }

    pub(crate) fn time(&self, count: Count, time: Duration) {
        self.add(count, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    fn add(&self, count: Count, amount: u64) {
        self.counts[count as usize].fetch_add(amount, Ordering::Relaxed);
    }
}

/// The counters of each function, by its name.
#[derive(Debug, Default)]
pub(crate) struct Tally(RwLock<HashMap<String, Arc<Counters>>>);

/// So many names are counted apart. Names that a program makes up as it goes must not fill its memory.
const NAMES: usize = 256;
/// The name under which those beyond are counted together: no function can have it.
const OTHERS: &str = "(others)";

impl Tally {
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
    let read = |count: Count| {
        let each = all.iter();
        each.map(|one| one.counts[count as usize].load(Ordering::Relaxed))
            .sum()
    };
    let time = |count| Duration::from_micros(read(count));
    let trouble = Trouble::ALL.map(|trouble| {
        let each = all.iter();
        each.map(|one| one.trouble[trouble as usize].load(Ordering::Relaxed))
            .sum()
    });
    Stats {
        hit: read(Count::Hit),
        stale: read(Count::Stale),
        stale_on_error: read(Count::StaleOnError),
        miss: read(Count::Miss),
        expired: read(Count::Expired),
        refreshed: read(Count::Refreshed),
        collapsed: read(Count::Collapsed),
        disabled: read(Count::Disabled),
        breaker: read(Count::Breaker),
        requested: read(Count::Requested),
        stored: read(Count::Stored),
        origin_error: read(Count::OriginError),
        trouble: Troubles(trouble),
        unreadable: read(Count::Unreadable),
        lease_won: read(Count::LeaseWon),
        lease_taken_over: read(Count::LeaseTakenOver),
        lease_waited: read(Count::LeaseWaited),
        bytes_read: read(Count::BytesRead),
        bytes_written: read(Count::BytesWritten),
        origin_time: time(Count::OriginMicros),
        origin_time_saved: time(Count::OriginMicrosSaved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_trouble_has_its_own_number() {
        let tally = Tally::default();
        for (times, trouble) in (1..).zip(Trouble::ALL) {
            for _ in 0..times {
                tally.of("a").outcome(Outcome::Miss(Fill::Failed(trouble)));
            }
        }
        let stats = tally.total();
        assert!(stats.trouble.iter().map(|(_, n)| n).eq(1..=6));
        assert_eq!(stats.trouble[Trouble::Oversize], 6);
        assert_eq!((stats.trouble.total(), stats.miss), (21, 21));
    }

    #[test]
    fn names_without_end_are_counted_together() {
        let tally = Tally::default();
        for n in 0..NAMES + 10 {
            tally.of(&n.to_string()).one(Count::Hit);
        }
        let by_name = tally.by_name();
        assert_eq!(by_name.len(), NAMES + 1);
        assert_eq!((by_name["0"].hit, by_name[OTHERS].hit), (1, 10));
        assert_eq!(tally.total().hit, NAMES as u64 + 10);
    }
}
