//! What a CI service is told: annotations, and a summary of the job. Owns the forms of GitHub Actions, through a lookup
//! of settings that it is given.

use std::io::Write;

use crate::analysis::check::Verdict;
use crate::output::{markdown, sentences};
use crate::report::judgement::{Change, Comparison, ThresholdVerdict};
use crate::report::model::Report;

/// Annotation lines for what is wrong; none outside of GitHub Actions. The summary is appended where that asks for it.
pub(crate) fn annotations(
    report: &Report,
    setting: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    if setting("GITHUB_ACTIONS").as_deref() != Some("true") {
        return Vec::new();
    }
    if let Some(path) = setting("GITHUB_STEP_SUMMARY") {
        let file = std::fs::File::options()
            .append(true)
            .create(true)
            .open(path);
        // A summary that cannot be written does not change what was measured.
        _ = file.and_then(|mut file| file.write_all(markdown::render(report).as_bytes()));
    }
    let checks = report
        .checks
        .iter()
        .filter(|check| check.verdict == Verdict::Fail);
    let checks =
        checks.map(|check| annotation("error", &format!("{}: {}", check.name, check.detail)));
    let rules = report.rules.iter().filter_map(|judgement| {
        let level = match judgement.ruling {
            ThresholdVerdict::Ok => return None,
            ThresholdVerdict::Inconclusive => "warning",
            ThresholdVerdict::Fired | ThresholdVerdict::NoData => "error",
        };
        Some(annotation(
            level,
            &format!("{}: observed {}", judgement.rule, judgement.observed),
        ))
    });
    let baseline = report.baseline.iter().flat_map(baseline_annotations);
    checks.chain(rules).chain(baseline).collect()
}

/// What a baseline has against a run, and what could not be compared with it.
fn baseline_annotations(comparison: &Comparison) -> Vec<String> {
    let figures = comparison.figures.iter().filter_map(|figure| {
        let level = match figure.change {
            Change::WithinLimit => return None,
            Change::Inconclusive | Change::NoData => "warning",
            Change::Regression | Change::Missing => "error",
        };
        Some(annotation(level, &sentences::compared(comparison, figure)))
    });
    let warnings = comparison.warnings.iter();
    figures
        .chain(warnings.map(|warning| annotation("warning", warning)))
        .collect()
}

/// A workflow command; its own marks must not appear in the text.
fn annotation(level: &str, text: &str) -> String {
    let text = text
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A");
    format!("::{level}::{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::intervals::Interval;
    use crate::report::judgement::Compared;
    use crate::report::test_report;

    #[test]
    fn what_a_baseline_has_against_a_run_is_annotated() {
        let (low, estimate, high) = (0.7, 0.75, 0.8);
        let ratio = Some(Interval {
            low,
            estimate,
            high,
        });
        let figure = |what: &str, change, ratio| Compared {
            what: what.to_owned(),
            ratio,
            change,
        };
        let mut report = test_report::report(&[]);
        report.baseline = Some(Comparison {
            baseline: "then".into(),
            baseline_url: String::new(),
            max_regress: 0.1,
            figures: vec![
                figure("a", Change::Regression, ratio),
                figure("b", Change::Missing, None),
                figure("c", Change::NoData, None),
                figure("d", Change::WithinLimit, ratio),
            ],
            beside: Vec::new(),
            warnings: vec!["not alike".into()],
        });
        let lines = annotations(&report, |name| {
            (name == "GITHUB_ACTIONS").then(|| "true".to_owned())
        });
        assert_eq!(
            lines,
            [
                "::error::REGRESSION: a is 0.75× [0.70× to 0.80×] that of then (at most 10.00 %25 may be lost)",
                "::error::REGRESSION, no data: b was measured in then, and this run has too few rounds of it",
                "::warning::no data: c has too few rounds in then",
                "::warning::not alike",
            ]
        );
    }
}
