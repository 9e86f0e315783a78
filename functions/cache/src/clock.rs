//! The wall clock, in milliseconds. Entries carry its times, because only the meta protocol shows a
//! server's clock. No client's clock decides which caller holds a lease.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since 1970.
pub(crate) type Millis = u64;

/// The clock of one cache.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    of: Of,
    #[cfg(any(test, feature = "fuzzing"))]
    ahead: ahead::Ahead,
}

#[derive(Debug, Clone, Copy)]
enum Of {
    /// The machine's clock, for entries that are shared with other machines.
    Wall,
    /// The later one of the machine's clock and tokio's, for a cache of this process. Tokio's is
    /// ahead in a test that pauses and advances it; the machine's is ahead after a freeze of the
    /// process.
    OrTokio { began: Millis, at: Instant },
}

impl Clock {
    pub(crate) fn wall() -> Self {
        Self::of(Of::Wall)
    }

    pub(crate) fn or_tokio() -> Self {
        Self::of(Of::OrTokio {
            began: now(),
            at: Instant::now(),
        })
    }

    fn of(of: Of) -> Self {
        Self {
            of,
            #[cfg(any(test, feature = "fuzzing"))]
            ahead: ahead::Ahead::default(),
        }
    }

    #[cfg(not(any(test, feature = "fuzzing")))]
    pub(crate) fn now(&self) -> Millis {
        self.of.now()
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn now(&self) -> Millis {
        self.ahead.of(self.of.now())
    }

    /// Sets the clock forward, or back: from now on it differs from other machines' by `millis`.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn set_ahead(&self, millis: i64) {
        self.ahead.set(millis);
    }
}

impl Of {
    fn now(&self) -> Millis {
        match self {
            Self::Wall => now(),
            // Rounded down, so that a duration never seems to be over too early.
            Self::OrTokio { began, at } => {
                let passed = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
                now().max(began.saturating_add(passed))
            }
        }
    }
}

/// The time from `then` to `now`; zero if `then` is in the future.
pub(crate) fn since(now: Millis, then: Millis) -> Duration {
    Duration::from_millis(now.saturating_sub(then))
}

/// Whole seconds from `now` until `then`, rounded up; at most -1 if `then` has passed.
pub(crate) fn until(now: Millis, then: Millis) -> i64 {
    let seconds = then.abs_diff(now).div_ceil(1000);
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    if then > now { seconds } else { -seconds.max(1) }
}

pub(crate) fn now() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, millis)
}

/// Rounded up: a duration above zero never becomes zero.
pub(crate) fn millis(duration: Duration) -> Millis {
    // Without a division of 128 bits, which a hit would pay for.
    let below = duration.subsec_nanos().div_ceil(1_000_000);
    let whole = duration.as_secs().saturating_mul(1000);
    whole.saturating_add(below.into())
}

/// The difference that a test sets.
#[cfg(any(test, feature = "fuzzing"))]
mod ahead {
    use std::sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    };

    use super::Millis;

    #[derive(Debug, Clone, Default)]
    pub(super) struct Ahead(Arc<AtomicI64>);

    impl Ahead {
        pub(super) fn of(&self, now: Millis) -> Millis {
            now.saturating_add_signed(self.0.load(Ordering::Relaxed))
        }

        pub(super) fn set(&self, millis: i64) {
            self.0.store(millis, Ordering::Relaxed);
        }
    }
}
