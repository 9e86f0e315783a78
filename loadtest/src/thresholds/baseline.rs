//! `--baseline` and `compare`: two runs against each other. Only ratios can be a regression,
//! because they survive a slower machine; times are shown side by side.

use crate::analysis::{
    intervals::Interval, intervals::log_ratio_of_means, intervals::mean_interval, paired::Pair,
};
use crate::load::{plan::Phase, profile::Profile};
use crate::report::{
    judgement::Change, judgement::Compared, judgement::Comparison, judgement::SideBySide,
    model::Report,
};
use crate::thresholds::{metric::Metric, selector::Selector};

/// Whether a run with `profile` could be compared with `before`, which is known before it starts.
/// An error says why not.
pub(crate) fn check_comparable(before: &Report, profile: &Profile) -> Result<(), String> {
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
    check_comparable(before, &now.profile)?;
    if !now.is_valid() {
        return Err(format!("the run of {} is not valid", now.started));
    }
    // By what was asked, not by what was answered: a function that has no figures any more must not
    // go unnoticed.
    let both = functions(now).filter(|function| has(before, function));
    let figures = both.map(|function| speed_up(function, (before, now), max_regress));
    Ok(Comparison {
        baseline: before.started.clone(),
        max_regress,
        figures: figures.collect(),
        baseline_url: before.target.url.clone(),
        beside: side_by_side(before, now),
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

/// The change of a figure that the baseline has.
fn change(ratio: Option<Interval>, limit: f64) -> Change {
    match ratio {
        None => Change::Missing,
        Some(ratio) if ratio.high < limit => Change::Regression,
        Some(ratio) if ratio.low < limit => Change::Inconclusive,
        Some(_) => Change::WithinLimit,
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

/// The figures of each function.
const OF_A_FUNCTION: [(&str, Metric, Selector); 5] = [
    ("a miss, p50", Metric::P50, Selector::MISS),
    ("a hit, p50", Metric::P50, Selector::HIT),
    ("a hit, p99", Metric::P99, Selector::HIT),
    ("speed-up", Metric::SPEED_UP, Selector::ANY),
    ("a miss over no cache", Metric::OVERHEAD, Selector::ANY),
];

/// The figures of the whole run.
const OF_ALL: [(&str, Metric); 4] = [
    ("hit ratio", Metric::HIT_RATIO),
    ("answers without an origin call", Metric::OFFLOAD),
    (
        "origin calls per cold key in a stampede",
        Metric::STAMPEDE_FACTOR,
    ),
    ("recovery from a broken cache", Metric::RECOVERY),
];

/// The figures that at least one of the runs has.
fn side_by_side(before: &Report, now: &Report) -> Vec<SideBySide> {
    let mut all = Vec::new();
    for function in &now.target.functions {
        for (what, metric, selector) in OF_A_FUNCTION {
            let selector = selector.for_function(&function.name);
            let what = format!("{}: {what}", function.name);
            all.push(figure_of_both((before, now), what, metric, &selector));
        }
    }
    if before.faults.is_some() || now.faults.is_some() {
        let what = "failed while the cache was broken".to_owned();
        let selector = Selector {
            phase: Some(Phase::Faults),
            ..Selector::ANY
        };
        let mut failed = figure_of_both((before, now), what, Metric::ERRORS, &selector);
        // Without an outage, zero failures would be meaningless.
        failed.before = failed.before.filter(|_| before.faults.is_some());
        failed.now = failed.now.filter(|_| now.faults.is_some());
        all.push(failed);
    }
    for (what, metric) in OF_ALL {
        let what = what.to_owned();
        all.push(figure_of_both((before, now), what, metric, &Selector::ANY));
    }
    all.retain(|one| one.before.is_some() || one.now.is_some());
    all
}

fn figure_of_both(
    (before, now): (&Report, &Report),
    what: String,
    metric: Metric,
    selector: &Selector,
) -> SideBySide {
    let value = |report| metric.observe(report, selector).first()?.value;
    SideBySide {
        what,
        quantity: metric.quantity,
        before: value(before),
        now: value(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::test_report;

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
            (ratio(0.95, 1.02), Change::WithinLimit),
            (ratio(0.85, 0.95), Change::Inconclusive),
            (ratio(1.2, 1.4), Change::WithinLimit),
            (None, Change::Missing),
        ];
        for (ratio, expected) in table {
            assert_eq!(change(ratio, 0.9), expected, "{ratio:?}");
        }
    }

    /// A report whose functions have a speed-up of about ten in so many rounds.
    fn report(functions: &[(&str, usize)]) -> Report {
        let names: Vec<&str> = functions.iter().map(|(name, _)| *name).collect();
        let pairs = functions.iter().flat_map(|(name, rounds)| {
            (0..*rounds).map(|round| test_report::pair(round, name, 10.0 + round as f64 / 10.0))
        });
        Report {
            pairs: pairs.collect(),
            ..test_report::report(&names)
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
        assert_eq!(
            changes(&lost),
            [(f, Change::WithinLimit), (g, Change::Missing)]
        );
        assert!(lost.has_regression());
        // What the baseline never had cannot be missing.
        let never = compare(&report(&[("f", 3), ("g", 1)]), &before, 0.1).unwrap();
        assert_eq!(
            changes(&never),
            [(f, Change::WithinLimit), (g, Change::NoData)]
        );
        assert!(!never.has_regression());
    }

    #[test]
    fn a_function_of_one_side_only_is_named() {
        let (before, now) = (
            report(&[("f", 3), ("old", 3)]),
            report(&[("new", 3), ("f", 3)]),
        );
        let comparison = compare(&before, &now, 0.1).unwrap();
        assert_eq!(
            changes(&comparison),
            [("speed-up of f", Change::WithinLimit)]
        );
        assert_eq!(
            comparison.warnings,
            [
                "old is in the baseline only: it is not compared",
                "new is in this run only: it is not compared"
            ]
        );
    }
}
