//! Numbers as text: digits and units.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::{histogram::Quantile, intervals::Interval, intervals::min_samples};

/// An estimate with its interval.
pub(crate) fn interval(interval: Interval, number: fn(f64) -> String) -> String {
    format!(
        "{} [{} to {}]",
        number(interval.estimate),
        number(interval.low),
        number(interval.high)
    )
}

/// A value as text, or n/a.
pub(crate) fn or_na<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "n/a".into(), text)
}

/// A ratio with three digits.
pub(crate) fn times(ratio: f64) -> String {
    format!("{ratio:.*}×", decimals(ratio))
}

/// A share with two decimals.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// A time in the unit that reads best, with three digits.
pub(crate) fn human_us(us: f64) -> String {
    let (divisor, unit) = match us.abs() {
        size if size < 999.5 => (1.0, "µs"),
        size if size < 999_500.0 => (1e3, "ms"),
        _ => (1e6, "s"),
    };
    let value = us / divisor;
    format!("{value:.*} {unit}", decimals(value))
}

/// A number of bytes in the unit that reads best.
pub(crate) fn human_bytes(bytes: f64) -> String {
    let (divisor, unit) = match bytes {
        size if size < 999.5 => return format!("{bytes:.0} B"),
        size if size < 999_500.0 => (1e3, "kB"),
        size if size < 999.5e6 => (1e6, "MB"),
        _ => (1e9, "GB"),
    };
    let value = bytes / divisor;
    format!("{value:.*} {unit}", decimals(value))
}

/// A lifetime in the unit that it is written in.
pub(crate) fn human_ttl(seconds: f64) -> String {
    match seconds {
        s if s >= 86_400.0 && s % 86_400.0 == 0.0 => format!("{} d", s / 86_400.0),
        s if s >= 3600.0 && s % 3600.0 == 0.0 => format!("{} h", s / 3600.0),
        s if s >= 120.0 && s % 60.0 == 0.0 => format!("{} min", s / 60.0),
        s => format!("{s} s"),
    }
}

/// How many decimals make three digits.
fn decimals(value: f64) -> usize {
    match value.abs() {
        size if size < 9.995 => 2,
        size => usize::from(size < 99.95),
    }
}

/// A quantile, or why there is none.
pub(crate) fn human_quantile(quantile: Option<Quantile>, q: f64, count: u64) -> String {
    quantile.map_or_else(
        || format!("n/a ({count}<{})", min_samples(q)),
        |quantile| human_us(quantile.us),
    )
}

/// The unit of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Quantity {
    /// Microseconds.
    Time,
    /// A share of one.
    Share,
    Ratio,
    Count,
}

impl Quantity {
    /// A value as text.
    pub(crate) fn human(self, value: f64) -> String {
        match self {
            Self::Time => human_us(value),
            Self::Share => percent(value),
            Self::Ratio => times(value),
            Self::Count if value.fract() == 0.0 => format!("{value}"),
            Self::Count => format!("{value:.1}"),
        }
    }

    /// Reads a number and its unit, as microseconds, a share of one or a plain number.
    pub(crate) fn parse(self, text: &str) -> Result<f64, String> {
        let split = text
            .find(|c: char| c.is_alphabetic() || c == '%')
            .unwrap_or(text.len());
        let (number, unit) = (text[..split].trim(), text[split..].trim());
        let number: f64 = number
            .parse()
            .map_err(|_| format!("{number:?} is not a number"))?;
        let factor = match (self, unit) {
            (Self::Time, "us" | "µs")
            | (Self::Ratio, "x" | "×" | "")
            | (Self::Share | Self::Count, "") => 1.0,
            (Self::Time, "ms") => 1e3,
            (Self::Time, "s") => 1e6,
            (Self::Share, "%") => 0.01,
            (Self::Time, "") => return Err("a time needs its unit: us, ms or s".into()),
            _ => return Err(format!("the unit {unit:?} does not fit")),
        };
        let limit = number * factor;
        match self {
            _ if !limit.is_finite() => Err("the limit is not finite".into()),
            Self::Share if !(0.0..=1.0).contains(&limit) => Err(format!(
                "{} is not a share of one: a percentage needs its %",
                percent(limit)
            )),
            Self::Ratio | Self::Count if limit < 0.0 => Err("the value is never below zero".into()),
            _ => Ok(limit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_with_three_digits() {
        let table = [
            (0.05, "0.05 µs"),
            (12.34, "12.3 µs"),
            (999.6, "1.00 ms"),
            (45_600.0, "45.6 ms"),
            (3.0e6, "3.00 s"),
            (-6339.0, "-6.34 ms"),
        ];
        for (us, expected) in table {
            assert_eq!(human_us(us), expected);
        }
    }
}
