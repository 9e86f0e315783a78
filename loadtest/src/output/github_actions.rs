//! Annotations and a job summary for GitHub Actions, whose settings come from a lookup function.

use std::io::Write;

use crate::analysis::{check::Check, check::Verdict};
use crate::output::{markdown, sentences};
use crate::report::{judgement::Comparison, model::Report};

/// Annotations for what is wrong; none outside of GitHub Actions. Also appends the job summary, if
/// GitHub asks for one.
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
    let checks = report.checks.iter().filter_map(|one| {
        let level = level(one)?;
        Some(annotation(level, &format!("{}: {}", one.name, one.detail)))
    });
    let rules = report.rules.iter().filter_map(|result| {
        let text = format!("{}: observed {}", result.rule, result.observed);
        Some(annotation(result.ruling.label().1?, &text))
    });
    let baseline = report.baseline.iter().flat_map(baseline_annotations);
    checks.chain(rules).chain(baseline).collect()
}

fn level(check: &Check) -> Option<&'static str> {
    match check.verdict {
        Verdict::Fail => Some("error"),
        Verdict::Finding => Some("warning"),
        Verdict::Pass | Verdict::NotCheckable => None,
    }
}

/// Regressions against the baseline, and what could not be compared with it.
fn baseline_annotations(comparison: &Comparison) -> Vec<String> {
    let figures = comparison.figures.iter().filter_map(|figure| {
        Some(annotation(
            figure.change.label().1?,
            &sentences::compared(comparison, figure),
        ))
    });
    let warnings = comparison.warnings.iter();
    figures
        .chain(warnings.map(|warning| annotation("warning", warning)))
        .collect()
}

/// A workflow command; its control characters are escaped.
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
    use crate::report::{judgement::Change, judgement::Compared, test_report};

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
            ..Compared::default()
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
