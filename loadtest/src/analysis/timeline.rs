//! Requests over time, for the chart of a report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::sample::Sample;
use crate::target::outcome::Outcome;

const MAX_POINTS: usize = 4000;

/// Points of a run: all of them while there are few, then every second, every fourth, …
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Timeline {
    pub(crate) points: Vec<Dot>,
    seen: u64,
    /// One in two to the power of this many requests is kept.
    thinned: u32,
}

/// One request on the timeline.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Dot {
    pub(crate) at_s: f64,
    pub(crate) us: f64,
    /// Absent if it failed.
    pub(crate) outcome: Option<Outcome>,
}

impl Timeline {
    pub(crate) fn add(&mut self, sample: &Sample) {
        self.seen += 1;
        if !self.seen.is_multiple_of(1 << self.thinned) {
            return;
        }
        self.points.push(Dot {
            at_s: sample.wanted().as_secs_f64(),
            us: sample.response().as_secs_f64() * 1e6,
            outcome: sample.outcome(),
        });
        if self.points.len() == MAX_POINTS {
            self.thin();
        }
    }

    /// Adds the points of another generator, in the order of their times.
    pub(crate) fn merge(&mut self, mut other: Self) {
        while self.thinned < other.thinned {
            self.thin();
        }
        while other.thinned < self.thinned {
            other.thin();
        }
        self.seen += other.seen;
        self.points.append(&mut other.points);
        self.points.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        while self.points.len() >= MAX_POINTS {
            self.thin();
        }
    }

    fn thin(&mut self) {
        self.thinned += 1;
        let mut odd = false;
        self.points.retain(|_| {
            odd = !odd;
            !odd
        });
    }
}
