//! bench.json: the numbers that a benchmark's history keeps, as github-action-benchmark's
//! customSmallerIsBetter. A number with too few samples is left out, and so are all numbers of an
//! invalid run, because a history would keep them for ever.

use serde::Serialize;

use crate::report::model::Report;
use crate::thresholds::{metric::Metric, metric::Observed, selector::Selector};

/// One number; smaller is better.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Entry {
    name: String,
    unit: &'static str,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
}

/// The numbers of each function.
const OF_A_FUNCTION: [(&str, Metric, Selector); 3] = [
    ("a hit, p50", Metric::P50, Selector::HIT),
    ("a hit, p99", Metric::P99, Selector::HIT),
    ("a miss over no cache", Metric::OVERHEAD, Selector::ANY),
];

/// The numbers of the whole run.
const OF_ALL: [(&str, Metric); 2] = [
    (
        "origin calls per cold key in a stampede",
        Metric::STAMPEDE_FACTOR,
    ),
    (
        "origin calls per expired key in a stampede",
        Metric::EXPIRY_FACTOR,
    ),
];

/// All numbers that the run has.
pub(crate) fn entries(report: &Report) -> Vec<Entry> {
    if !report.is_valid() || report.interrupted {
        return Vec::new();
    }
    let functions = report.target.functions.iter();
    let mut entries: Vec<Entry> = functions
        .flat_map(|function| of_a_function(report, &function.name))
        .collect();
    entries.extend(OF_ALL.iter().filter_map(|(what, metric)| {
        let observed = metric.observe(report, &Selector::ANY);
        entry((*what).to_owned(), "calls", &observed)
    }));
    entries
}

fn of_a_function(report: &Report, function: &str) -> impl Iterator<Item = Entry> {
    OF_A_FUNCTION
        .into_iter()
        .filter_map(move |(what, metric, selector)| {
            let observed = metric.observe(report, &selector.for_function(function));
            entry(format!("{function}: {what}"), "µs", &observed)
        })
}

/// `None` if the interval is not above zero: a history divides by the previous value.
fn entry(name: String, unit: &'static str, observed: &[Observed]) -> Option<Entry> {
    let Observed {
        value, interval, ..
    } = observed.first()?;
    let (low, high) = interval.unwrap_or(((*value)?, (*value)?));
    (low > 0.0).then_some(Entry {
        name,
        unit,
        value: (*value)?,
        range: interval.map(|_| format!("{low:.1} to {high:.1}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{check::Check, check::Verdict, paired};
    use crate::load::plan::Phase;
    use crate::report::test_report;

    fn names(report: &Report) -> Vec<String> {
        entries(report)
            .into_iter()
            .map(|entry| entry.name)
            .collect()
    }

    #[test]
    fn a_number_with_too_few_samples_is_not_among_them() {
        let mut report = test_report::report(&["f"]);
        report.rows = vec![test_report::hits(Phase::Warm, "f", (367, 10))];
        assert_eq!(names(&report), ["f: a hit, p50"]);
        report.rows = vec![test_report::hits(Phase::Warm, "f", (368, 10))];
        report.effect.stampede_factor = Some(1.5);
        let stampede = "origin calls per cold key in a stampede";
        assert_eq!(names(&report), ["f: a hit, p50", "f: a hit, p99", stampede]);
    }

    #[test]
    fn an_overhead_counts_that_can_be_told_from_nothing() {
        let over = |overheads: [f64; 3]| {
            let pairs = overheads.map(|us| paired::Pair {
                overhead_us: Some(us),
                ..test_report::pair(0, "f", 10.0)
            });
            let mut report = test_report::report(&["f"]);
            report.speed_ups = vec![paired::speed_up("f", &pairs)];
            names(&report)
        };
        assert_eq!(over([100.0, 110.0, 120.0]), ["f: a miss over no cache"]);
        assert_eq!(over([-100.0, 10.0, 120.0]), Vec::<String>::new());
    }

    #[test]
    fn a_run_that_must_not_be_believed_has_none() {
        let mut report = test_report::report(&["f"]);
        report.rows = vec![test_report::hits(Phase::Warm, "f", (400, 10))];
        report.interrupted = true;
        assert_eq!(entries(&report), []);
        report.interrupted = false;
        report.checks = vec![Check::new("one", Verdict::Fail, "")];
        assert_eq!(entries(&report), []);
    }
}
