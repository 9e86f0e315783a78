//! The stampede as lanes: one a caller, from its request to its answer. Owns this chart; knows nothing of pages.

use crate::report::Report;
use crate::report::figures::{Figure, mark};
use crate::report::svg::{Axis, Chart, Scale};
use crate::stampede::Occasion;

/// The last burst on a cold key, if there was one.
pub(crate) fn figure(report: &Report) -> Option<Figure> {
    let burst = report
        .bursts
        .iter()
        .rfind(|burst| burst.occasion == Occasion::Cold)?;
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
