//! The report as Markdown, short enough for a pull request. Owns its layout; the words are the terminal's.

use crate::analysis::check::Verdict;
use crate::output::caveats::circumstances;
use crate::output::sentences::{self, findings, headlines, judgements};
use crate::output::terminal::{COLUMNS, cells};
use crate::report::judgement::Comparison;
use crate::report::model::Report;

/// The whole text.
pub(crate) fn render(report: &Report) -> String {
    let mut text = format!("# Load test: {}\n\n", report.heading());
    text.push_str(&format!(
        "{} · {} · {:.0} s · {}\n\n",
        report.target.url, report.started, report.seconds, report.tool
    ));
    let bullet = |line: &String| format!("- {}\n", escape(line));
    text.extend(headlines(report).iter().map(bullet));
    text.push_str(&format!(
        "\n| {} |\n|---|---|---|{}\n",
        COLUMNS.join(" | "),
        "--:|".repeat(COLUMNS.len() - 3)
    ));
    text.extend(
        report
            .rows
            .iter()
            .map(|row| format!("| {} |\n", cells(row).join(" | "))),
    );
    text.push('\n');
    for part in [findings(report), circumstances(report), judgements(report)] {
        text.extend(part.iter().map(bullet));
    }
    text.extend(report.baseline.iter().map(beside));
    text.push_str("\n| check | | |\n|---|---|---|\n");
    for check in &report.checks {
        let verdict = match check.verdict {
            Verdict::Pass => "pass",
            Verdict::Fail => "**FAIL**",
            Verdict::NotCheckable => "not checkable",
        };
        text.push_str(&format!(
            "| {} | {verdict} | {} |\n",
            escape(&check.name),
            escape(&check.detail)
        ));
    }
    text
}

/// A comparison's figures side by side.
fn beside(comparison: &Comparison) -> String {
    let rows = comparison.beside.iter().map(sentences::beside);
    let rows: String = rows
        .map(|row| format!("| {} |\n", row.map(|cell| escape(&cell)).join(" | ")))
        .collect();
    format!(
        "\n| | {} | this run |\n|---|--:|--:|\n{rows}",
        escape(&comparison.baseline_url)
    )
}

/// Texts of the target must not become markup.
fn escape(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            "\\`*_<>|[]"
                .contains(c)
                .then_some('\\')
                .into_iter()
                .chain([c])
        })
        .collect()
}
