//! A report's caveats in sentences: how it was measured, and what was left out.

use crate::analysis::{format::human_quantile, format::human_us, intervals::min_samples};
use crate::report::model::Report;

/// How the run was measured, and what was left out.
pub(crate) fn caveats(report: &Report) -> Vec<String> {
    let functions = report.target.functions.iter().map(|function| {
        let instances = function.instances;
        let instances = instances.map_or_else(|| "unknown".into(), |n| n.to_string());
        let (name, users, keys) = (&function.name, function.users, function.keys_a_round);
        match keys {
            // Without rounds there is only the mixed phase, which needs no users.
            0 => format!("{name}: instances {instances}"),
            _ => format!("{name}: instances {instances}, users {users}, keys per round {keys}"),
        }
    });
    let failures = report.failures.iter().map(|row| {
        let (count, failure, phase) = (row.count, &row.failure, row.phase.label());
        let function = &row.function;
        match row.throttled {
            true => format!(
                "throttled: {count} × {failure} in {phase} {function}: the target refused them, \
                 its limit of requests or of concurrent calls is below this load"
            ),
            false => format!("failed: {count} × {failure} in {phase} {function}"),
        }
    });
    let details = report.details.iter();
    let within = "intervals are 95 % over the rounds of this run; another run on this machine may \
                  differ by more";
    functions
        .chain(std::iter::once(within.to_owned()))
        .chain(too_few(report))
        .chain(failures)
        .chain(queueing(report))
        .chain(first_answers(report))
        .chain(details.map(|(detail, count)| format!("the cache said {detail:?} {count} times")))
        .chain(report.shortfalls.iter().map(|text| format!("note: {text}")))
        .collect()
}

/// What the first missing quantile in the latency table means.
fn too_few(report: &Report) -> Option<String> {
    let mut cells = report.rows.iter().flat_map(|row| {
        let all = row.waited();
        let cells = [
            ("p50", 0.5, all.p50),
            ("p90", 0.9, all.p90),
            ("p99", 0.99, all.p99),
        ];
        cells.map(|(name, q, quantile)| (name, q, quantile, all.count))
    });
    let (name, q, _, count) = cells.find(|(_, _, quantile, _)| quantile.is_none())?;
    let (shown, needed) = (human_quantile(None, q, count), min_samples(q));
    Some(format!(
        "{shown}: {count} answers are too few for their {name}; it needs {needed}"
    ))
}

fn queueing(report: &Report) -> impl Iterator<Item = String> {
    report.rows.iter().filter_map(|row| {
        let (response, service) = (row.response.as_ref()?.p99?, row.latency.p99?);
        if response.us < service.us * 1.01 {
            return None;
        }
        let (function, outcome) = (&row.function, row.outcome.label());
        let (response, service) = (human_us(response.us), human_us(service.us));
        let phase = row.phase.label();
        Some(format!(
            "{phase} {function} {outcome}: p99 {response} with connecting, as in the table and for \
             thresholds; {service} without"
        ))
    })
}

fn first_answers(report: &Report) -> Option<String> {
    let first = &report.cold_functions;
    let (count, max) = (first.count, human_us(first.max_us));
    let left_out = count > 0 && first.p50.is_none();
    left_out.then(|| format!("left out: {count} first answers of a process (at most {max})"))
}
