//! The rounds of one measurement: for each its figure, and the ratio to its reference.

use std::fmt;

use serde::Serialize;

/// The unit of a figure.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    dead_code,
    reason = "no benchmark measures all of them, and each compiles this file for itself"
)]
pub(crate) enum Unit {
    Seconds,
    PerSecond,
    Bytes,
    Calls,
}

/// The figure and ratio of every round. A ratio compares two measurements of the same round.
#[derive(Debug)]
pub(crate) struct Rounds {
    unit: Unit,
    figures: Vec<f64>,
    ratios: Vec<f64>,
}

/// Of a non-empty list.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

impl Rounds {
    pub(crate) fn of(unit: Unit) -> Self {
        Self {
            unit,
            figures: Vec::new(),
            ratios: Vec::new(),
        }
    }

    /// Adds a round with `figure`, which is `ratio` times its reference.
    pub(crate) fn add(&mut self, figure: f64, ratio: f64) {
        self.figures.push(figure);
        self.ratios.push(ratio);
    }

    pub(super) fn unit(&self) -> Unit {
        self.unit
    }

    /// The median of the figures. Needs at least one round.
    pub(super) fn figure(&self) -> f64 {
        median(self.figures.clone())
    }

    /// Smallest, median and largest ratio. Needs at least one round.
    pub(super) fn ratios(&self) -> [f64; 3] {
        let mut ratios = self.ratios.clone();
        ratios.sort_by(f64::total_cmp);
        [0, ratios.len() / 2, ratios.len() - 1].map(|place| ratios[place])
    }
}

/// A figure as people read it.
pub(super) struct Readable(pub(super) f64, pub(super) Unit);

impl fmt::Display for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(figure, unit) = *self;
        let text = match unit {
            Unit::Seconds if figure < 1e-3 => format!("{:.1} µs", figure * 1e6),
            Unit::Seconds if figure < 1.0 => format!("{:.2} ms", figure * 1e3),
            Unit::Seconds => format!("{figure:.2} s"),
            Unit::PerSecond => format!("{figure:.0}/s"),
            Unit::Bytes if figure < 1e6 => format!("{figure:.0} B"),
            Unit::Bytes => format!("{:.2} MB", figure / 1e6),
            Unit::Calls => format!("{figure:.0}"),
        };
        f.pad(&text)
    }
}
