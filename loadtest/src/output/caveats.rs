//! The report's small print in sentences: how it was measured, and what was left out. Owns those words; knows nothing of layout.

use crate::analysis::format::{human_quantile, human_us};
use crate::analysis::histogram::Summary;
use crate::analysis::intervals::min_samples;
use crate::report::model::Report;

/// What the latency table means by the first figure that it does not give.
fn too_few(report: &Report) -> Option<String> {
    let mut cells = report.rows.iter().flat_map(|row| {
        let Summary {
            count,
            p50,
            p90,
            p99,
            ..
        } = *row.waited();
        let cells = [("p50", 0.5, p50), ("p90", 0.9, p90), ("p99", 0.99, p99)];
        cells.map(|(name, q, quantile)| (name, q, quantile, count))
    });
    let (name, q, _, count) = cells.find(|(_, _, quantile, _)| quantile.is_none())?;
    let shown = human_quantile(None, q, count);
    Some(format!(
        "{shown}: {count} answers are too few to tell their {name}; that takes {}",
        min_samples(q)
    ))
}

/// How it was measured, and what was left out.
pub(crate) fn circumstances(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    lines.extend(report.target.functions.iter().map(|function| {
        let instances = function
            .instances
            .map_or_else(|| "not told".into(), |n: usize| n.to_string());
        format!(
            "{}: instances {instances}, users {}, keys a round {}",
            function.name, function.users, function.keys_a_round
        )
    }));
    lines.extend(too_few(report));
    lines.extend(report.failures.iter().map(|failure| {
        format!(
            "failed: {} × {} in {} {}",
            failure.count,
            failure.failure,
            failure.phase.label(),
            failure.function
        )
    }));
    lines.extend(report.rows.iter().filter_map(|row| {
        let (response, service) = (row.response.as_ref()?.p99?, row.latency.p99?);
        let (function, outcome) = (&row.function, row.outcome.label());
        let (response, service) = (human_us(response.us), human_us(service.us));
        Some(format!(
            "mixed {function} {outcome}: p99 {response} with the wait for a free user, as in the table and for rules; \
             {service} without"
        ))
    }));
    if report.cold_functions.count > 0 && report.cold_functions.p50.is_none() {
        let (count, worst) = (
            report.cold_functions.count,
            human_us(report.cold_functions.max_us),
        );
        lines.push(format!(
            "left out: {count} first answers of a process (at most {worst})"
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
