//! Which charts a report has. Owns what each shows and its words; knows nothing of pages.

pub(crate) mod svg;

use crate::analysis::savings::Saving;
use crate::load::plan::Phase;
use crate::output::charts::svg::{Axis, Chart, Scale, escape};
use crate::phases::stampede::BurstKind;
use crate::report::model::{Report, Row};
use crate::target::outcome::Outcome;

/// A chart with its words.
pub(crate) struct Figure {
    pub(crate) title: String,
    /// Class and name of each series.
    pub(crate) legend: Vec<(&'static str, String)>,
    pub(crate) svg: String,
    pub(crate) caption: String,
}

/// All charts that the data allows.
pub(crate) fn all(report: &Report) -> Vec<Figure> {
    let mut figures = Vec::new();
    for function in report
        .target
        .functions
        .iter()
        .map(|function| function.name.as_str())
    {
        let cold = best_row(report, function, Phase::Cold);
        let warm = best_row(report, function, Phase::Warm);
        if let (Some(cold), Some(warm)) = (cold, warm) {
            figures.push(distribution(function, cold, warm));
            figures.push(percentiles(function, cold, warm));
        }
    }
    figures.extend(timeline(report));
    figures.extend(stampede(report));
    figures.extend(cost(report));
    figures
}

/// The outcome that most answers of a phase had.
fn best_row<'a>(report: &'a Report, function: &str, phase: Phase) -> Option<&'a Row> {
    let rows = report
        .rows
        .iter()
        .filter(|row| row.function == function && row.phase == phase);
    rows.max_by_key(|row| row.latency.count)
}

fn series(cold: &Row, warm: &Row) -> Vec<(&'static str, String)> {
    let name = |row: &Row| format!("{} ({})", row.phase.label(), row.outcome.label());
    vec![("cold", name(cold)), ("warm", name(warm))]
}

fn latency_axis(title: &'static str, rows: [&Row; 2]) -> Axis {
    let low = rows
        .iter()
        .map(|row| row.latency.min_us)
        .fold(f64::MAX, f64::min);
    let high = rows
        .iter()
        .map(|row| row.latency.max_us)
        .fold(0.0, f64::max);
    Axis::latency(title, low, high)
}

