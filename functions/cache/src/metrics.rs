//! Counts what became of calls. Told, never asked: nothing decides by these numbers.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::outcome::{Bypass, Fill, Outcome, Trouble};

/// How many calls ended how, since the cache was made. A snapshot: read one number after the other.
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
    /// Origin calls because the cache is switched off or not installed.
    pub disabled: u64,
    /// Origin calls because the server was left alone after failures.
    pub breaker: u64,
    /// Origin calls because the request wanted neither read nor write.
    pub requested: u64,
    /// Entries stored.
    pub stored: u64,
    /// Origin calls that failed, and whose error went to the caller.
    pub origin_error: u64,
    /// Calls whose cache I/O failed, by kind, in the order of [`Trouble::ALL`].
    pub trouble: [u64; 6],
    /// Entries that stood there and could not be read; each was replaced.
    pub unreadable: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    outcomes: [AtomicU64; 10],
    stored: AtomicU64,
    origin_error: AtomicU64,
    trouble: [AtomicU64; 6],
    unreadable: AtomicU64,
}

impl Counters {
    pub(crate) fn outcome(&self, outcome: Outcome) {
        let (place, fill) = match outcome {
            Outcome::Hit => (0, None),
            Outcome::Stale => (1, None),
            Outcome::StaleOnError => (2, None),
            Outcome::Miss(fill) => (3, Some(fill)),
            Outcome::Expired(fill) => (4, Some(fill)),
            Outcome::Refreshed(fill) => (5, Some(fill)),
            Outcome::Collapsed => (6, None),
            Outcome::Bypassed(Bypass::Disabled) => (7, None),
            Outcome::Bypassed(Bypass::Breaker) => (8, None),
            Outcome::Bypassed(Bypass::Requested) => (9, None),
        };
        add(&self.outcomes[place]);
        match fill {
            Some(Fill::Stored) => add(&self.stored),
            Some(Fill::Failed(trouble)) => self.trouble(trouble),
            Some(Fill::NotStored) | None => {}
        }
    }

    pub(crate) fn trouble(&self, trouble: Trouble) {
        add(&self.trouble[trouble as usize]);
    }

    pub(crate) fn origin_error(&self) {
        add(&self.origin_error);
    }

    pub(crate) fn unreadable(&self) {
        add(&self.unreadable);
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [
            hit,
            stale,
            stale_on_error,
            miss,
            expired,
            refreshed,
            collapsed,
            disabled,
            breaker,
            requested,
        ] = self.outcomes.each_ref().map(read);
        Stats {
            hit,
            stale,
            stale_on_error,
            miss,
            expired,
            refreshed,
            collapsed,
            disabled,
            breaker,
            requested,
            stored: read(&self.stored),
            origin_error: read(&self.origin_error),
            trouble: self.trouble.each_ref().map(read),
            unreadable: read(&self.unreadable),
        }
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
