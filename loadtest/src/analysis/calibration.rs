//! How far this tool's clock deviates from a reference, and how far it may.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::analysis::{
    check::Verdict, histogram::Quantile, histogram::Summary, intervals::Interval,
};

/// How far a figure may deviate, as a share of the reference…
const TOLERANCE: f64 = 0.02;

/// …or in microseconds, if that is more: what this machine takes to wake one process for another
/// varies by as much.
const TOLERANCE_US: f64 = 100.0;

/// The tolerance in words, for `loadtest calibrate` and for the check of each run.
pub(crate) const TOLERANCE_TEXT: &str = "2 % or 100 µs, whichever is more";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Calibrated {
    pub(crate) delay: Duration,
    /// By the server's own clock.
    pub(crate) server: Summary,
    /// By a bare socket.
    pub(crate) reference: Summary,
    pub(crate) measured: Summary,
    /// How much longer the measured median is than the reference's.
    pub(crate) p50_error_us: Option<Interval>,
}

/// A figure next to its reference, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deviation {
    pub(crate) server: f64,
    pub(crate) reference: f64,
    pub(crate) measured: f64,
    /// The bounds of the error, by the intervals of both.
    low: f64,
    high: f64,
}

impl Deviation {
    fn new(server: Quantile, reference: Quantile, measured: Quantile) -> Self {
        Self {
            server: server.us,
            reference: reference.us,
            measured: measured.us,
            low: measured.low_us - reference.high_us,
            high: measured.high_us - reference.low_us,
        }
    }

    /// With the interval of an error that was measured by turns.
    fn with_error(self, error: Option<Interval>) -> Self {
        error.map_or(self, |error| Self {
            low: error.low,
            high: error.high,
            ..self
        })
    }

    pub(crate) fn error(&self) -> f64 {
        self.measured - self.reference
    }

    /// Not checkable: the error is larger than promised, but chance may explain it.
    pub(crate) fn verdict(&self) -> Verdict {
        let limit = (TOLERANCE * self.reference).max(TOLERANCE_US);
        if self.error().abs() <= limit {
            Verdict::Pass
        } else if self.low <= limit && self.high >= -limit {
            Verdict::NotCheckable
        } else {
            Verdict::Fail
        }
    }
}

impl Calibrated {
    pub(crate) fn p50(&self) -> Option<Deviation> {
        let deviation = self.deviation(|summary| summary.p50)?;
        Some(deviation.with_error(self.p50_error_us))
    }

    /// The deviation of the 99th percentile, if there are enough samples.
    pub(crate) fn p99(&self) -> Option<Deviation> {
        self.deviation(|summary| summary.p99)
    }

    fn deviation(&self, pick: fn(&Summary) -> Option<Quantile>) -> Option<Deviation> {
        let (server, reference) = (pick(&self.server)?, pick(&self.reference)?);
        Some(Deviation::new(server, reference, pick(&self.measured)?))
    }
}

/// Whether this tool's clock is good enough to measure anything: the worst verdict on a median.
pub(crate) fn verdict(all: &[Calibrated]) -> Verdict {
    let verdicts = all.iter().map(|one| match one.p50() {
        Some(deviation) => deviation.verdict(),
        None => Verdict::NotCheckable,
    });
    let verdicts: Vec<Verdict> = verdicts.collect();
    [Verdict::Fail, Verdict::NotCheckable]
        .into_iter()
        .find(|worst| verdicts.contains(worst))
        .unwrap_or(Verdict::Pass)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::histogram::Latencies;

    /// A clock that is off by `off_us` on a delay of 1 ms, with rounds that differ by `mood_us`.
    fn off(off_us: u64, mood_us: u64) -> Verdict {
        let [mut reference, mut measured] = [(); 2].map(|()| Latencies::default());
        for round in 0..5_u64 {
            for number in 0..6_u64 {
                // The two clients do not see the same mood.
                let moods = [(round * 7) % 5 * mood_us, (round * 3 + 1) % 5 * mood_us];
                let us = |more| Duration::from_micros(1000 + number + more);
                reference.record_in(round as usize, us(moods[0]));
                measured.record_in(round as usize, us(off_us + moods[1]));
            }
        }
        let calibrated = Calibrated {
            delay: Duration::from_millis(1),
            server: reference.summary(),
            reference: reference.summary(),
            measured: measured.summary(),
            p50_error_us: measured.median_error(&reference),
        };
        verdict(&[calibrated])
    }

    #[test]
    fn a_run_judges_a_delay_of_a_millisecond_by_the_stated_tolerance() {
        assert_eq!(off(20, 1), Verdict::Pass);
        assert_eq!(off(1000, 1), Verdict::Fail, "twice the delay");
        assert_eq!(off(180, 100), Verdict::NotCheckable, "a busy machine");
    }
}
