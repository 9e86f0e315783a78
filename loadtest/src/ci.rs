//! What a CI service is told: annotations, and a summary of the job. Owns the forms of GitHub Actions, through a lookup
//! of settings that it is given.

use std::io::Write;

use crate::check::Verdict;
use crate::report::{Report, markdown};
use crate::rules::Ruling;

/// Annotation lines for what is wrong; none outside of GitHub Actions. The summary is appended where that asks for it.
pub(crate) fn tell(report: &Report, setting: impl Fn(&str) -> Option<String>) -> Vec<String> {
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
            Ruling::Ok => return None,
            Ruling::Inconclusive => "warning",
            Ruling::Fired | Ruling::NoData => "error",
        };
        Some(annotation(
            level,
            &format!("{}: observed {}", judgement.rule, judgement.observed),
        ))
    });
    checks.chain(rules).collect()
}

/// A workflow command; its own marks must not appear in the text.
fn annotation(level: &str, text: &str) -> String {
    let text = text
        .replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A");
    format!("::{level}::{text}")
}
