//! A report as Prometheus text, for a push gateway or the textfile collector of the node exporter.

use std::fmt::Write as _;

use crate::analysis::histogram::Quantile;
use crate::report::model::{Report, Row};

pub(crate) fn render(report: &Report) -> String {
    let mut text = String::new();
    let valid = f64::from(u8::from(report.is_valid() && !report.interrupted));
    single(
        &mut text,
        "valid",
        "1 if no check of the run failed",
        Some(valid),
    );
    if valid == 0.0 {
        // A history would keep numbers that must not be used.
        return text;
    }
    family(
        &mut text,
        "latency_seconds",
        "summary",
        "How long callers waited",
    );
    for row in &report.rows {
        latencies(&mut text, row);
    }
    family(
        &mut text,
        "failed_requests",
        "gauge",
        "Requests without an answer",
    );
    for row in &report.failures {
        let (phase, function) = (row.phase.label(), label(&row.function));
        let (failure, count) = (label(&row.failure), row.count);
        line(
            &mut text,
            "failed_requests",
            &format!("phase=\"{phase}\",function=\"{function}\",failure=\"{failure}\""),
            count as f64,
        );
    }
    family(
        &mut text,
        "speed_up_ratio",
        "gauge",
        "Median time of a miss divided by that of a hit",
    );
    for one in &report.speed_ups {
        if let Some(ratio) = one.ratio {
            let labels = format!("function=\"{}\"", label(&one.function));
            line(&mut text, "speed_up_ratio", &labels, ratio.estimate);
        }
    }
    let effect = &report.effect;
    let ratio = effect.hit_ratio.map(|ratio| ratio.estimate);
    single(
        &mut text,
        "hit_ratio",
        "Share of lookups that were hits",
        ratio,
    );
    single(
        &mut text,
        "ideal_hit_ratio",
        "The same if nothing were lost",
        effect.ideal_hit_ratio,
    );
    let calls = effect.stampede_factor;
    single(
        &mut text,
        "stampede_origin_calls",
        "Origin calls per cold key in a burst",
        calls,
    );
    text
}

fn latencies(text: &mut String, row: &Row) {
    let all = row.waited();
    let (phase, outcome) = (row.phase.label(), row.outcome.label());
    let labels = format!(
        "phase=\"{phase}\",function=\"{}\",outcome=\"{outcome}\"",
        label(&row.function)
    );
    let quantiles: [(&str, Option<Quantile>); 4] = [
        ("0.5", all.p50),
        ("0.9", all.p90),
        ("0.95", all.p95),
        ("0.99", all.p99),
    ];
    for (q, quantile) in quantiles {
        if let Some(quantile) = quantile {
            let labels = format!("{labels},quantile=\"{q}\"");
            line(text, "latency_seconds", &labels, quantile.us / 1e6);
        }
    }
    let sum = all.mean_us * all.count as f64 / 1e6;
    line(text, "latency_seconds_sum", &labels, sum);
    line(text, "latency_seconds_count", &labels, all.count as f64);
}

fn single(text: &mut String, name: &str, help: &str, value: Option<f64>) {
    if let Some(value) = value {
        family(text, name, "gauge", help);
        _ = writeln!(text, "loadtest_{name} {value}");
    }
}

fn family(text: &mut String, name: &str, kind: &str, help: &str) {
    _ = writeln!(
        text,
        "# HELP loadtest_{name} {help}.\n# TYPE loadtest_{name} {kind}"
    );
}

fn line(text: &mut String, name: &str, labels: &str, value: f64) {
    _ = writeln!(text, "loadtest_{name}{{{labels}}} {value}");
}

/// A label's value, escaped.
fn label(text: &str) -> String {
    let text = text.replace('\\', "\\\\");
    text.replace('"', "\\\"").replace('\n', "\\n")
}
