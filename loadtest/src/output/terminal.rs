//! A report on a terminal.

use crate::output::{
    caveats::caveats, sentences::findings, sentences::headlines, sentences::judgements,
    sentences::reason, summary, tables, tables::Table,
};
use crate::report::{judgement::Comparison, model::Report};

pub(crate) fn render(report: &Report) -> String {
    let heading = report.heading();
    let table = grid(&tables::latencies(report));
    let mut text = format!(
        "\n{heading} — {}\n{}\n\n{table}\n",
        report.target.url,
        reason(report)
    );
    for part in [
        headlines(report),
        findings(report),
        caveats(report),
        judgements(report),
    ] {
        text.extend(part.iter().map(|line| format!("{line}\n")));
        text.push_str(if part.is_empty() { "" } else { "\n" });
    }
    for (name, line) in summary::lines(report) {
        text.push_str(&format!("{name:.<16} {line}\n"));
    }
    text.push('\n');
    text.extend(report.baseline.iter().map(side_by_side));
    for check in &report.checks {
        let (verdict, _) = check.verdict.label();
        text.push_str(&format!("{verdict}: {}: {}\n", check.name, check.detail));
    }
    text
}

pub(crate) fn side_by_side(comparison: &Comparison) -> String {
    format!("{}\n", grid(&tables::side_by_side(comparison)))
}

/// Aligned columns: text to the left, numbers to the right.
pub(crate) fn grid(table: &Table) -> String {
    let Table { headers, rows, .. } = table;
    let lines = || [headers].into_iter().chain(rows);
    let length = |cell: &String| cell.chars().count();
    let widths: Vec<usize> = (0..headers.len())
        .map(|column| lines().map(|line| length(&line[column])).max().unwrap_or(0))
        .collect();
    let rule = "─".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1));
    let aligned = |cells: &Vec<String>| {
        let cells = cells.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| {
            if column < table.text_columns {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let body: String = rows.iter().map(aligned).collect();
    format!("{}{rule}\n{body}", aligned(headers))
}
