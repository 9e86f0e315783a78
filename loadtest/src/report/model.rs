//! The report: everything that is said about a run, as plain data. Owns the JSON form (`loadtest/1`);
//! knows nothing of how it was measured, nor of how it is drawn.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::check::{Check, GROUND_TRUTH, Verdict};
use crate::analysis::histogram::Summary;
use crate::analysis::intervals::Interval;
use crate::analysis::paired::{Pair, SpeedUp};
use crate::analysis::savings::Saving;
use crate::load::machine::Machine;
use crate::load::plan::Phase;
use crate::load::profile::Profile;
use crate::phases::faults::Faults;
use crate::phases::stampede::Burst;
use crate::report::judgement::{Comparison, ThresholdResult};
use crate::target::outcome::Outcome;

/// The name of this JSON form; a change that old readers cannot take gets a new number.
pub(crate) const SCHEMA: &str = "loadtest/1";

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Report {
    pub(crate) schema: String,
    pub(crate) tool: String,
    /// RFC 3339, UTC.
    pub(crate) started: String,
    pub(crate) seconds: f64,
    pub(crate) interrupted: bool,
    /// Why there is less than was asked for.
    pub(crate) shortfalls: Vec<String>,
    pub(crate) target: TargetFacts,
    pub(crate) profile: Profile,
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
    pub(crate) failures: Vec<FailureRow>,
    /// The cache's own reasons (`detail`) and how often it gave them.
    pub(crate) details: Vec<(String, u64)>,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) speed_ups: Vec<SpeedUp>,
    pub(crate) effect: CacheEffect,
    pub(crate) savings: Vec<Saving>,
    pub(crate) bursts: Vec<Burst>,
    /// What callers met while the cache was broken, where that was asked for.
    pub(crate) faults: Option<Faults>,
    /// A bare memcached GET from this machine, where that was asked for.
    pub(crate) floor: Option<Summary>,
    pub(crate) origin: Vec<PhaseRow>,
    /// Answers that were the first of their process; in no other figure.
    pub(crate) cold_functions: Summary,
    pub(crate) checks: Vec<Check>,
    pub(crate) timeline: Vec<Dot>,
    /// What `--fail-if` asked.
    pub(crate) rules: Vec<ThresholdResult>,
    /// What `--baseline` asked.
    pub(crate) baseline: Option<Comparison>,
}

/// Who was measured.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TargetFacts {
    pub(crate) url: String,
    pub(crate) functions: Vec<FunctionFacts>,
    /// Processes that answered; none when they do not tell.
    pub(crate) instances: Option<usize>,
}

/// How one function was asked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FunctionFacts {
    pub(crate) name: String,
    pub(crate) instances: Option<usize>,
    /// Users that asked side by side in the paired phases.
    pub(crate) users: usize,
    pub(crate) keys_a_round: usize,
    /// Answers that need neither cache nor origin, where the target has a path for them.
    pub(crate) floor: Option<Summary>,
}

/// Latencies of one phase, function and outcome.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Row {
    pub(crate) phase: Phase,
    pub(crate) function: String,
    pub(crate) outcome: Outcome,
    /// From the request to the last byte of its answer.
    pub(crate) latency: Summary,
    /// The same by the server's own clock, where it tells it.
    pub(crate) server: Option<Summary>,
    /// With the time spent due but unsent; only where requests came on a schedule.
    pub(crate) response: Option<Summary>,
}

impl Row {
    /// How long callers waited: in an open loop with the wait for a free user, as a client would have waited it, too.
    pub(crate) fn waited(&self) -> &Summary {
        self.response.as_ref().unwrap_or(&self.latency)
    }
}

/// Requests without an outcome.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FailureRow {
    pub(crate) phase: Phase,
    pub(crate) function: String,
    pub(crate) failure: String,
    pub(crate) count: u64,
}

/// What the cache did for the whole run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Effect")]
pub(crate) struct CacheEffect {
    pub(crate) measured_in: Traffic,
    /// Hits and stale hits, of the answers that asked the cache in that traffic.
    pub(crate) hit_ratio: Option<Interval>,
    /// Bytes that came from those hits, of the bytes of all those answers.
    pub(crate) byte_hit_ratio: Option<f64>,
    /// Answers past their lifetime, and how far the oldest was, in seconds.
    pub(crate) stale: u64,
    pub(crate) stalest_s: Option<i64>,
    /// Origin calls that the answers claim.
    pub(crate) claimed_origin_calls: u64,
    /// Origin calls that the target counted.
    pub(crate) counted_origin_calls: Option<u64>,
    /// Answers that needed no origin call, of all in that traffic.
    pub(crate) offload: Option<f64>,
    /// Origin calls a burst on one cold key: one is perfect. None where callers never met.
    pub(crate) stampede_factor: Option<f64>,
    /// The same on a key whose entry has just expired. None also where callers found it alive.
    pub(crate) expiry_factor: Option<f64>,
}

/// Which traffic the hit ratios and the offload are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Origin")]
pub(crate) enum Traffic {
    /// Zipf-like popularity and random times.
    Mixed,
    /// The cold and warm rounds, which choose the ratio themselves.
    Rounds,
}

/// One phase of one round.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "OriginRow")]
pub(crate) struct PhaseRow {
    pub(crate) phase: Phase,
    pub(crate) round: usize,
    pub(crate) answers: u64,
    pub(crate) hits: u64,
    pub(crate) claimed: u64,
    pub(crate) counted: Option<u64>,
    pub(crate) cut: u64,
    pub(crate) began_s: f64,
    pub(crate) ended_s: f64,
}

/// One request on the timeline.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Dot {
    pub(crate) at_s: f64,
    pub(crate) us: f64,
    /// None when it failed.
    pub(crate) outcome: Option<Outcome>,
}

impl Report {
    /// Whether no check failed.
    pub(crate) fn is_valid(&self) -> bool {
        self.checks
            .iter()
            .all(|check| check.verdict != Verdict::Fail)
    }

    /// Whether the target's own count of origin calls agrees.
    pub(crate) fn is_verified(&self) -> bool {
        self.checks
            .iter()
            .any(|check| check.name == GROUND_TRUTH && check.verdict == Verdict::Pass)
    }

    /// The word above the report.
    pub(crate) fn heading(&self) -> &'static str {
        match (self.is_valid(), self.is_verified(), self.interrupted) {
            (_, _, true) => "INTERRUPTED",
            (false, _, _) => "INVALID",
            (true, false, _) => "UNVERIFIED",
            (true, true, _) => "VERIFIED",
        }
    }
}
