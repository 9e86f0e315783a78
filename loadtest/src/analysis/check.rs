//! One check of a measurement.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of the check that makes a measurement verified.
pub(crate) const GROUND_TRUTH: &str = "misses = origin calls";

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Pass,
    /// The measurement contradicts itself or the target.
    Fail,
    /// The target did something that its users should know; the measurement is right.
    Finding,
    /// The check lacks the data that it needs.
    NotCheckable,
}

/// One check of the measurement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) verdict: Verdict,
    pub(crate) detail: String,
}

impl Check {
    pub(crate) fn new(name: &str, verdict: Verdict, detail: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            verdict,
            detail: detail.into(),
        }
    }

    pub(crate) fn not_checkable(name: &str, detail: impl Into<String>) -> Self {
        Self::new(name, Verdict::NotCheckable, detail)
    }

    pub(crate) fn holds(name: &str, holds: bool, detail: impl Into<String>) -> Self {
        let verdict = if holds { Verdict::Pass } else { Verdict::Fail };
        Self::new(name, verdict, detail)
    }
}

impl Verdict {
    /// The verdict in a report, and its class in the style sheet.
    pub(crate) fn label(self) -> (&'static str, &'static str) {
        match self {
            Self::Pass => ("✓ pass", "pass"),
            Self::Fail => ("✗ FAIL", "fail"),
            Self::Finding => ("! finding", "finding"),
            Self::NotCheckable => ("? not checkable", "not-checkable"),
        }
    }
}
