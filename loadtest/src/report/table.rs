//! The report on a terminal. Owns the one table and the lines around it; knows nothing of files.

use crate::checks::Verdict;
use crate::latencies::{human_quantile, human_us};
use crate::report::{Report, Row, times};
use crate::stats::Interval;

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
    for line in report.headlines().into_iter().chain(facts(report)) {
        text.push_str(&format!("{line}\n"));
    }
    text.push('\n');
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

/// The sentences below the table: ratios, origin calls, failures and what was left out.
pub(crate) fn facts(report: &Report) -> Vec<String> {
    let effect = &report.effect;
    let percent = |share: Interval| {
        let Interval {
            low,
            estimate,
            high,
        } = share;
        format!(
            "{:.2} % [{:.2} to {:.2}]",
            estimate * 100.0,
            low * 100.0,
            high * 100.0
        )
    };
    let ratio = effect.hit_ratio.map_or_else(|| "n/a".into(), percent);
    let counted = effect
        .counted_origin_calls
        .map_or_else(|| "not told".into(), |count| count.to_string());
    let mut lines = vec![
        format!(
            "hit ratio of these rounds: {ratio} (the rounds choose it: {} warm to one cold)",
            warm_to_one(report)
        ),
        format!(
            "origin calls: {} claimed by the answers, {counted} counted by the target",
            effect.claimed_origin_calls
        ),
    ];
    lines.extend(report.speed_ups.iter().filter_map(|speed_up| {
        let ratio = speed_up.server_ratio?;
        Some(format!(
            "{} by the server's own clock: {} [{} to {}]",
            speed_up.function,
            times(ratio.estimate),
            times(ratio.low),
            times(ratio.high)
        ))
    }));
    lines.extend(report.target.functions.iter().map(|function| {
        let instances = function
            .instances
            .map_or_else(|| "not told".into(), |n: usize| n.to_string());
        format!(
            "{}: instances {instances}, users {}, keys a round {}",
            function.name, function.users, function.keys_a_round
        )
    }));
    lines.extend(report.failures.iter().map(|failure| {
        format!(
            "failed: {} × {} in {} {}",
            failure.count,
            failure.failure,
            failure.phase.label(),
            failure.function
        )
    }));
    if report.cold_functions.count > 0 {
        let (count, worst) = (
            report.cold_functions.count,
            human_us(report.cold_functions.max_us),
        );
        lines.push(format!(
            "left out: {count} first answers of a process (at most {worst})"
        ));
    }
    if let Some(stalest) = effect.stalest_s {
        let count = effect.stale;
        lines.push(format!(
            "stale: {count} answers, at most {stalest} s past their lifetime"
        ));
    }
    lines.extend(
        report
            .details
            .iter()
            .map(|(detail, count)| format!("the cache said {detail:?} {count} times")),
    );
    lines.extend(report.shortfalls.iter().map(|text| format!("note: {text}")));
    lines
}

fn warm_to_one(report: &Report) -> String {
    format!("{}", report.profile.repeats)
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
