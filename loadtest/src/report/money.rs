//! Cost over hit ratio, with and without the cache. Owns this chart; knows nothing of pages.

use crate::cost::Saving;
use crate::report::Report;
use crate::report::figures::Figure;
use crate::report::html::escape;
use crate::report::svg::{Axis, Chart, Scale};

/// For the function that the cache saves most.
pub(crate) fn figure(report: &Report) -> Option<Figure> {
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
