//! Turns what was measured into the report's plain data. Owns the sums that need a whole run; knows nothing of drawing.

use std::collections::BTreeSet;

use crate::checks;
use crate::course::Course;
use crate::effect;
use crate::faults::Faults;
use crate::floor::Floors;
use crate::generator;
use crate::latencies::{Latencies, Summary};
use crate::outcome::Outcome;
use crate::pairs;
use crate::phase_sum::PhaseSum;
use crate::plan::Phase;
use crate::report::{
    Dot, FailureRow, FunctionFacts, Machine, OriginRow, Report, Row, SCHEMA, TargetFacts,
};
use crate::stampede::Burst;
use crate::timeline::Point;
use crate::truth::OriginCalls;

/// When and where a run began.
pub(crate) struct Start {
    /// RFC 3339.
    pub(crate) at: String,
    pub(crate) machine: Machine,
    pub(crate) price: crate::cost::Price,
}

/// What the phases found besides sums.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) bursts: Vec<Burst>,
    pub(crate) faults: Option<Faults>,
}

impl Course {
    /// The whole report.
    pub(crate) fn report(
        mut self,
        start: Start,
        floors: Floors,
        Found { bursts, faults }: Found,
        interrupted: bool,
    ) -> Report {
        self.shortfalls.extend(self.cuts());
        let ledger = &self.ledger;
        let functions: BTreeSet<&String> = ledger.pairs.iter().map(|pair| &pair.function).collect();
        let speed_ups = functions
            .iter()
            .map(|function| pairs::speed_up(function, &ledger.pairs))
            .collect();
        Report {
            schema: SCHEMA.to_owned(),
            tool: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            seconds: self.client.elapsed().as_secs_f64(),
            target: self.target(floors.functions),
            rows: self.rows(),
            failures: self.failures(),
            details: ledger
                .details
                .iter()
                .map(|(detail, count)| (detail.clone(), *count))
                .collect(),
            savings: crate::cost::savings(&start.price, &ledger.pairs),
            speed_ups,
            effect: effect::of(ledger, &bursts),
            origin: ledger.phases.iter().map(origin_row).collect(),
            cold_functions: ledger.cold_functions.summary(),
            checks: checks::all(ledger, &self.canaries, self.profile.rounds),
            timeline: ledger.timeline.points.iter().map(dot).collect(),
            pairs: self.ledger.pairs,
            started: start.at,
            machine: start.machine,
            profile: self.profile,
            shortfalls: self.shortfalls,
            bursts,
            faults,
            interrupted,
            floor: floors.memcached,
            rules: Vec::new(),
            baseline: None,
        }
    }

    /// What was left out, in sentences.
    fn cuts(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for ((facts, share), name) in self.facts.iter().zip(&self.shares).zip(&self.names) {
            if share.keys < self.profile.keys {
                let (keys, wanted, ms) = (share.keys, self.profile.keys, facts.origin.as_millis());
                notes.push(format!(
                    "{name}: {keys} keys a round instead of {wanted}, as its origin takes {ms} ms"
                ));
            }
            if self.client.target().bypass.is_some() && !facts.bypass {
                notes.push(format!("{name}: not measured without its cache (it does not stand aside, or its origin is slow)"));
            }
        }
        let cut: u64 = self.ledger.phases.iter().map(|phase| phase.cut).sum();
        if cut > 0 {
            notes.push(format!(
                "{cut} requests were planned and not sent: no time was left, or the target failed"
            ));
        }
        notes.extend(generator::notes(&self.ledger.phases));
        notes
    }

    fn target(&self, floors: Vec<Option<Summary>>) -> TargetFacts {
        let functions = self.facts.iter().zip(&self.shares).zip(&self.names);
        let functions = functions
            .zip(floors)
            .map(|(((facts, share), name), floor)| FunctionFacts {
                name: name.clone(),
                instances: facts.instances,
                users: share.users,
                keys_a_round: share.keys,
                floor,
            });
        let told = self.facts.iter().any(|facts| facts.instances.is_some());
        TargetFacts {
            url: self.client.base().to_owned(),
            functions: functions.collect(),
            instances: told.then(|| self.truth.instances()),
        }
    }

    fn rows(&self) -> Vec<Row> {
        let row = |(key, latencies): (&(Phase, usize, Outcome), &Latencies)| Row {
            phase: key.0,
            function: self.names[key.1].clone(),
            outcome: key.2,
            latency: latencies.summary(),
            server: self.ledger.servers.get(key).map(Latencies::summary),
            response: self.ledger.responses.get(key).map(Latencies::summary),
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
}

/// The number, if there is one.
pub(crate) fn counted(calls: &OriginCalls) -> Option<u64> {
    match calls {
        OriginCalls::Counted(count) => Some(*count),
        _ => None,
    }
}

fn origin_row(sum: &PhaseSum) -> OriginRow {
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

fn dot(point: &Point) -> Dot {
    Dot {
        at_s: point.sent.as_secs_f64(),
        us: point.latency.as_secs_f64() * 1e6,
        outcome: point.outcome,
    }
}
