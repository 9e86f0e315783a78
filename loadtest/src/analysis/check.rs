//! One check of a measurement by itself. Owns its form; knows nothing of what is checked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The name of the check that tells a verified measurement from an unverified one.
pub(crate) const GROUND_TRUTH: &str = "misses = origin calls";

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Pass,
    Fail,
    /// The target does not give what the check needs.
    NotCheckable,
}

/// One check.
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

    /// Passed or failed.
    pub(crate) fn holds(name: &str, holds: bool, detail: impl Into<String>) -> Self {
        Self::new(
            name,
            if holds { Verdict::Pass } else { Verdict::Fail },
            detail,
        )
    }
}
