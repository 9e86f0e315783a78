//! Numbers as they are read. Owns digits and units of ratios, shares and intervals.

use crate::stats::Interval;

/// An estimate with where the truth probably lies.
pub(crate) fn interval(interval: Interval, number: fn(f64) -> String) -> String {
    format!(
        "{} [{} to {}]",
        number(interval.estimate),
        number(interval.low),
        number(interval.high)
    )
}

/// A ratio with three digits.
pub(crate) fn times(ratio: f64) -> String {
    let digits = if ratio < 9.995 {
        2
    } else {
        usize::from(ratio < 99.95)
    };
    format!("{ratio:.digits$}×")
}

/// A share with two decimals.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}