fn distribution(function: &str, cold: &Row, warm: &Row) -> Figure {
    let share = |row: &Row, count: u64| count as f64 * 100.0 / row.latency.count.max(1) as f64;
    let largest = [cold, warm]
        .iter()
        .flat_map(|row| row.latency.counts.iter().map(|(_, n)| share(row, *n)))
        .fold(0.0, f64::max);
    let mut chart = Chart::new(
        latency_axis("latency", [cold, warm]),
        Axis::linear("share of the phase", largest, " %"),
    );
    // One bar a tenth of an octave, as the counts come.
    let half = 0.05f64.exp2();
    for (row, class) in [(cold, "cold"), (warm, "warm")] {
        for (us, count) in &row.latency.counts {
            chart.bar(class, (us / half, us * half), share(row, *count));
        }
    }
    Figure {
        title: format!("{function}: how long a miss and a hit take"),
        legend: series(cold, warm),
        svg: chart.render(&escape(&format!(
            "Distribution of cold and warm latencies of {function}"
        ))),
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
    let largest = [cold, warm]
        .iter()
        .map(|row| row.latency.count)
        .max()
        .unwrap_or(1) as f64;
    let x = Axis {
        title: "percentile",
        low: 1.0,
        high: largest.max(10.0),
        scale: Scale::Logarithmic,
        ticks: ticks
            .iter()
            .filter(|(at, _)| *at <= largest)
            .map(|(at, label)| (*at, (*label).to_owned()))
            .collect(),
    };
    let mut chart = Chart::new(x, latency_axis("latency", [cold, warm]));
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
    let last = report
        .timeline
        .iter()
        .map(|dot| dot.at_s)
        .fold(0.0, f64::max);
    let low = report
        .timeline
        .iter()
        .map(|dot| dot.us)
        .fold(f64::MAX, f64::min);
    let high = report.timeline.iter().map(|dot| dot.us).fold(0.0, f64::max);
    if report.timeline.is_empty() {
        return None;
    }
    let mut chart = Chart::new(
        Axis::linear("seconds since the start", last, ""),
        Axis::latency("latency", low, high),
    );
    for phase in &report.origin {
        // Of the phase with a broken cache, only the time that it was broken.
        if phase.phase != Phase::Faults {
            chart.band(phase.phase.label(), phase.began_s, phase.ended_s);
        }
    }
    if let Some(faults) = &report.faults {
        chart.band("faults", faults.broken_s, faults.mended_s);
    }
    for dot in &report.timeline {
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
            "{} requests are shown; long runs are thinned evenly. Shaded, from the left: the warm phases, mixed traffic, the bursts, and where the cache was broken.",
            report.timeline.len()
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

/// The last burst on a cold key, if there was one.
fn stampede(report: &Report) -> Option<Figure> {
    let burst = report
        .bursts
        .iter()
        .rfind(|burst| burst.occasion == BurstKind::Cold)?;
    let longest = burst
        .lanes
        .iter()
        .map(|(_, end, _)| end / 1e3)
        .fold(0.0, f64::max);
    let callers = Axis {
        title: "caller",
        low: 0.0,
        high: burst.lanes.len() as f64 + 1.0,
        scale: Scale::Linear,
        ticks: vec![
            (1.0, "1".into()),
            (burst.lanes.len() as f64, burst.lanes.len().to_string()),
        ],
    };
    let mut chart = Chart::new(
        Axis::linear("since the first was sent", longest, " ms"),
        callers,
    );
    for (lane, (start, end, outcome)) in burst.lanes.iter().enumerate() {
        let (class, shape) = mark(*outcome);
        let y = lane as f64 + 1.0;
        chart.line(class, &[(start / 1e3, y), (end / 1e3, y)]);
        chart.dot(class, shape, end / 1e3, y);
    }
    Some(Figure {
        title: format!("{}: everyone asks for one cold key", burst.function),
        legend: vec![
            ("cold", "▲ called the origin".into()),
            ("third", "■ shared that call".into()),
            ("warm", "● hit".into()),
        ],
        svg: chart.render("Callers of one cold key, from request to answer"),
        caption: format!(
            "{} callers, origin calls: {}. Each lane runs from a request to its answer.",
            burst.callers, burst.origin_calls
        ),
    })
}

/// For the function that the cache saves most.
fn cost(report: &Report) -> Option<Figure> {
    let saving = report
        .savings
        .iter()
        .max_by(|a, b| a.dollars.total_cmp(&b.dollars))?;
    if saving.dollars <= 0.0 {
        return None;
    }
    let dollars = |ms: f64| ms * saving.price.memory_mb / 1024.0 * 1e3 * saving.price.gb_second;
    let (without, hit) = (dollars(saving.origin_ms), dollars(saving.hit_ms));
    let ratio = Axis {
        title: "hit ratio",
        low: 0.0,
        high: 100.0,
        scale: Scale::Linear,
        ticks: [0.0, 25.0, 50.0, 75.0, 100.0]
            .map(|at| (at, format!("{at} %")))
            .to_vec(),
    };
    let mut chart = Chart::new(
        ratio,
        Axis::linear("dollars a million calls", without * 1.1, ""),
    );
    chart.line("cold", &[(0.0, without), (100.0, without)]);
    chart.line("warm", &[(0.0, without), (100.0, hit)]);
    if let Some(measured) = report.effect.hit_ratio {
        let at = measured.estimate;
        chart.dot("warm", 0, at * 100.0, without + (hit - without) * at);
    }
    Some(Figure {
        title: format!("{}: billed compute time", saving.function),
        legend: vec![
            ("cold", "without the cache".into()),
            ("warm", "with it; ● at the measured hit ratio".into()),
        ],
        svg: chart.render(&escape(&format!(
            "Dollars a million calls of {} over the hit ratio",
            saving.function
        ))),
        caption: caption(saving),
    })
}

fn caption(saving: &Saving) -> String {
    format!(
        "An estimate: {} ms billed without the cache, {} ms for a hit, {:.0} MB at {} $ a GB-second. The request fee is paid \
         either way, and the price of the cache itself is not in it.",
        saving.origin_ms, saving.hit_ms, saving.price.memory_mb, saving.price.gb_second
    )
}
