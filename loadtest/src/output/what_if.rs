//! What caches of other lifetimes and sizes would do with the user's own traffic: sentences
//! and charts.

use crate::analysis::{
    format::human_bytes, format::human_ttl, format::percent, what_if::ENOUGH, what_if::WhatIf,
};
use crate::output::{
    charts::figure::Figure, charts::svg::Axis, charts::svg::Chart, charts::svg::Scale,
    charts::svg::escape, tables::Table,
};
use crate::report::{model::OwnTrafficFacts, model::Sizes};

/// What a reader should decide by.
pub(crate) fn sentences(traffic: &OwnTrafficFacts) -> Vec<String> {
    let what_if = &traffic.what_if;
    let (requests, keys, file) = (traffic.requests, traffic.keys, &traffic.file);
    let lasted = traffic.seconds.map_or_else(
        || "without times".to_owned(),
        |seconds| format!("over {seconds:.0} s"),
    );
    let best = percent(what_if.best_hit_ratio);
    let mut lines = vec![format!(
        "your traffic: {requests} requests for {keys} keys in {file}, {lasted}; a cache that loses \
         nothing would answer {best} of them"
    )];
    if what_if.best_hit_ratio == 0.0 {
        lines.push("what if: no key is asked for twice, so that no cache can help".into());
        return lines;
    }
    let most = percent(ENOUGH);
    if let Some(ttl_s) = what_if.enough_ttl_s {
        let mut points = what_if.lifetimes.iter();
        let point = points.find(|point| point.ttl_s == ttl_s);
        lines.extend(point.map(|point| {
            let (ttl, ratio) = (human_ttl(ttl_s), percent(point.hit_ratio));
            let memory = memory(point.most_memory, traffic.sizes);
            format!(
                "what if, lifetime: {ttl} is enough for {ratio} hits, {most} of what is possible, \
                 and needs {memory} at most; a longer one gains little"
            )
        }));
    }
    if let (Some(ttl_s), Some(ratio)) = (traffic.ttl_s, at_ttl(what_if, traffic.ttl_s)) {
        lines.push(format!(
            "what if, today: with the lifetime that the answers named, {}, about {} would be hits",
            human_ttl(ttl_s as f64),
            percent(ratio)
        ));
    }
    if let Some(enough) = what_if.enough_memory {
        let memory = memory(enough, traffic.sizes);
        lines.push(format!(
            "what if, memory: {memory} are enough for {most} of the possible hits, if nothing \
             expires and what was not used for the longest time is dropped first"
        ));
    }
    if !traffic.skipped.is_empty() {
        let skipped = traffic.skipped.iter();
        let skipped: Vec<String> = skipped
            .map(|(why, count)| format!("{count} {why}"))
            .collect();
        lines.push(format!(
            "lines of {file} that were skipped: {}",
            skipped.join(", ")
        ));
    }
    lines
}

/// The hit ratio at a lifetime, between the points of the curve.
fn at_ttl(what_if: &WhatIf, ttl_s: Option<i64>) -> Option<f64> {
    let ttl_s = ttl_s.filter(|ttl| *ttl > 0)? as f64;
    let points = &what_if.lifetimes;
    let after = points.iter().position(|point| point.ttl_s >= ttl_s);
    match after {
        None => points.last().map(|last| last.hit_ratio),
        Some(0) => points.first().map(|first| first.hit_ratio),
        Some(after) => {
            let (low, high) = (points[after - 1], points[after]);
            let share = (ttl_s - low.ttl_s) / (high.ttl_s - low.ttl_s);
            Some(low.hit_ratio + share * (high.hit_ratio - low.hit_ratio))
        }
    }
}

fn memory(amount: f64, sizes: Sizes) -> String {
    match sizes {
        Sizes::Unknown => format!("{amount:.0} entries"),
        Sizes::File | Sizes::Answers => human_bytes(amount),
    }
}

/// Both curves.
pub(crate) fn figures(traffic: &OwnTrafficFacts) -> Vec<Figure> {
    [over_lifetime(traffic), over_memory(traffic)]
        .into_iter()
        .flatten()
        .collect()
}

