//! Turns what was measured into the report's plain data. Owns the sums that need a whole run; knows nothing of drawing.

use std::collections::BTreeSet;

use crate::checks::{self, Check};
use crate::client::Client;
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::pairs;
use crate::preflight::Facts;
use crate::profile::Profile;
use crate::report::{
    Dot, Effect, FailureRow, FunctionFacts, Machine, OriginRow, Report, Row, SCHEMA, TargetFacts,
};
use crate::rounds::Canaries;
use crate::stats::share_interval;
use crate::truth::{OriginCalls, Truth};

/// What a run leaves behind.
pub(crate) struct Measured<'a> {
    pub(crate) client: &'a Client,
    pub(crate) profile: &'a Profile,
    pub(crate) facts: &'a [Facts],
    pub(crate) names: &'a [String],
    pub(crate) ledger: Ledger,
    pub(crate) truth: Truth,
    pub(crate) canaries: Canaries,
    pub(crate) shortfalls: Vec<String>,
    pub(crate) started: String,
    pub(crate) machine: Machine,
    pub(crate) interrupted: bool,
}

impl Measured<'_> {
    /// The whole report.
    pub(crate) fn report(mut self) -> Report {
        self.shortfalls.extend(self.cuts());
        let checks = self.checks();
        let ledger = &self.ledger;
        let functions: BTreeSet<&String> = ledger.pairs.iter().map(|pair| &pair.function).collect();
        Report {
            schema: SCHEMA.to_owned(),
            tool: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            seconds: self.client.elapsed().as_secs_f64(),
            target: self.target(),
            profile: self.profile.clone(),
            rows: self.rows(),
            failures: self.failures(),
            details: ledger
                .details
                .iter()
                .map(|(detail, count)| (detail.clone(), *count))
                .collect(),
            speed_ups: functions
                .iter()
                .map(|function| pairs::speed_up(function, &ledger.pairs))
                .collect(),
            effect: self.effect(),
            origin: ledger.phases.iter().map(origin_row).collect(),
            cold_functions: ledger.cold_functions.summary(),
            checks,
            timeline: ledger.timeline.iter().map(dot).collect(),
            pairs: self.ledger.pairs,
            started: self.started,
            machine: self.machine,
            interrupted: self.interrupted,
            shortfalls: self.shortfalls,
        }
    }

    fn checks(&self) -> Vec<Check> {
        checks::all(&self.ledger, &self.canaries, self.profile.rounds)
    }

    /// What was left out, in sentences.
    fn cuts(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for (facts, name) in self.facts.iter().zip(self.names) {
            if facts.keys < self.profile.keys {
                let (keys, wanted, ms) = (facts.keys, self.profile.keys, facts.origin.as_millis());
                notes.push(format!(
                    "{name}: {keys} keys a round instead of {wanted}, as its origin takes {ms} ms"
                ));
            }
        }
        let cut: u64 = self.ledger.phases.iter().map(|phase| phase.cut).sum();
        if cut > 0 {
            notes.push(format!(
                "{cut} requests were planned and not sent: no time was left, or the target failed"
            ));
        }
        notes
    }

    fn target(&self) -> TargetFacts {
        let functions = self
            .facts
            .iter()
            .zip(self.names)
            .map(|(facts, name)| FunctionFacts {
                name: name.clone(),
                instances: facts.instances,
                users: facts.users,
                keys_a_round: facts.keys,
            });
        let told = self.facts.iter().any(|facts| facts.instances.is_some());
        TargetFacts {
            url: self.client.base().to_owned(),
            functions: functions.collect(),
            instances: told.then(|| self.truth.instances()),
        }
    }

    fn rows(&self) -> Vec<Row> {
        let row = |((phase, function, outcome), latencies): (
            &(_, usize, _),
            &crate::latencies::Latencies,
        )| Row {
            phase: *phase,
            function: self.names[*function].clone(),
            outcome: *outcome,
            latency: latencies.summary(),
        };
        self.ledger.latencies.iter().map(row).collect()
    }

    fn failures(&self) -> Vec<FailureRow> {
        let failures = self
            .ledger
            .failures
            .iter()
            .map(|((phase, function, failure), count)| FailureRow {
                phase: *phase,
                function: self.names[*function].clone(),
                failure: failure.label(),
                count: *count,
            });
        failures.collect()
    }

    fn effect(&self) -> Effect {
        let ledger = &self.ledger;
        let outcomes = || {
            ledger
                .latencies
                .iter()
                .map(|((_, _, outcome), latencies)| (*outcome, latencies.summary().count))
        };
        let count = |test: fn(Outcome) -> bool| {
            outcomes()
                .filter(|(o, _)| test(*o))
                .map(|(_, n)| n)
                .sum::<u64>()
        };
        let (asked, hits) = (count(Outcome::counts_in_hit_ratio), count(Outcome::is_hit));
        let answers: u64 = ledger.phases.iter().map(|phase| phase.answers).sum();
        let claimed: u64 = ledger.phases.iter().map(|phase| phase.claimed).sum();
        let counted: Option<Vec<u64>> = ledger
            .phases
            .iter()
            .map(|phase| counted(&phase.counted))
            .collect();
        Effect {
            hit_ratio: share_interval(hits, asked),
            byte_hit_ratio: (ledger.bytes > 0)
                .then(|| ledger.hit_bytes as f64 / ledger.bytes as f64),
            stale: count(|outcome| matches!(outcome, Outcome::Stale | Outcome::StaleOnError)),
            stalest_s: ledger.stalest_s,
            claimed_origin_calls: claimed,
            counted_origin_calls: counted
                .filter(|counts| !counts.is_empty())
                .map(|counts| counts.iter().sum()),
            offload: (answers > 0).then(|| 1.0 - claimed as f64 / answers as f64),
        }
    }
}

fn counted(calls: &OriginCalls) -> Option<u64> {
    match calls {
        OriginCalls::Counted(count) => Some(*count),
        _ => None,
    }
}

fn origin_row(sum: &crate::ledger::PhaseSum) -> OriginRow {
    OriginRow {
        phase: sum.phase,
        round: sum.round,
        answers: sum.answers,
        hits: sum.hits,
        claimed: sum.claimed,
        counted: counted(&sum.counted),
        cut: sum.cut,
        began_s: sum.began.as_secs_f64(),
        ended_s: sum.ended.as_secs_f64(),
    }
}

fn dot(point: &crate::ledger::Point) -> Dot {
    Dot {
        at_s: point.sent.as_secs_f64(),
        us: point.latency.as_secs_f64() * 1e6,
        outcome: point.outcome,
    }
}
