//! memcached's expiry times: 0 is never, values up to 30 days are seconds from now, and larger ones
//! are a date.

use std::time::{SystemTime, UNIX_EPOCH};

use super::super::Lifetime;

/// memcached.c, `REALTIME_MAXDELTA`.
const RELATIVE: u32 = 60 * 60 * 24 * 30;
/// Dates are read as signed 32-bit numbers: one above this is in the past.
const LATEST: u64 = i32::MAX as u64;

pub(super) fn to_exptime(life: Lifetime) -> u32 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_secs());
    at(life, now)
}

fn at(life: Lifetime, now: u64) -> u32 {
    match life {
        Lifetime::Forever => 0,
        Lifetime::Seconds(n) if n.get() <= RELATIVE => n.get(),
        Lifetime::Seconds(n) => {
            let date = now.saturating_add(n.get().into()).min(LATEST);
            u32::try_from(date).unwrap_or(RELATIVE)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn no_lifetime_becomes_never_and_none_becomes_the_past() {
        let now = 1_800_000_000;
        let rows = [
            (Duration::ZERO, 1),
            (Duration::from_millis(1), 2),
            (Duration::from_millis(500), 2),
            (Duration::from_secs(1), 2),
            (Duration::from_secs(2_591_999), 2_592_000),
            (Duration::from_secs(2_592_000), 1_800_000_000 + 2_592_001),
            (Duration::from_secs(u64::from(u32::MAX)), i32::MAX as u32),
            (Duration::MAX, i32::MAX as u32),
        ];
        for (time, expected) in rows {
            assert_eq!(at(Lifetime::at_least(time), now), expected, "{time:?}");
        }
        assert_eq!(at(Lifetime::Forever, now), 0);
        assert_eq!(at(Lifetime::seconds(0), now), 1);
    }
}
