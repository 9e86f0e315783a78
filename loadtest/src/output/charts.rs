//! The charts of a report: what each shows, with its title, legend and caption.

pub(crate) mod figure;
pub(crate) mod svg;

use crate::analysis::timeline::Dot;
use crate::load::plan::Phase;
use crate::output::{
    charts::figure::Figure, charts::svg::Axis, charts::svg::Chart, charts::svg::Scale,
    charts::svg::escape, what_if,
};
use crate::phases::stampede::BurstKind;
use crate::report::{model::Report, model::Row};
use crate::target::outcome::Outcome;

/// All charts for which there is data.
pub(crate) fn all(report: &Report) -> Vec<Figure> {
    let mut figures = Vec::new();
    for function in &report.target.functions {
        let row = |phase| largest_row(report, &function.name, phase);
        if let (Some(cold), Some(warm)) = (row(Phase::Cold), row(Phase::Warm)) {
            figures.push(distribution(&function.name, cold, warm));
            figures.push(percentiles(&function.name, cold, warm));
        }
    }
    figures.extend(report.own_traffic.iter().flat_map(what_if::figures));
    figures.extend(timeline(report));
    figures.extend(stampede(report));
    figures.extend(cost(report));
    figures
}

/// The row of the most frequent outcome of a phase.
fn largest_row<'a>(report: &'a Report, function: &str, phase: Phase) -> Option<&'a Row> {
    let rows = report.rows.iter();
    rows.filter(|row| row.function == function && row.phase == phase)
        .max_by_key(|row| row.latency.count)
}

fn series(cold: &Row, warm: &Row) -> Vec<(&'static str, String)> {
    let name = |row: &Row| format!("{} ({})", row.phase.label(), row.outcome.label());
    vec![("cold", name(cold)), ("warm", name(warm))]
}

fn least(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::MAX, f64::min)
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, f64::max)
}

fn latency_axis(rows: [&Row; 2]) -> Axis {
    let low = least(rows.iter().map(|row| row.latency.min_us));
    let high = largest(rows.iter().map(|row| row.latency.max_us));
    Axis::latency("latency", low, high)
}

fn distribution(function: &str, cold: &Row, warm: &Row) -> Figure {
    let bars = |row: &Row| {
        let total = row.latency.count.max(1) as f64;
        let counts = row.latency.counts.clone().into_iter();
        counts.map(move |(us, count)| (us, count as f64 * 100.0 / total))
    };
    let highest = largest(bars(cold).chain(bars(warm)).map(|(_, share)| share));
    let mut chart = Chart::new(
        latency_axis([cold, warm]),
        Axis::linear("share of the phase", highest, " %"),
    );
    // One bar per tenth of an octave, as the counts come.
    let half = 0.05f64.exp2();
    for (row, class) in [(cold, "cold"), (warm, "warm")] {
        for (us, share) in bars(row) {
            chart.bar(class, (us / half, us * half), share);
        }
    }
    let label = format!("Distribution of cold and warm latencies of {function}");
    Figure {
        title: format!("{function}: how long a miss and a hit take"),
        legend: series(cold, warm),
        svg: chart.render(&escape(&label)),
        caption: "Each bar is a tenth of an octave wide; the axis is logarithmic.".into(),
    }
}

fn percentiles(function: &str, cold: &Row, warm: &Row) -> Figure {
    let ticks = [
        (1.0, "0"),
        (2.0, "p50"),
        (10.0, "p90"),
        (100.0, "p99"),
        (1000.0, "p99.9"),
        (10_000.0, "p99.99"),
    ];
    let count = largest([cold, warm].iter().map(|row| row.latency.count as f64));
    let ticks = ticks.iter().filter(|(at, _)| *at <= count);
    let x = Axis {
        title: "percentile",
        low: 1.0,
        high: count.max(10.0),
        scale: Scale::Logarithmic,
        ticks: ticks
            .map(|(at, label)| (*at, (*label).to_owned()))
            .collect(),
    };
    let mut chart = Chart::new(x, latency_axis([cold, warm]));
    for (row, class) in [(cold, "cold"), (warm, "warm")] {
        chart.line(class, &spectrum(row));
    }
    Figure {
        title: format!("{function}: percentiles"),
        legend: series(cold, warm),
        svg: chart.render(&escape(&format!("Latency by percentile of {function}"))),
        caption: "Each step to the right is ten times rarer; a line ends at its rarest sample."
            .into(),
    }
}

/// Latency over 1/(1−p): equal steps to the right are equally rarer requests.
fn spectrum(row: &Row) -> Vec<(f64, f64)> {
    let total = row.latency.count as f64;
    let mut below = 0.0;
    let mut points = Vec::new();
    for (us, count) in &row.latency.counts {
        points.push((total / (total - below), *us));
        below += *count as f64;
    }
    points.push((total, row.latency.max_us));
    points
}

