//! Ratios of rounds, and how they are shown.

use std::{fmt, time::Duration};

use serde::Serialize;

use crate::cores::Layout;

/// One contender in one layout.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    layout: &'static str,
    protocol: String,
    /// Ratios to the raw get, over all rounds.
    min: f64,
    median: f64,
    max: f64,
    limit: f64,
    /// Medians of the rounds' medians, in microseconds.
    raw_us: f64,
    hit_us: f64,
}

impl Figure {
    pub(crate) const HEADER: &str = "\
        layout      protocol   min   median  max    limit   raw µs   hit µs";

    pub(crate) fn new(
        layout: Layout,
        protocol: &str,
        floor: &[Duration],
        taken: &[Duration],
    ) -> Self {
        let rounds = taken.iter().zip(floor);
        let mut ratios: Vec<_> = rounds
            .map(|(taken, floor)| taken.as_secs_f64() / floor.as_secs_f64())
            .collect();
        ratios.sort_by(f64::total_cmp);
        let micros = |times| median(times).as_secs_f64() * 1e6;
        Self {
            layout: layout.name(),
            protocol: protocol.to_owned(),
            min: ratios[0],
            median: ratios[ratios.len() / 2],
            max: ratios[ratios.len() - 1],
            limit: layout.limit(),
            raw_us: micros(floor),
            hit_us: micros(taken),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.median <= self.limit {
            ""
        } else {
            "  above its limit"
        };
        write!(
            f,
            "{:<11} {:<9} {:>5.2}  {:>5.2}  {:>5.2}  ≤{:>5.2}  {:>7.1}  {:>7.1}{verdict}",
            self.layout,
            self.protocol,
            self.min,
            self.median,
            self.max,
            self.limit,
            self.raw_us,
            self.hit_us
        )
    }
}

/// Of a non-empty list.
pub(crate) fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort_unstable();
    times[times.len() / 2]
}
