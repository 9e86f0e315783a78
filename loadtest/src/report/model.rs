//! report.json as types (`loadtest/1`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::{
    answer::Answer, check::Check, check::GROUND_TRUTH, check::Verdict, histogram::Summary,
    intervals::Interval, paired::Pair, paired::SpeedUp, savings::Saving, timeline::Dot,
    what_if::WhatIf,
};
use crate::load::{machine::Machine, plan::Phase, profile::Profile, traffic::Replay};
use crate::phases::{capacity::Capacity, faults::Faults, stampede::Burst};
use crate::report::{
    judgement::Comparison, judgement::ThresholdResult, judgement::ThresholdVerdict,
};
use crate::target::outcome::Outcome;

/// The version of this JSON form; it changes when old readers could not read a new report.
pub(crate) const SCHEMA: &str = "loadtest/1";

/// One run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Report {
    pub(crate) schema: String,
    pub(crate) tool: String,
    /// RFC 3339, UTC.
    pub(crate) started: String,
    pub(crate) seconds: f64,
    pub(crate) interrupted: bool,
    /// What was left out, in sentences.
    pub(crate) shortfalls: Vec<String>,
    pub(crate) target: TargetFacts,
    pub(crate) profile: Profile,
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
    #[serde(default)]
    pub(crate) connecting: Vec<ConnectRow>,
    pub(crate) failures: Vec<FailureRow>,
    /// The cache's own reasons (`detail`), and how often it gave them.
    pub(crate) details: Vec<(String, u64)>,
    pub(crate) pairs: Vec<Pair>,
    pub(crate) speed_ups: Vec<SpeedUp>,
    pub(crate) effect: CacheEffect,
    pub(crate) savings: Vec<Saving>,
    /// Whether the cache of each function is worth it; empty if a check has put that in doubt.
    #[serde(default)]
    pub(crate) answers: Vec<Answer>,
    pub(crate) bursts: Vec<Burst>,
    /// What an outage of the cache did, if that was measured.
    pub(crate) faults: Option<Faults>,
    /// How many requests a second keep the promise of --slo.
    #[serde(default)]
    pub(crate) capacity: Vec<Capacity>,
    /// The traffic of --keys FILE, and what other caches would do with it.
    #[serde(default)]
    pub(crate) own_traffic: Option<OwnTrafficFacts>,
    /// A bare memcached GET from this machine, if that was measured.
    pub(crate) floor: Option<Summary>,
    pub(crate) origin: Vec<PhaseRow>,
    /// Answers that were the first of their process; they are in no other figure.
    pub(crate) cold_functions: Summary,
    pub(crate) checks: Vec<Check>,
    pub(crate) timeline: Vec<Dot>,
    /// The results of `--fail-if`.
    pub(crate) rules: Vec<ThresholdResult>,
    /// Whether an inconclusive one counts as fired (`--strict`).
    #[serde(default)]
    pub(crate) strict: bool,
    /// The result of `--baseline`.
    pub(crate) baseline: Option<Comparison>,
}

/// The target.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TargetFacts {
    pub(crate) url: String,
    pub(crate) functions: Vec<FunctionFacts>,
    /// Processes that answered; absent if they do not identify themselves.
    pub(crate) instances: Option<usize>,
}

/// How one function was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FunctionFacts {
    pub(crate) name: String,
    pub(crate) instances: Option<usize>,
    /// Concurrent users in the cold, warm and bypass phases: one, so that they are compared under
    /// the same load. Reports of earlier versions may have more in cold and bypass.
    pub(crate) users: usize,
    pub(crate) keys_a_round: usize,
    /// Answers that need neither cache nor origin, if the target has a path for them.
    pub(crate) floor: Option<Summary>,
}

/// Latencies of one phase, function and outcome.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Row {
    pub(crate) phase: Phase,
    pub(crate) function: String,
    pub(crate) outcome: Outcome,
    /// From the first byte of the request to the last byte of its answer.
    pub(crate) latency: Summary,
    /// The same by the server's own clock, if the server reports it.
    pub(crate) server: Option<Summary>,
    /// Including the time to connect; only if requests came on a schedule.
    pub(crate) response: Option<Summary>,
}

impl Row {
    /// How long callers waited; in an open loop, including the time to connect.
    pub(crate) fn waited(&self) -> &Summary {
        self.response.as_ref().unwrap_or(&self.latency)
    }
}

/// How long it took to connect, where no connection was open. It is a part of how long callers
/// waited only in an open loop.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ConnectRow {
    pub(crate) phase: Phase,
    pub(crate) function: String,
    pub(crate) connecting: Summary,
}

/// Requests without an outcome.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FailureRow {
    pub(crate) phase: Phase,
    pub(crate) function: String,
    pub(crate) failure: String,
    /// Whether the target said with it that it limits its requests: it refused, and did not fail.
    #[serde(default)]
    pub(crate) throttled: bool,
    pub(crate) count: u64,
}

