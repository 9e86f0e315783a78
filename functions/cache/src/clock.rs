//! The wall clock, in milliseconds. Entries carry its times because a server's own clock is shown only by the meta protocol.
//! No clock of a client decides who holds a lease.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since 1970.
pub(crate) type Millis = u64;

/// The clock of one cache.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clock {
    /// The machine's: what is cached is shared with other machines.
    Wall,
    /// The machine's, or tokio's if that is ahead: in a test that pauses tokio's it is, and after a freeze of the process it is not.
    /// For a cache that is shared with nobody.
    OrTokio { began: Millis, at: Instant },
}

impl Clock {
    pub(crate) fn or_tokio() -> Self {
        Self::OrTokio {
            began: now(),
            at: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> Millis {
        match self {
            Self::Wall => now(),
            // Rounded down: a duration that is not over yet must not seem to be.
            Self::OrTokio { began, at } => {
                let passed = u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX);
                now().max(began.saturating_add(passed))
            }
        }
    }
}

/// Time passed at `now` since `then`; zero if that is yet to come.
pub(crate) fn since(now: Millis, then: Millis) -> Duration {
    Duration::from_millis(now.saturating_sub(then))
}

/// Whole seconds from `now` until `then`, rounded up; negative, and at most -1, when it has passed.
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
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