fn over_lifetime(traffic: &OwnTrafficFacts) -> Option<Figure> {
    let points = &traffic.what_if.lifetimes;
    let line: Vec<(f64, f64)> = points
        .iter()
        .map(|point| (point.ttl_s, point.hit_ratio * 100.0))
        .collect();
    let ticks = [
        1.0, 10.0, 60.0, 600.0, 3600.0, 21_600.0, 86_400.0, 604_800.0,
    ];
    let ticks = ticks.map(|ttl| (ttl, human_ttl(ttl))).to_vec();
    let mut figure = curve(
        "lifetime of an entry",
        &line,
        ticks,
        traffic.what_if.enough_ttl_s,
    )?;
    figure.title = "What if: the hit ratio of your traffic over the lifetime of entries".into();
    figure.caption = "Computed from your file, without asking the target, for a cache with enough \
                      memory that begins empty."
        .into();
    Some(figure)
}

fn over_memory(traffic: &OwnTrafficFacts) -> Option<Figure> {
    let points = &traffic.what_if.memory;
    let line: Vec<(f64, f64)> = points
        .iter()
        .map(|point| (point.memory, point.hit_ratio * 100.0))
        .collect();
    let ticks = (0..12).map(|power| 10f64.powi(power));
    let ticks = ticks.map(|size| (size, memory(size, traffic.sizes)));
    let enough = traffic.what_if.enough_memory;
    let mut figure = curve("memory of the cache", &line, ticks.collect(), enough)?;
    figure.title = "What if: the hit ratio of your traffic over the memory of the cache".into();
    let sizes = match traffic.sizes {
        Sizes::File => "The sizes are those of the file",
        Sizes::Answers => "The sizes are those of the answers in this run",
        Sizes::Unknown => "The file names no sizes, so that entries are counted",
    };
    figure.caption = format!(
        "{sizes}; a cache needs some more for keys and its own use. What was not used for the \
         longest time is dropped first, and nothing expires."
    );
    Some(figure)
}

/// `None` with fewer than two points.
fn curve(
    title: &'static str,
    line: &[(f64, f64)],
    ticks: Vec<(f64, String)>,
    enough: Option<f64>,
) -> Option<Figure> {
    let [(low, _), .., (high, _)] = *line else {
        return None;
    };
    let inside = |(at, _): &(f64, String)| (low..=high).contains(at);
    let x = Axis {
        title,
        low,
        high,
        scale: Scale::Logarithmic,
        ticks: ticks.into_iter().filter(inside).collect(),
    };
    let mut chart = Chart::new(x, Axis::hit_ratio());
    chart.line("cold", line);
    let dot = enough.and_then(|enough| line.iter().find(|(at, _)| *at == enough));
    if let Some((at, ratio)) = dot {
        chart.dot("warm", 0, *at, *ratio);
    }
    let label = format!("Hit ratio over the {title}");
    Some(Figure {
        title: String::new(),
        legend: vec![
            ("cold", "hit ratio".into()),
            ("warm", "● enough: more gains little".into()),
        ],
        svg: chart.render(&escape(&label)),
        caption: String::new(),
    })
}

/// The points of the curve over lifetimes.
pub(crate) fn lifetime_table(traffic: &OwnTrafficFacts) -> Table {
    let rows = traffic.what_if.lifetimes.iter().map(|point| {
        vec![
            human_ttl(point.ttl_s),
            percent(point.hit_ratio),
            memory(point.most_memory, traffic.sizes),
        ]
    });
    Table {
        text_columns: 0,
        headers: ["lifetime", "hit ratio", "memory at most"]
            .map(str::to_owned)
            .to_vec(),
        rows: rows.collect(),
    }
}

/// The points of the curve over memory.
pub(crate) fn memory_table(traffic: &OwnTrafficFacts) -> Table {
    let rows = traffic.what_if.memory.iter().map(|point| {
        vec![
            memory(point.memory, traffic.sizes),
            percent(point.hit_ratio),
        ]
    });
    Table {
        text_columns: 0,
        headers: ["memory", "hit ratio"].map(str::to_owned).to_vec(),
        rows: rows.collect(),
    }
}