/// What the cache did in the whole run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Effect")]
pub(crate) struct CacheEffect {
    pub(crate) measured_in: Traffic,
    /// Hits, also stale ones, as a share of the answers that asked the cache.
    pub(crate) hit_ratio: Option<Interval>,
    /// The share of requests that would need no origin call with a cache that never loses an entry,
    /// in the same mixed traffic, which begins with an empty cache: each key is missed once.
    #[serde(default)]
    pub(crate) ideal_hit_ratio: Option<f64>,
    /// The mixed traffic of each function.
    #[serde(default)]
    pub(crate) functions: Vec<FunctionHits>,
    /// Bytes of those hits, as a share of the bytes of those answers.
    pub(crate) byte_hit_ratio: Option<f64>,
    /// Answers past their lifetime, and by how many seconds the oldest was.
    pub(crate) stale: u64,
    pub(crate) stalest_s: Option<i64>,
    /// Origin calls that the answers claim.
    pub(crate) claimed_origin_calls: u64,
    /// Origin calls that the target counted.
    pub(crate) counted_origin_calls: Option<u64>,
    /// Answers that needed no origin call, as a share of all answers in that traffic.
    pub(crate) offload: Option<f64>,
    /// Origin calls per burst on a cold key; one is ideal. Absent if requests did not overlap.
    pub(crate) stampede_factor: Option<f64>,
    /// The same on a key that has just expired. Absent also if the entry was still alive.
    pub(crate) expiry_factor: Option<f64>,
}

/// The mixed traffic of one function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FunctionHits {
    pub(crate) function: String,
    pub(crate) keys: u64,
    pub(crate) lookups: u64,
    pub(crate) hits: u64,
}

/// The user's own traffic.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "OwnTraffic")]
pub(crate) struct OwnTrafficFacts {
    /// The name of its file.
    pub(crate) file: String,
    /// How it was sent; absent if it was not.
    pub(crate) replay: Option<Replay>,
    pub(crate) requests: u64,
    pub(crate) keys: u64,
    /// How long the file's traffic lasted, if it has times.
    pub(crate) seconds: Option<f64>,
    /// Lines that are no request of a measured function, and why.
    pub(crate) skipped: Vec<(String, u64)>,
    /// Where the sizes of answers come from; without sizes, memory is counted in entries.
    pub(crate) sizes: Sizes,
    /// The longest lifetime that the target's answers named, in seconds.
    pub(crate) ttl_s: Option<i64>,
    pub(crate) what_if: WhatIf,
}

/// Where the sizes of answers come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Sizes {
    /// The file names them.
    File,
    /// The mean of the answers of each function in this run.
    Answers,
    #[default]
    Unknown,
}

/// The traffic that the hit ratios and the offload describe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Origin")]
pub(crate) enum Traffic {
    /// Zipf-like popularity and random times.
    Mixed,
    /// The cold and warm rounds, which determine the ratio themselves.
    #[default]
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
    #[serde(default)]
    pub(crate) bytes: u64,
    pub(crate) began_s: f64,
    pub(crate) ended_s: f64,
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

    /// The verdict over checks, thresholds and baseline; the exit code follows from it.
    pub(crate) fn overall(&self) -> Overall {
        let strict = self.strict;
        let mut baseline = self.baseline.iter();
        if self.interrupted {
            Overall::Interrupted
        } else if !self.is_valid() {
            Overall::Invalid
        } else if self.fired().next().is_some() {
            Overall::Failed
        } else if baseline.any(|comparison| comparison.has_worse(strict)) {
            Overall::Regression
        } else if self.is_verified() {
            Overall::Verified
        } else {
            Overall::Unverified
        }
    }

    /// The status at the top of the report.
    pub(crate) fn heading(&self) -> &'static str {
        match self.overall() {
            Overall::Interrupted => "INTERRUPTED",
            Overall::Invalid => "INVALID",
            Overall::Failed => "FAILED",
            Overall::Regression => "REGRESSION",
            Overall::Unverified => "UNVERIFIED",
            Overall::Verified => "VERIFIED",
        }
    }

    /// Whose traffic the mixed phase was.
    pub(crate) fn whose_traffic(&self) -> &'static str {
        match self.own_traffic {
            Some(_) => "your own traffic",
            None => "this synthetic traffic",
        }
    }

    /// The thresholds that fired.
    pub(crate) fn fired(&self) -> impl Iterator<Item = &ThresholdResult> {
        self.rules.iter().filter(|result| match result.ruling {
            ThresholdVerdict::Ok => false,
            ThresholdVerdict::Fired | ThresholdVerdict::NoData => true,
            ThresholdVerdict::Inconclusive => self.strict,
        })
    }
}

/// The verdict over a whole run. The first one that applies wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overall {
    Interrupted,
    /// A check failed: the measurement contradicts itself or the target.
    Invalid,
    /// A threshold fired.
    Failed,
    /// A figure is worse than the baseline allows.
    Regression,
    /// Nothing failed, and the target does not count its origin calls.
    Unverified,
    /// Nothing failed, and the target's own count agrees.
    Verified,
}
