//! What the thresholds and the baseline came to: the results that report.json keeps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::format::Quantity;
use crate::analysis::intervals::Interval;

/// How a rule ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Ruling")]
pub(crate) enum ThresholdVerdict {
    Ok,
    Fired,
    /// The interval of the observed value lies on both sides of the limit.
    Inconclusive,
    /// Nothing was observed, or too little: as bad as fired.
    NoData,
}

/// A rule and what was observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Judgement")]
pub(crate) struct ThresholdResult {
    pub(crate) rule: String,
    pub(crate) ruling: ThresholdVerdict,
    pub(crate) observed: String,
}

/// How a figure changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    /// The whole interval is worse than the limit allows.
    Regression,
    /// No part of the interval is.
    #[serde(rename = "within")]
    WithinLimit,
    /// A part of it is: more rounds would tell.
    Inconclusive,
    /// The baseline has it, and this run has too few rounds of it: as bad as a regression.
    #[serde(rename = "lost")]
    Missing,
    /// The baseline itself has too few rounds.
    NoData,
}

/// One figure of both runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Compared {
    pub(crate) what: String,
    /// This run divided by the baseline; below one is worse.
    pub(crate) ratio: Option<Interval>,
    pub(crate) change: Change,
}

/// A run held against its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Comparison {
    /// When the baseline was measured, and what it was.
    pub(crate) baseline: String,
    pub(crate) baseline_url: String,
    /// The share of a figure that may be lost.
    pub(crate) max_regress: f64,
    pub(crate) figures: Vec<Compared>,
    pub(crate) beside: Vec<SideBySide>,
    /// What makes the two less comparable.
    pub(crate) warnings: Vec<String>,
}

impl Comparison {
    /// Whether a figure is worse than allowed, or there no more.
    pub(crate) fn has_regression(&self) -> bool {
        let worse = |change| matches!(change, Change::Regression | Change::Missing);
        self.figures.iter().any(|figure| worse(figure.change))
    }
}

/// One figure of both runs; absent where it was not measured or has too few samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Beside")]
pub(crate) struct SideBySide {
    pub(crate) what: String,
    pub(crate) quantity: Quantity,
    pub(crate) before: Option<f64>,
    pub(crate) now: Option<f64>,
}
