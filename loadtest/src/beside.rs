//! Two runs side by side: the figures that tell two services apart, or one service of yesterday and today. Owns which
//! they are; judges nothing, as times depend on the machine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::labels::Labels;
use crate::metric::{Metric, Quantity};
use crate::plan::Phase;
use crate::report::Report;

/// One figure of both runs; absent where it was not measured or has too few samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Beside {
    pub(crate) what: String,
    pub(crate) quantity: Quantity,
    pub(crate) before: Option<f64>,
    pub(crate) now: Option<f64>,
}

/// Of each function.
const OF_A_FUNCTION: [(&str, Metric, Labels); 5] = [
    ("a miss, p50", Metric::P50, Labels::MISS),
    ("a hit, p50", Metric::P50, Labels::HIT),
    ("a hit, p99", Metric::P99, Labels::HIT),
    ("speed-up", Metric::SpeedUp, Labels::ANY),
    ("a miss over no cache", Metric::Overhead, Labels::ANY),
];

/// Of the whole run.
const OF_ALL: [(&str, Metric); 4] = [
    ("hit ratio", Metric::HitRatio),
    ("answers without an origin call", Metric::Offload),
    (
        "origin calls a cold key in a stampede",
        Metric::StampedeFactor,
    ),
    ("recovery from a broken cache", Metric::Recovery),
];

/// All figures that at least one of the runs has.
pub(crate) fn all(before: &Report, now: &Report) -> Vec<Beside> {
    let mut all = Vec::new();
    for function in &now.target.functions {
        for (what, metric, labels) in OF_A_FUNCTION {
            let labels = labels.of(&function.name);
            let what = format!("{}: {what}", function.name);
            all.push(beside((before, now), what, metric, &labels));
        }
    }
    if before.faults.is_some() || now.faults.is_some() {
        let what = "failed while the cache was broken".to_owned();
        let labels = Labels {
            phase: Some(Phase::Faults),
            ..Labels::ANY
        };
        let mut failed = beside((before, now), what, Metric::Errors, &labels);
        // No failure is not the same as nothing tried.
        failed.before = failed.before.filter(|_| before.faults.is_some());
        failed.now = failed.now.filter(|_| now.faults.is_some());
        all.push(failed);
    }
    for (what, metric) in OF_ALL {
        all.push(beside((before, now), what.to_owned(), metric, &Labels::ANY));
    }
    all.retain(|beside| beside.before.is_some() || beside.now.is_some());
    all
}

fn beside(
    (before, now): (&Report, &Report),
    what: String,
    metric: Metric,
    labels: &Labels,
) -> Beside {
    let value = |report| metric.observe(report, labels).first()?.value;
    Beside {
        what,
        quantity: metric.quantity(),
        before: value(before),
        now: value(now),
    }
}
