//! Requests over time, for the report. Owns how many are kept; knows nothing of phases.

use std::time::Duration;

use crate::client::sample::Sample;
use crate::target::outcome::Outcome;

/// The most points that are kept.
const MAX_POINTS: usize = 4000;

/// Points of a run: all of them while there are few, then every second, every fourth, …
#[derive(Default)]
pub(crate) struct Timeline {
    pub(crate) points: Vec<Point>,
    seen: u64,
    /// Every how many requests one is kept, as a power of two.
    thinned: u32,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) sent: Duration,
    pub(crate) latency: Duration,
    /// None when it failed.
    pub(crate) outcome: Option<Outcome>,
}

impl Timeline {
    pub(crate) fn add(&mut self, sample: &Sample) {
        self.seen += 1;
        if !self.seen.is_multiple_of(1 << self.thinned) {
            return;
        }
        self.points.push(Point {
            sent: sample.sent,
            latency: sample.latency,
            outcome: sample.outcome(),
        });
        if self.points.len() == MAX_POINTS {
            self.thinned += 1;
            let mut odd = false;
            self.points.retain(|_| {
                odd = !odd;
                !odd
            });
        }
    }
}
