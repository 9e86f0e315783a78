//! Two runs against each other. Owns when a change is a regression; knows nothing of how runs are made. Ratios are
//! compared, not times: they survive a slower machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::beside::{self, Beside};
use crate::pairs::Pair;
use crate::profile::Profile;
use crate::report::Report;
use crate::stats::{Interval, log_ratio_of_means};

/// How a figure changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    /// The whole interval is worse than the limit allows.
    Regression,
    /// No part of the interval is.
    Within,
    /// A part of it is: more rounds would tell.
    Inconclusive,
    /// Too few rounds in one of the runs.
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
    pub(crate) beside: Vec<Beside>,
    /// What makes the two less comparable.
    pub(crate) warnings: Vec<String>,
}

impl Comparison {
    pub(crate) fn has_regression(&self) -> bool {
        self.figures
            .iter()
            .any(|figure| figure.change == Change::Regression)
    }
}

/// Whether a run with `profile` could be compared with `before`, which can be told before it is made. An error says why not.
pub(crate) fn fits(before: &Report, profile: &Profile) -> Result<(), String> {
    let sizes = |profile: &Profile| (profile.rounds, profile.keys, profile.repeats);
    let (then, now) = (sizes(&before.profile), sizes(profile));
    if then != now {
        return Err(format!(
            "the runs differ in rounds, keys and repeats: {then:?} before, {now:?} now"
        ));
    }
    if !before.is_valid() {
        return Err(format!("the run of {} is not valid", before.started));
    }
    Ok(())
}

/// Compares `now` with `before`. An error says why they cannot be compared.
pub(crate) fn compare(
    before: &Report,
    now: &Report,
    max_regress: f64,
) -> Result<Comparison, String> {
    fits(before, &now.profile)?;
    if !now.is_valid() {
        return Err(format!("the run of {} is not valid", now.started));
    }
    let functions = now
        .speed_ups
        .iter()
        .map(|speed_up| speed_up.function.as_str());
    let figures = functions.map(|function| {
        let logs = |report: &Report| -> Vec<f64> {
            let of = |pair: &&Pair| pair.function == function;
            report
                .pairs
                .iter()
                .filter(of)
                .map(|pair| pair.ratio.ln())
                .collect()
        };
        let ratio = log_ratio_of_means(&logs(before), &logs(now));
        Compared {
            what: format!("speed-up of {function}"),
            ratio,
            change: change(ratio, 1.0 - max_regress),
        }
    });
    Ok(Comparison {
        baseline: before.started.clone(),
        max_regress,
        figures: figures.collect(),
        baseline_url: before.target.url.clone(),
        beside: beside::all(before, now),
        warnings: warnings(before, now),
    })
}

fn change(ratio: Option<Interval>, limit: f64) -> Change {
    match ratio {
        None => Change::NoData,
        Some(ratio) if ratio.high < limit => Change::Regression,
        Some(ratio) if ratio.low < limit => Change::Inconclusive,
        Some(_) => Change::Within,
    }
}

fn warnings(before: &Report, now: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    if before.machine.os != now.machine.os || before.machine.cpus != now.machine.cpus {
        warnings.push("the two runs come from different machines".to_owned());
    }
    if before.machine.optimised != now.machine.optimised {
        warnings.push("one of the two runs was made by a debug build of this tool".to_owned());
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_interval_beyond_the_limit_is_a_regression() {
        let ratio = |low, high| {
            Some(Interval {
                low,
                estimate: f64::midpoint(low, high),
                high,
            })
        };
        let table = [
            (ratio(0.78, 0.84), Change::Regression),
            (ratio(0.95, 1.02), Change::Within),
            (ratio(0.85, 0.95), Change::Inconclusive),
            (ratio(1.2, 1.4), Change::Within),
            (None, Change::NoData),
        ];
        for (ratio, expected) in table {
            assert_eq!(change(ratio, 0.9), expected, "{ratio:?}");
        }
    }
}
