//! The wall clock, in milliseconds. Entries carry its times because a server's own clock is shown only by the meta protocol.
//! No clock of a client decides who holds a lease.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::entry::Millis;

#[cfg(not(test))]
pub(crate) fn now() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, millis)
}

/// In unit tests it goes with tokio's clock, which a test may pause.
#[cfg(test)]
pub(crate) fn now() -> Millis {
    use tokio::time::Instant;
    static BEGUN: std::sync::OnceLock<(SystemTime, Instant)> = std::sync::OnceLock::new();
    let (wall, begun) = BEGUN.get_or_init(|| (SystemTime::now(), Instant::now()));
    let now = *wall + Instant::now().saturating_duration_since(*begun);
    now.duration_since(UNIX_EPOCH).map_or(0, millis)
}

/// Rounded up: a duration above zero never becomes zero.
pub(crate) fn millis(duration: Duration) -> Millis {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// Time passed since `then`; zero if that is yet to come.
pub(crate) fn since(then: Millis) -> Duration {
    Duration::from_millis(now().saturating_sub(then))
}

/// Whole seconds until `then`, rounded up; negative, and at most -1, when it has passed.
pub(crate) fn until(then: Millis) -> i64 {
    let now = now();
    let seconds = then.abs_diff(now).div_ceil(1000);
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    if then > now { seconds } else { -seconds.max(1) }
}
