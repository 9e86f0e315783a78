//! Reports for tests, which fill in what they are about.

use std::time::Duration;

use crate::analysis::{histogram::Latencies, histogram::Summary, paired::Pair};
use crate::load::plan::Phase;
use crate::report::{model::FunctionFacts, model::Report, model::Row, model::TargetFacts};
use crate::target::outcome::Outcome;

/// An empty report on a target with these functions.
pub(crate) fn report(functions: &[&str]) -> Report {
    let function = |name: &&str| FunctionFacts {
        name: (*name).to_owned(),
        ..FunctionFacts::default()
    };
    Report {
        target: TargetFacts {
            functions: functions.iter().map(function).collect(),
            ..TargetFacts::default()
        },
        ..Report::default()
    }
}

/// `count` requests that all took `ms`.
pub(crate) fn summary(count: usize, ms: u64) -> Summary {
    let mut latencies = Latencies::default();
    (0..count).for_each(|_| latencies.record(Duration::from_millis(ms)));
    latencies.summary()
}

/// Hits that all took `ms`.
pub(crate) fn hits(phase: Phase, function: &str, (count, ms): (usize, u64)) -> Row {
    Row {
        phase,
        function: function.to_owned(),
        outcome: Outcome::Hit,
        latency: summary(count, ms),
        server: None,
        response: None,
    }
}

/// One round of a function whose hits are `ratio` times as fast as its misses.
pub(crate) fn pair(round: usize, function: &str, ratio: f64) -> Pair {
    Pair {
        round,
        function: function.to_owned(),
        ratio,
        ..Pair::default()
    }
}
