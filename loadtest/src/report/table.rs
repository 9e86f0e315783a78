//! The report on a terminal. Owns the one table and the lines around it; knows nothing of files.

use crate::check::Verdict;
use crate::latencies::{human_quantile, human_us};
use crate::report::words::{circumstances, findings, headlines, judgements};
use crate::report::{Report, Row};

/// The columns of the latency table.
pub(crate) const COLUMNS: [&str; 8] = [
    "phase", "function", "outcome", "count", "p50", "p90", "p99", "max",
];

/// The whole text.
pub(crate) fn render(report: &Report) -> String {
    let mut text = format!("\n{} — {}\n\n", report.heading(), report.target.url);
    text.push_str(&grid(
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

/// One row of the latency table as texts.
pub(crate) fn cells(row: &Row) -> Vec<String> {
    let (latency, quantile) = (&row.latency, |of, q| {
        human_quantile(of, q, row.latency.count)
    });
    vec![
        row.phase.label().to_owned(),
        row.function.clone(),
        row.outcome.label().to_owned(),
        latency.count.to_string(),
        quantile(latency.p50, 0.5),
        quantile(latency.p90, 0.9),
        quantile(latency.p99, 0.99),
        human_us(latency.max_us),
    ]
}

/// Columns set under each other: words to the left, numbers to the right.
fn grid(headers: &[&str], rows: &[Vec<String>]) -> String {
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
                if column < 3 {
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
