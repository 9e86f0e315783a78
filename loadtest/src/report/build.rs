//! Turns what was measured into the report's plain data. Owns the sums that need a whole run; knows nothing of drawing.

use std::collections::BTreeSet;

use crate::analysis::histogram::{Latencies, Summary};
use crate::analysis::intervals::share_interval;
use crate::analysis::origin_calls::OriginCalls;
use crate::analysis::paired;
use crate::analysis::phase_summary::PhaseSum;
use crate::analysis::savings::{self, Price};
use crate::analysis::timeline::Point;
use crate::analysis::totals::Ledger;
use crate::checks::{self, tool};
use crate::load::machine::Machine;
use crate::load::plan::Phase;
use crate::phases::faults::Faults;
use crate::phases::minimum_latency::Floors;
use crate::phases::session::Course;
use crate::phases::stampede::{Burst, Occasion};
use crate::report::model::{
    Dot, Effect, FailureRow, FunctionFacts, Origin, OriginRow, Report, Row, SCHEMA, TargetFacts,
};
use crate::target::outcome::Outcome;

/// When and where a run began.
pub(crate) struct Start {
    /// RFC 3339.
    pub(crate) at: String,
    pub(crate) machine: Machine,
    pub(crate) price: Price,
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
            .map(|function| paired::speed_up(function, &ledger.pairs))
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
            savings: savings::savings(&start.price, &ledger.pairs),
            speed_ups,
            effect: effect(ledger, &bursts),
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
        notes.extend(tool::generator_notes(&self.ledger.phases));
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
fn counted(calls: &OriginCalls) -> Option<u64> {
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

/// Adds it up.
fn effect(ledger: &Ledger, bursts: &[Burst]) -> Effect {
    let origin = traffic(&ledger.phases);
    let sum = |pick: fn(&PhaseSum) -> u64| {
        let phases = ledger.phases.iter();
        let belong = phases.filter(|sum| belongs(origin, sum.phase));
        belong.map(pick).sum::<u64>()
    };
    let (answers, claimed) = (sum(|s| s.answers), sum(|s| s.claimed));
    let (asked_bytes, hit_bytes) = (sum(|s| s.asked_bytes), sum(|s| s.hit_bytes));
    let all = ledger.phases.iter();
    let counted: Option<Vec<u64>> = all.map(|phase| counted(&phase.counted)).collect();
    Effect {
        measured_in: origin,
        hit_ratio: share_interval(sum(|s| s.hits), sum(|s| s.asked)),
        byte_hit_ratio: (asked_bytes > 0).then(|| hit_bytes as f64 / asked_bytes as f64),
        stale: stale(ledger),
        stalest_s: ledger.stalest_s,
        claimed_origin_calls: ledger.phases.iter().map(|phase| phase.claimed).sum(),
        counted_origin_calls: counted
            .filter(|counts| !counts.is_empty())
            .map(|counts| counts.iter().sum()),
        offload: (answers > 0).then(|| 1.0 - claimed as f64 / answers as f64),
        stampede_factor: factor(bursts, Occasion::Cold),
        expiry_factor: factor(bursts, Occasion::Expiry),
    }
}

/// Traffic as it comes, where there was any; else the rounds.
fn traffic(phases: &[PhaseSum]) -> Origin {
    let came = |sum: &PhaseSum| sum.phase == Phase::Mixed && sum.answers > 0;
    if phases.iter().any(came) {
        Origin::Mixed
    } else {
        Origin::Rounds
    }
}

fn belongs(origin: Origin, phase: Phase) -> bool {
    match origin {
        Origin::Mixed => phase == Phase::Mixed,
        Origin::Rounds => matches!(phase, Phase::Cold | Phase::Warm),
    }
}

fn stale(ledger: &Ledger) -> u64 {
    let stale = |outcome: Outcome| matches!(outcome, Outcome::Stale | Outcome::StaleOnError);
    let rows = ledger.latencies.iter();
    rows.filter(|((_, _, outcome), _)| stale(*outcome))
        .map(|(_, latencies)| latencies.count())
        .sum()
}

/// Origin calls a burst, of those bursts whose callers met.
fn factor(bursts: &[Burst], occasion: Occasion) -> Option<f64> {
    let bursts = bursts.iter().filter(|burst| burst.occasion == occasion);
    let met = bursts.filter(|burst| match occasion {
        Occasion::Cold => burst.met(),
        // An entry that outlived what was told of it was no occasion.
        Occasion::Expiry => burst.met() && burst.origin_calls > 0,
    });
    let met: Vec<&Burst> = met.collect();
    let calls: usize = met.iter().map(|burst| burst.origin_calls).sum();
    (!met.is_empty()).then(|| calls as f64 / met.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hit_ratios_are_of_the_same_traffic() {
        let sum = |phase, (asked, hits), (asked_bytes, hit_bytes)| PhaseSum {
            answers: asked,
            asked,
            hits,
            asked_bytes,
            hit_bytes,
            ..PhaseSum::blank(phase)
        };
        let cold = sum(Phase::Cold, (10, 0), (1000, 0));
        let warm = sum(Phase::Warm, (30, 30), (3000, 3000));
        let mixed = sum(Phase::Mixed, (10, 8), (1000, 900));
        let ratios = |phases: &[&PhaseSum]| {
            let ledger = Ledger {
                phases: phases.iter().map(|sum| (*sum).clone()).collect(),
                ..Ledger::default()
            };
            let found = effect(&ledger, &[]);
            (found.hit_ratio.unwrap().estimate, found.byte_hit_ratio)
        };
        assert_eq!(ratios(&[&cold, &warm]), (0.75, Some(0.75)));
        assert_eq!(ratios(&[&cold, &warm, &mixed]), (0.8, Some(0.9)));
    }
}
