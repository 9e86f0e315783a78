//! A promise on response times, such as `p99<50ms`: how many requests a second keep it is a
//! service's capacity.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Slo {
    /// The share of requests that must be faster than the limit.
    pub(crate) quantile: f64,
    pub(crate) limit: Duration,
}

impl Slo {
    /// Reads `p99<50ms`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("{text:?} is not a promise such as 'p99<50ms'");
        let (left, right) = text.split_once('<').ok_or_else(expected)?;
        let digits = left.trim().strip_prefix('p').ok_or_else(expected)?;
        let number: f64 = digits.parse().map_err(|_| expected())?;
        // p999 is the 99.9th percentile.
        let quantile = number / 10f64.powi(i32::try_from(digits.len()).unwrap_or(i32::MAX));
        if digits.len() < 2 || !(0.5..1.0).contains(&quantile) {
            return Err(format!("{text:?}: expected p50 to p999"));
        }
        let limit = duration(right.trim_start_matches('=').trim()).ok_or_else(expected)?;
        Ok(Self { quantile, limit })
    }

    /// Whether the promise was kept, given how long each caller waited; `None` if it got no answer.
    /// The quantile is one of the values, so that with few of them the slowest one decides.
    pub(crate) fn is_kept(&self, waits: &[Option<Duration>]) -> bool {
        let mut waits = waits.to_vec();
        // No answer is the longest wait.
        waits.sort_by_key(|wait| wait.unwrap_or(Duration::MAX));
        let rank = (self.quantile * waits.len() as f64).ceil() as usize;
        let wait = waits.get(rank.saturating_sub(1)).copied().flatten();
        wait.is_some_and(|wait| wait < self.limit)
    }
}

/// Reads `50ms`, `1.5s` or `800us`; `None` if it is no time above zero.
fn duration(text: &str) -> Option<Duration> {
    let split = text.find(char::is_alphabetic)?;
    let number: f64 = text[..split].trim().parse().ok()?;
    let seconds = match text[split..].trim() {
        "us" | "µs" => number / 1e6,
        "ms" => number / 1e3,
        "s" => number,
        _ => return None,
    };
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    (!duration.is_zero()).then_some(duration)
}

impl std::fmt::Display for Slo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percentile = format!("{}", (self.quantile * 1e6).round() / 1e4);
        write!(f, "p{} < {:?}", percentile.replace('.', ""), self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_read_and_judged() {
        let slo = Slo::parse("p90 < 50ms").unwrap();
        assert_eq!((slo.quantile, slo.limit), (0.9, Duration::from_millis(50)));
        assert_eq!(Slo::parse("p999<1s").unwrap().quantile, 0.999);
        assert_eq!(Slo::parse("p999<1s").unwrap().to_string(), "p999 < 1s");
        for wrong in ["p99", "99<5ms", "p99<5", "p9<5ms", "p99<0ms", "mean<5ms"] {
            assert!(Slo::parse(wrong).is_err(), "{wrong}");
        }
        let ms = |ms| Some(Duration::from_millis(ms));
        let mut waits = vec![ms(10); 9];
        waits.push(ms(60));
        assert!(slo.is_kept(&waits));
        waits[0] = None;
        assert!(!slo.is_kept(&waits) && !slo.is_kept(&[]));
        assert!(!slo.is_kept(&[ms(60)]), "of one value, the slowest decides");
    }
}
