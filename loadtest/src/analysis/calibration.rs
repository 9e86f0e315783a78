//! Does this tool time rightly? Owns how a figure is held against its truth; measures nothing.

use std::time::Duration;

use crate::analysis::check::Verdict;
use crate::analysis::histogram::{Quantile, Summary};

/// How far the median and the p99 of `loadtest calibrate` may be off the truth, as a share of it.
const TOLERANCE: f64 = 0.02;

/// How far the median may be off before a run: a tick of the timers on both sides. A busy machine gets more than one
/// try, a wrong clock is wrong in each.
const TICK_US: f64 = 1500.0;

/// One delay and what was measured of it.
#[derive(Clone, Debug)]
pub(crate) struct Calibrated {
    pub(crate) delay: Duration,
    /// What the server's own clock says that it took.
    pub(crate) server: Summary,
    /// The same through a bare socket.
    pub(crate) reference: Summary,
    pub(crate) measured: Summary,
}

/// A figure beside its truth, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deviation {
    pub(crate) server: f64,
    pub(crate) reference: f64,
    pub(crate) measured: f64,
    /// What the error may be as well, by the intervals of both.
    low: f64,
    high: f64,
}

impl Deviation {
    fn of(server: Quantile, reference: Quantile, measured: Quantile) -> Self {
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

    /// Not checkable: further off than is promised, but no further than chance explains.
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
    /// The median beside its truth.
    pub(crate) fn p50(&self) -> Option<Deviation> {
        self.deviation(|summary| summary.p50)
    }

    /// The same of the 99th percentile, if there are samples enough.
    pub(crate) fn p99(&self) -> Option<Deviation> {
        self.deviation(|summary| summary.p99)
    }

    fn deviation(&self, pick: fn(&Summary) -> Option<Quantile>) -> Option<Deviation> {
        let (server, reference) = (pick(&self.server)?, pick(&self.reference)?);
        Some(Deviation::of(server, reference, pick(&self.measured)?))
    }

    fn is_within_a_tick(&self) -> bool {
        self.p50()
            .is_some_and(|deviation| deviation.error().abs() <= TICK_US)
    }
}

/// Whether this tool times well enough to measure anything.
pub(crate) fn are_within_a_tick(all: &[Calibrated]) -> bool {
    all.iter().all(Calibrated::is_within_a_tick)
}
