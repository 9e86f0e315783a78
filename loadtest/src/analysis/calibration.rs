//! How far this tool's clock deviates from a reference, and how far it may.

use std::time::Duration;

use crate::analysis::{check::Verdict, histogram::Quantile, histogram::Summary};

/// How far the median and the p99 of `loadtest calibrate` may deviate, as a share of the reference.
const TOLERANCE: f64 = 0.02;

/// How far the median may deviate before a run: a tick of the timers on both sides.
const TICK_US: f64 = 1500.0;

#[derive(Clone, Debug)]
pub(crate) struct Calibrated {
    pub(crate) delay: Duration,
    /// By the server's own clock.
    pub(crate) server: Summary,
    /// By a bare socket.
    pub(crate) reference: Summary,
    pub(crate) measured: Summary,
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

    pub(crate) fn error(&self) -> f64 {
        self.measured - self.reference
    }

    /// Not checkable: the error is larger than promised, but chance may explain it.
    pub(crate) fn verdict(&self) -> Verdict {
        let limit = TOLERANCE * self.reference;
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
        self.deviation(|summary| summary.p50)
    }

    /// The deviation of the 99th percentile, if there are enough samples.
    pub(crate) fn p99(&self) -> Option<Deviation> {
        self.deviation(|summary| summary.p99)
    }

    fn deviation(&self, pick: fn(&Summary) -> Option<Quantile>) -> Option<Deviation> {
        let (server, reference) = (pick(&self.server)?, pick(&self.reference)?);
        Some(Deviation::new(server, reference, pick(&self.measured)?))
    }

    fn is_within_a_tick(&self) -> bool {
        self.p50()
            .is_some_and(|deviation| deviation.error().abs() <= TICK_US)
    }
}

/// Whether this tool's clock is good enough to measure anything.
pub(crate) fn are_within_a_tick(all: &[Calibrated]) -> bool {
    all.iter().all(Calibrated::is_within_a_tick)
}
