//! A report of nothing, for tests that fill in what they are about.

use std::time::Duration;

use crate::analysis::histogram::{Latencies, Summary};
use crate::analysis::paired::Pair;
use crate::load::machine::Machine;
use crate::load::plan::Phase;
use crate::load::profile::{Profile, ProfileName};
use crate::report::model::{CacheEffect, FunctionFacts, Report, Row, SCHEMA, TargetFacts, Traffic};
use crate::target::outcome::Outcome;

/// A report of a target with these functions.
pub(crate) fn report(functions: &[&str]) -> Report {
    let traits = |name: &&str| FunctionFacts {
        name: (*name).to_owned(),
        instances: None,
        users: 1,
        keys_a_round: 0,
        floor: None,
    };
    Report {
        schema: SCHEMA.to_owned(),
        tool: String::new(),
        started: String::new(),
        seconds: 0.0,
        interrupted: false,
        shortfalls: Vec::new(),
        target: TargetFacts {
            url: String::new(),
            functions: functions.iter().map(traits).collect(),
            instances: None,
        },
        profile: Profile::named(ProfileName::Quick),
        machine: Machine {
            cpus: 1,
            os: String::new(),
            optimised: true,
            load: None,
        },
        rows: Vec::new(),
        failures: Vec::new(),
        details: Vec::new(),
        pairs: Vec::new(),
        speed_ups: Vec::new(),
        effect: effect(),
        savings: Vec::new(),
        bursts: Vec::new(),
        faults: None,
        floor: None,
        origin: Vec::new(),
        cold_functions: Latencies::default().summary(),
        checks: Vec::new(),
        timeline: Vec::new(),
        rules: Vec::new(),
        baseline: None,
    }
}

fn effect() -> CacheEffect {
    CacheEffect {
        measured_in: Traffic::Rounds,
        hit_ratio: None,
        byte_hit_ratio: None,
        stale: 0,
        stalest_s: None,
        claimed_origin_calls: 0,
        counted_origin_calls: None,
        offload: None,
        stampede_factor: None,
        expiry_factor: None,
    }
}

/// `count` requests that all took `ms`.
pub(crate) fn summary(count: usize, ms: u64) -> Summary {
    let mut latencies = Latencies::default();
    (0..count).for_each(|_| latencies.record(Duration::from_millis(ms)));
    latencies.summary()
}

/// Hits of one phase, all of which took `ms`.
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
        keys: 1,
        cold_us: ratio * 1e3,
        warm_us: 1e3,
        bypass_us: None,
        overhead_us: None,
        ratio,
        server_ratio: None,
        origin_us: None,
    }
}
