//! Two runs against each other. Owns when a change is a regression; knows nothing of how runs are made. Ratios are
//! compared, not times: they survive a slower machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::beside::{self, Beside};
use crate::pairs::Pair;
use crate::profile::Profile;
use crate::report::Report;
use crate::stats::{Interval, log_ratio_of_means, mean_interval};

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
    /// The baseline has it, and this run has too few rounds of it: as bad as a regression.
    Lost,
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
    pub(crate) beside: Vec<Beside>,
    /// What makes the two less comparable.
    pub(crate) warnings: Vec<String>,
}

impl Comparison {
    /// Whether a figure is worse than allowed, or there no more.
    pub(crate) fn has_regression(&self) -> bool {
        let worse = |change| matches!(change, Change::Regression | Change::Lost);
        self.figures.iter().any(|figure| worse(figure.change))
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
    // Of what was asked, not of what was answered: a function that has no figures any more must not go unnoticed.
    let both = functions(now).filter(|function| has(before, function));
    let figures = both.map(|function| speed_up(function, (before, now), max_regress));
    Ok(Comparison {
        baseline: before.started.clone(),
        max_regress,
        figures: figures.collect(),
        baseline_url: before.target.url.clone(),
        beside: beside::all(before, now),
        warnings: warnings(before, now),
    })
}

fn functions(report: &Report) -> impl Iterator<Item = &str> {
    let functions = report.target.functions.iter();
    functions.map(|function| function.name.as_str())
}

fn has(report: &Report, function: &str) -> bool {
    functions(report).any(|name| name == function)
}

fn speed_up(function: &str, (before, now): (&Report, &Report), max_regress: f64) -> Compared {
    let logs = |report: &Report| -> Vec<f64> {
        let of = |pair: &&Pair| pair.function == function;
        let pairs = report.pairs.iter().filter(of);
        pairs.map(|pair| pair.ratio.ln()).collect()
    };
    let (before, now) = (logs(before), logs(now));
    let ratio = log_ratio_of_means(&before, &now);
    Compared {
        what: format!("speed-up of {function}"),
        ratio,
        change: match mean_interval(&before) {
            None => Change::NoData,
            Some(_) => change(ratio, 1.0 - max_regress),
        },
    }
}

/// Against a baseline that has the figure.
fn change(ratio: Option<Interval>, limit: f64) -> Change {
    match ratio {
        None => Change::Lost,
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
    let sides = [(before, now, "the baseline"), (now, before, "this run")];
    for (one, other, side) in sides {
        let alone = functions(one).filter(|function| !has(other, function));
        warnings.extend(alone.map(|name| format!("{name} is in {side} only: it is not compared")));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::blank;

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
            (None, Change::Lost),
        ];
        for (ratio, expected) in table {
            assert_eq!(change(ratio, 0.9), expected, "{ratio:?}");
        }
    }

    /// A report whose functions have a speed-up of about ten in so many rounds.
    fn report(functions: &[(&str, usize)]) -> Report {
        let names: Vec<&str> = functions.iter().map(|(name, _)| *name).collect();
        let pairs = functions.iter().flat_map(|(name, rounds)| {
            (0..*rounds).map(|round| blank::pair(round, name, 10.0 + round as f64 / 10.0))
        });
        Report {
            pairs: pairs.collect(),
            ..blank::report(&names)
        }
    }

    fn changes(comparison: &Comparison) -> Vec<(&str, Change)> {
        let figures = comparison.figures.iter();
        figures
            .map(|figure| (figure.what.as_str(), figure.change))
            .collect()
    }

    #[test]
    fn a_function_that_lost_its_figures_is_as_bad_as_a_regression() {
        let before = report(&[("f", 3), ("g", 3)]);
        let lost = compare(&before, &report(&[("f", 3), ("g", 0)]), 0.1).unwrap();
        let [f, g] = ["speed-up of f", "speed-up of g"];
        assert_eq!(changes(&lost), [(f, Change::Within), (g, Change::Lost)]);
        assert!(lost.has_regression());
        // What the baseline never had cannot be lost.
        let never = compare(&report(&[("f", 3), ("g", 1)]), &before, 0.1).unwrap();
        assert_eq!(changes(&never), [(f, Change::Within), (g, Change::NoData)]);
        assert!(!never.has_regression());
    }

    #[test]
    fn a_function_of_one_side_only_is_named() {
        let (before, now) = (
            report(&[("f", 3), ("old", 3)]),
            report(&[("new", 3), ("f", 3)]),
        );
        let comparison = compare(&before, &now, 0.1).unwrap();
        assert_eq!(changes(&comparison), [("speed-up of f", Change::Within)]);
        assert_eq!(
            comparison.warnings,
            [
                "old is in the baseline only: it is not compared",
                "new is in this run only: it is not compared"
            ]
        );
    }
}
