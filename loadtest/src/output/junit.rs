//! A report as JUnit XML, which most build servers show: a case for each check, threshold and
//! figure of the baseline.

use crate::analysis::check::Verdict;
use crate::output::{charts::svg::escape, sentences};
use crate::report::{judgement::Comparison, model::Report};

/// One test case.
struct Case {
    class: &'static str,
    name: String,
    result: Result,
    detail: String,
}

enum Result {
    Passed,
    Failed,
    Skipped,
}

pub(crate) fn render(report: &Report) -> String {
    let cases = cases(report);
    let count = |test: fn(&Result) -> bool| cases.iter().filter(|one| test(&one.result)).count();
    let failures = count(|result| matches!(result, Result::Failed));
    let skipped = count(|result| matches!(result, Result::Skipped));
    let (tests, seconds) = (cases.len(), report.seconds);
    let (started, body) = (escape(&report.started), cases.iter().map(case));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"loadtest\" \
         tests=\"{tests}\" failures=\"{failures}\" skipped=\"{skipped}\" errors=\"0\" \
         time=\"{seconds:.3}\" timestamp=\"{started}\">\n{}</testsuite>\n</testsuites>\n",
        body.collect::<String>()
    )
}

fn cases(report: &Report) -> Vec<Case> {
    let checks = report.checks.iter().map(|check| Case {
        class: "checks",
        name: check.name.clone(),
        result: match check.verdict {
            Verdict::Pass | Verdict::Finding => Result::Passed,
            Verdict::Fail => Result::Failed,
            Verdict::NotCheckable => Result::Skipped,
        },
        detail: check.detail.clone(),
    });
    let fired: Vec<&String> = report.fired().map(|one| &one.rule).collect();
    let rules = report.rules.iter().map(|rule| Case {
        class: "thresholds",
        name: rule.rule.clone(),
        result: match fired.contains(&&rule.rule) {
            true => Result::Failed,
            false => Result::Passed,
        },
        detail: format!("observed {}", rule.observed),
    });
    let baseline = report.baseline.iter().flat_map(|comparison| {
        comparison.figures.iter().map(|figure| Case {
            class: "baseline",
            name: figure.what.clone(),
            result: match Comparison::is_worse(figure, report.strict) {
                true => Result::Failed,
                false => Result::Passed,
            },
            detail: sentences::compared(comparison, figure),
        })
    });
    checks.chain(rules).chain(baseline).collect()
}

fn case(case: &Case) -> String {
    let (class, name, detail) = (case.class, escape(&case.name), escape(&case.detail));
    let inside = match case.result {
        Result::Passed => format!("<system-out>{detail}</system-out>"),
        Result::Failed => format!("<failure message=\"{detail}\"/>"),
        Result::Skipped => format!("<skipped message=\"{detail}\"/>"),
    };
    format!("<testcase classname=\"loadtest.{class}\" name=\"{name}\">{inside}</testcase>\n")
}
