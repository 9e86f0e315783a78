//! The results of thresholds and baseline, as report.json keeps them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::{format::Quantity, intervals::Interval};

/// The result of a threshold.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Ruling")]
pub(crate) enum ThresholdVerdict {
    Ok,
    Fired,
    /// The interval of the observed value lies on both sides of the limit.
    Inconclusive,
    /// Nothing was observed, or too little; counts as fired.
    NoData,
}

impl ThresholdVerdict {
    /// The verdict in a report, and the level of its annotation.
    pub(crate) fn label(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Ok => ("ok", None),
            Self::Fired => ("FIRED", Some("error")),
            Self::Inconclusive => ("inconclusive", Some("warning")),
            Self::NoData => ("FIRED, no data", Some("error")),
        }
    }
}

/// A threshold and the observed value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Judgement")]
pub(crate) struct ThresholdResult {
    pub(crate) rule: String,
    pub(crate) ruling: ThresholdVerdict,
    pub(crate) observed: String,
}

/// How a figure changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    /// The whole interval is worse than the limit allows.
    Regression,
    /// No part of the interval is.
    #[serde(rename = "within")]
    WithinLimit,
    /// A part of it is; more rounds would decide.
    Inconclusive,
    /// The baseline has it, and this run has too few rounds of it; counts as a regression.
    #[serde(rename = "lost")]
    Missing,
    /// The baseline itself has too few rounds.
    #[default]
    NoData,
    /// A ratio is worse only because what it is divided by became better.
    Explained,
}

impl Change {
    /// The change in a report, and the level of its annotation.
    pub(crate) fn label(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Regression => ("REGRESSION", Some("error")),
            Self::WithinLimit => ("ok", None),
            Self::Inconclusive => ("inconclusive", Some("warning")),
            Self::Missing => ("REGRESSION, no data", Some("error")),
            Self::NoData => ("no data", Some("warning")),
            Self::Explained => ("ok, because misses are faster", None),
        }
    }
}

/// Which way is worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    #[default]
    LessIsWorse,
    MoreIsWorse,
}

/// A figure of both runs as it is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Values {
    pub(crate) quantity: Quantity,
    pub(crate) before: f64,
    pub(crate) now: f64,
}

/// One figure of both runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Compared {
    pub(crate) what: String,
    /// This run divided by the baseline.
    pub(crate) ratio: Option<Interval>,
    pub(crate) change: Change,
    #[serde(default)]
    pub(crate) direction: Direction,
    /// The smallest change that these two runs could tell, as a share.
    #[serde(default)]
    pub(crate) detectable: Option<f64>,
    /// Where a ratio says little, because a value may be zero.
    #[serde(default)]
    pub(crate) values: Option<Values>,
}

/// A run compared with its baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Comparison {
    /// When the baseline was measured.
    pub(crate) baseline: String,
    pub(crate) baseline_url: String,
    /// The share of a figure that may be lost.
    pub(crate) max_regress: f64,
    pub(crate) figures: Vec<Compared>,
    pub(crate) beside: Vec<SideBySide>,
    /// What makes the two runs less comparable.
    pub(crate) warnings: Vec<String>,
}

impl Comparison {
    /// Whether a figure is worse than allowed, or missing.
    pub(crate) fn has_worse(&self, strict: bool) -> bool {
        self.figures
            .iter()
            .any(|figure| Self::is_worse(figure, strict))
    }

    /// Whether this figure is; if `strict`, also if that is not clear.
    pub(crate) fn is_worse(figure: &Compared, strict: bool) -> bool {
        match figure.change {
            Change::Regression | Change::Missing => true,
            Change::Inconclusive => strict,
            Change::WithinLimit | Change::NoData | Change::Explained => false,
        }
    }
}

/// One figure of both runs; absent if it was not measured or has too few samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Beside")]
pub(crate) struct SideBySide {
    pub(crate) what: String,
    pub(crate) quantity: Quantity,
    pub(crate) before: Option<f64>,
    pub(crate) now: Option<f64>,
}
