//! A report as Markdown, short enough for a pull request.

use crate::output::{
    caveats::caveats, sentences::findings, sentences::headlines, sentences::judgements,
    sentences::reason, tables, tables::Table,
};
use crate::report::model::Report;

pub(crate) fn render(report: &Report) -> String {
    let (url, started, tool) = (&report.target.url, &report.started, &report.tool);
    let mut text = format!(
        "# Load test: {}\n\n{url} · {started} · {:.0} s · {tool}\n\n",
        report.heading(),
        report.seconds
    );
    text.push_str(&format!("**{}**\n\n", escape(&reason(report))));
    let bullet = |line: &String| format!("- {}\n", escape(line));
    text.extend(headlines(report).iter().map(bullet));
    text.push_str(&table(&tables::latencies(report)));
    text.push('\n');
    for part in [findings(report), caveats(report), judgements(report)] {
        text.extend(part.iter().map(bullet));
    }
    let baseline = report.baseline.as_ref().map(tables::side_by_side);
    text.extend(baseline.iter().map(table));
    let checks = report.checks.iter().map(|check| {
        let (verdict, _) = check.verdict.label();
        vec![check.name.clone(), verdict.to_owned(), check.detail.clone()]
    });
    let checks = Table {
        text_columns: 3,
        headers: vec!["check".into(), String::new(), String::new()],
        rows: checks.collect(),
    };
    text.push_str(&table(&checks));
    text
}

fn table(table: &Table) -> String {
    let line = |cells: &Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| escape(cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let numbers = table.headers.len() - table.text_columns;
    let alignment = "---|".repeat(table.text_columns) + &"--:|".repeat(numbers);
    let rows: String = table.rows.iter().map(line).collect();
    format!("\n{}|{alignment}\n{rows}", line(&table.headers))
}

/// Escapes text, so that a target's text cannot become markup.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if "\\`*_<>|[]".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
