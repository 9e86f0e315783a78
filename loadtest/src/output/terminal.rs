//! The report on a terminal. Owns the one table and the lines around it; knows nothing of files.

use crate::analysis::check::Verdict;
use crate::analysis::format::{human_quantile, human_us};
use crate::output::caveats::circumstances;
use crate::output::sentences::{self, findings, headlines, judgements};
use crate::report::judgement::Comparison;
use crate::report::model::{Report, Row};

/// The columns of the latency table.
pub(crate) const COLUMNS: [&str; 9] = [
    "phase",
    "function",
    "outcome",
    "count",
    "p50",
    "p90",
    "p99",
    "max",
    "p50, server",
];

/// The whole text.
pub(crate) fn render(report: &Report) -> String {
    let mut text = format!("\n{} — {}\n\n", report.heading(), report.target.url);
    text.push_str(&grid(
        3,
        &COLUMNS,
        &report.rows.iter().map(cells).collect::<Vec<_>>(),
    ));
    text.push('\n');
    for part in [
        headlines(report),
        findings(report),
        circumstances(report),
        judgements(report),
    ] {
        text.extend(part.iter().map(|line| format!("{line}\n")));
        text.push_str(if part.is_empty() { "" } else { "\n" });
    }
    text.extend(report.baseline.iter().map(beside));
    for check in &report.checks {
        let mark = match check.verdict {
            Verdict::Pass => "✓",
            Verdict::Fail => "✗ FAILED:",
            Verdict::NotCheckable => "? not checkable:",
        };
        text.push_str(&format!("{mark} {}: {}\n", check.name, check.detail));
    }
    text
}

/// A comparison's figures side by side.
pub(crate) fn beside(comparison: &Comparison) -> String {
    let headers = ["", &comparison.baseline_url, "this run"];
    let rows: Vec<Vec<String>> = comparison
        .beside
        .iter()
        .map(|one| sentences::beside(one).to_vec())
        .collect();
    format!("{}\n", grid(1, &headers, &rows))
}

/// One row of the latency table as texts.
pub(crate) fn cells(row: &Row) -> Vec<String> {
    let waited = row.waited();
    let quantile = |of, q| human_quantile(of, q, waited.count);
    vec![
        row.phase.label().to_owned(),
        row.function.clone(),
        row.outcome.label().to_owned(),
        waited.count.to_string(),
        quantile(waited.p50, 0.5),
        quantile(waited.p90, 0.9),
        quantile(waited.p99, 0.99),
        human_us(waited.max_us),
        row.server.as_ref().map_or_else(
            || "not told".into(),
            |server| human_quantile(server.p50, 0.5, server.count),
        ),
    ]
}

/// Columns set under each other: the first `words` of them to the left, numbers to the right.
fn grid(words: usize, headers: &[&str], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([headers[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headers.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, width))| {
                if column < words {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let headers: Vec<String> = headers.iter().map(|&header| header.to_owned()).collect();
    let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1));
    let body: String = rows.iter().map(|row| line(row)).collect();
    format!("{}{rule}\n{body}", line(&headers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::plan::Phase;
    use crate::report::test_report;

    #[test]
    fn a_row_of_the_open_loop_shows_the_whole_wait_and_a_line_says_so() {
        let mut report = test_report::report(&["f"]);
        report.rows = vec![test_report::hits(Phase::Mixed, "f", (400, 10))];
        report.rows[0].response = Some(test_report::summary(400, 30));
        let cells = cells(&report.rows[0]);
        assert_eq!(
            cells[3..8],
            ["400", "30.0 ms", "30.0 ms", "30.0 ms", "30.0 ms"]
        );
        let line = "mixed f hit: p99 30.0 ms with the wait for a free user, as in the table and for rules; 10.0 ms without";
        assert!(circumstances(&report).contains(&line.to_owned()));
    }
}