fn timeline(report: &Report) -> Option<Figure> {
    let dots = || report.timeline.iter();
    let count = dots().count();
    if count == 0 {
        return None;
    }
    let us = |dot: &Dot| dot.us;
    let mut chart = Chart::new(
        Axis::linear(
            "seconds since the start",
            largest(dots().map(|dot| dot.at_s)),
            "",
        ),
        Axis::latency("latency", least(dots().map(us)), largest(dots().map(us))),
    );
    // Of the phase with a broken cache, only the outage is shaded.
    for phase in report
        .origin
        .iter()
        .filter(|phase| phase.phase != Phase::Faults)
    {
        chart.band(phase.phase.label(), phase.began_s, phase.ended_s);
    }
    if let Some(faults) = &report.faults {
        chart.band("faults", faults.broken_s, faults.mended_s);
    }
    for dot in dots() {
        let (class, shape) = mark(dot.outcome);
        chart.dot(class, shape, dot.at_s, dot.us);
    }
    Some(Figure {
        title: "Every request over time".into(),
        legend: vec![
            ("warm", "● hit".into()),
            ("cold", "▲ origin call".into()),
            ("third", "■ other".into()),
            ("bad", "× failed".into()),
        ],
        svg: chart.render("Latency of requests over time, by outcome"),
        caption: format!(
            "{count} requests are shown; long runs are thinned evenly. Shaded, from the left: the \
             warm phases, mixed traffic, the bursts, and the outage of the cache."
        ),
    })
}

/// Class and shape of an outcome.
fn mark(outcome: Option<Outcome>) -> (&'static str, usize) {
    match outcome {
        None | Some(Outcome::Unknown) => ("bad", 3),
        Some(outcome) if outcome.is_hit() => ("warm", 0),
        Some(outcome) if outcome.called_origin() => ("cold", 1),
        Some(_) => ("third", 2),
    }
}

/// The callers of the last burst on a cold key, if there was one.
fn stampede(report: &Report) -> Option<Figure> {
    let mut bursts = report.bursts.iter();
    let burst = bursts.rfind(|burst| burst.occasion == BurstKind::Cold)?;
    let (callers, count) = (burst.callers, burst.lanes.len());
    let longest = largest(burst.lanes.iter().map(|(_, end, _)| end / 1e3));
    let lanes = Axis {
        title: "caller",
        low: 0.0,
        high: count as f64 + 1.0,
        scale: Scale::Linear,
        ticks: vec![(1.0, "1".into()), (count as f64, count.to_string())],
    };
    let mut chart = Chart::new(
        Axis::linear("since the first was sent", longest, " ms"),
        lanes,
    );
    for (lane, (start, end, outcome)) in burst.lanes.iter().enumerate() {
        let (class, shape) = mark(*outcome);
        let y = lane as f64 + 1.0;
        chart.line(class, &[(start / 1e3, y), (end / 1e3, y)]);
        chart.dot(class, shape, end / 1e3, y);
    }
    Some(Figure {
        title: format!("{}: all callers ask for one cold key", burst.function),
        legend: vec![
            ("cold", "▲ called the origin".into()),
            ("third", "■ shared that call".into()),
            ("warm", "● hit".into()),
        ],
        svg: chart.render("Callers of one cold key, from request to answer"),
        caption: format!(
            "{callers} callers, origin calls: {}. Each line runs from a request to its answer.",
            burst.origin_calls
        ),
    })
}

/// The cost over the hit ratio, with and without the cache, of the function that saves most.
fn cost(report: &Report) -> Option<Figure> {
    let savings = report.savings.iter().filter(|saving| saving.dollars > 0.0);
    let saving = savings.max_by(|a, b| a.dollars.total_cmp(&b.dollars))?;
    let (function, price) = (&saving.function, saving.price);
    let dollars = |ms: f64| ms * price.memory_mb / 1024.0 * 1e3 * price.gb_second;
    let (without, hit) = (dollars(saving.origin_ms), dollars(saving.hit_ms));
    let mut chart = Chart::new(
        Axis::hit_ratio(),
        Axis::linear("dollars per million calls", without * 1.1, ""),
    );
    chart.line("cold", &[(0.0, without), (100.0, without)]);
    chart.line("warm", &[(0.0, without), (100.0, hit)]);
    if let Some(measured) = report.effect.hit_ratio {
        let at = measured.estimate;
        chart.dot("warm", 0, at * 100.0, without + (hit - without) * at);
    }
    let label = format!("Dollars per million calls of {function} over the hit ratio");
    Some(Figure {
        title: format!("{function}: billed compute time"),
        legend: vec![
            ("cold", "without the cache".into()),
            ("warm", "with it; ● at the measured hit ratio".into()),
        ],
        svg: chart.render(&escape(&label)),
        caption: format!(
            "An estimate: {} ms billed without the cache, {} ms for a hit, {:.0} MB at {} $ per \
             GB-second. The request fee is paid either way, and the price of the cache itself is \
             not included.",
            saving.origin_ms, saving.hit_ms, price.memory_mb, price.gb_second
        ),
    })
}
