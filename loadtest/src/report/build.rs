//! Turns what was measured into the report's plain data. Owns the sums that need a whole run; knows nothing of drawing.

use std::collections::BTreeSet;

use crate::analysis::histogram::{Latencies, Summary};
use crate::analysis::intervals::share_interval;
use crate::analysis::origin_calls::OriginCalls;
use crate::analysis::paired;
use crate::analysis::phase_summary::PhaseSummary;
use crate::analysis::savings::{self, Price};
use crate::analysis::timeline::Point;
use crate::analysis::totals::Totals;
use crate::checks::{self, tool};
use crate::load::machine::Machine;
use crate::load::plan::Phase;
use crate::phases::faults::Faults;
use crate::phases::minimum_latency::MinimumLatencies;
use crate::phases::session::Session;
use crate::phases::stampede::{Burst, BurstKind};
use crate::report::model::{
    CacheEffect, Dot, FailureRow, FunctionFacts, PhaseRow, Report, Row, SCHEMA, TargetFacts,
    Traffic,
};
use crate::target::outcome::Outcome;

/// When and where a run began.
pub(crate) struct RunStart {
    /// RFC 3339.
    pub(crate) at: String,
    pub(crate) machine: Machine,
    pub(crate) price: Price,
}

/// What the phases found besides sums.
#[derive(Default)]
pub(crate) struct PhaseResults {
    pub(crate) bursts: Vec<Burst>,
    pub(crate) faults: Option<Faults>,
}

impl Session {
    /// The whole report.
    pub(crate) fn report(
        mut self,
        start: RunStart,
        minimum: MinimumLatencies,
        PhaseResults { bursts, faults }: PhaseResults,
        interrupted: bool,
    ) -> Report {
        self.limitations.extend(self.left_out());
        let totals = &self.totals;
        let functions: BTreeSet<&String> = totals.pairs.iter().map(|pair| &pair.function).collect();
        let speed_ups = functions
            .iter()
            .map(|function| paired::speed_up(function, &totals.pairs))
            .collect();
        Report {
            schema: SCHEMA.to_owned(),
            tool: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            seconds: self.client.elapsed().as_secs_f64(),
            target: self.target(minimum.functions),
            rows: self.rows(),
            failures: self.failures(),
            details: totals
                .details
                .iter()
                .map(|(detail, count)| (detail.clone(), *count))
                .collect(),
            savings: savings::savings(&start.price, &totals.pairs),
            speed_ups,
            effect: effect(totals, &bursts),
            origin: totals.phases.iter().map(origin_row).collect(),
            cold_functions: totals.cold_functions.summary(),
            checks: checks::all(totals, &self.flush_probe, self.profile.rounds),
            timeline: totals.timeline.points.iter().map(dot).collect(),
            pairs: self.totals.pairs,
            started: start.at,
            machine: start.machine,
            profile: self.profile,
            shortfalls: self.limitations,
            bursts,
            faults,
            interrupted,
            floor: minimum.memcached,
            rules: Vec::new(),
            baseline: None,
        }
    }

    /// What was left out, in sentences.
    fn left_out(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for ((traits, load), name) in self.traits.iter().zip(&self.loads).zip(&self.names) {
            if load.keys < self.profile.keys {
                let (keys, wanted, ms) = (load.keys, self.profile.keys, traits.origin.as_millis());
                notes.push(format!(
                    "{name}: {keys} keys a round instead of {wanted}, as its origin takes {ms} ms"
                ));
            }
            if self.client.target().bypass.is_some() && !traits.bypass {
                notes.push(format!("{name}: not measured without its cache (it does not stand aside, or its origin is slow)"));
            }
        }
        let cut: u64 = self.totals.phases.iter().map(|phase| phase.not_sent).sum();
        if cut > 0 {
            notes.push(format!(
                "{cut} requests were planned and not sent: no time was left, or the target failed"
            ));
        }
        notes.extend(tool::generator_notes(&self.totals.phases));
        notes
    }

    fn target(&self, minimum: Vec<Option<Summary>>) -> TargetFacts {
        let functions = self.traits.iter().zip(&self.loads).zip(&self.names);
        let functions = functions
            .zip(minimum)
            .map(|(((traits, load), name), floor)| FunctionFacts {
                name: name.clone(),
                instances: traits.instances,
                users: load.users,
                keys_a_round: load.keys,
                floor,
            });
        let counted = self.traits.iter().any(|traits| traits.instances.is_some());
        TargetFacts {
            url: self.client.base().to_owned(),
            functions: functions.collect(),
            instances: counted.then(|| self.origin_calls.instances()),
        }
    }

    fn rows(&self) -> Vec<Row> {
        let row = |(key, latencies): (&(Phase, usize, Outcome), &Latencies)| Row {
            phase: key.0,
            function: self.names[key.1].clone(),
            outcome: key.2,
            latency: latencies.summary(),
            server: self.totals.servers.get(key).map(Latencies::summary),
            response: self.totals.responses.get(key).map(Latencies::summary),
        };
        self.totals.latencies.iter().map(row).collect()
    }

    fn failures(&self) -> Vec<FailureRow> {
        let failures = self
            .totals
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

fn origin_row(sum: &PhaseSummary) -> PhaseRow {
    PhaseRow {
        phase: sum.phase,
        round: sum.round,
        answers: sum.answers,
        hits: sum.hits,
        claimed: sum.claimed,
        counted: counted(&sum.counted),
        cut: sum.not_sent,
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
fn effect(totals: &Totals, bursts: &[Burst]) -> CacheEffect {
    let traffic = traffic(&totals.phases);
    let sum = |pick: fn(&PhaseSummary) -> u64| {
        let phases = totals.phases.iter();
        let belong = phases.filter(|sum| belongs(traffic, sum.phase));
        belong.map(pick).sum::<u64>()
    };
    let (answers, claimed) = (sum(|s| s.answers), sum(|s| s.claimed));
    let (lookup_bytes, hit_bytes) = (sum(|s| s.lookup_bytes), sum(|s| s.hit_bytes));
    let all = totals.phases.iter();
    let counted: Option<Vec<u64>> = all.map(|phase| counted(&phase.counted)).collect();
    CacheEffect {
        measured_in: traffic,
        hit_ratio: share_interval(sum(|s| s.hits), sum(|s| s.lookups)),
        byte_hit_ratio: (lookup_bytes > 0).then(|| hit_bytes as f64 / lookup_bytes as f64),
        stale: stale(totals),
        stalest_s: totals.stalest_s,
        claimed_origin_calls: totals.phases.iter().map(|phase| phase.claimed).sum(),
        counted_origin_calls: counted
            .filter(|counts| !counts.is_empty())
            .map(|counts| counts.iter().sum()),
        offload: (answers > 0).then(|| 1.0 - claimed as f64 / answers as f64),
        stampede_factor: factor(bursts, BurstKind::Cold),
        expiry_factor: factor(bursts, BurstKind::Expiry),
    }
}

/// Traffic as it comes, where there was any; else the rounds.
fn traffic(phases: &[PhaseSummary]) -> Traffic {
    let came = |sum: &PhaseSummary| sum.phase == Phase::Mixed && sum.answers > 0;
    if phases.iter().any(came) {
        Traffic::Mixed
    } else {
        Traffic::Rounds
    }
}

fn belongs(traffic: Traffic, phase: Phase) -> bool {
    match traffic {
        Traffic::Mixed => phase == Phase::Mixed,
        Traffic::Rounds => matches!(phase, Phase::Cold | Phase::Warm),
    }
}

fn stale(totals: &Totals) -> u64 {
    let stale = |outcome: Outcome| matches!(outcome, Outcome::Stale | Outcome::StaleOnError);
    let rows = totals.latencies.iter();
    rows.filter(|((_, _, outcome), _)| stale(*outcome))
        .map(|(_, latencies)| latencies.count())
        .sum()
}

/// Traffic calls a burst, of those bursts whose callers met.
fn factor(bursts: &[Burst], occasion: BurstKind) -> Option<f64> {
    let bursts = bursts.iter().filter(|burst| burst.occasion == occasion);
    let met = bursts.filter(|burst| match occasion {
        BurstKind::Cold => burst.overlapped(),
        // An entry that outlived what was told of it was no occasion.
        BurstKind::Expiry => burst.overlapped() && burst.origin_calls > 0,
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
        let sum = |phase, (lookups, hits), (lookup_bytes, hit_bytes)| PhaseSummary {
            answers: lookups,
            lookups,
            hits,
            lookup_bytes,
            hit_bytes,
            ..PhaseSummary::blank(phase)
        };
        let cold = sum(Phase::Cold, (10, 0), (1000, 0));
        let warm = sum(Phase::Warm, (30, 30), (3000, 3000));
        let mixed = sum(Phase::Mixed, (10, 8), (1000, 900));
        let ratios = |phases: &[&PhaseSummary]| {
            let totals = Totals {
                phases: phases.iter().map(|sum| (*sum).clone()).collect(),
                ..Totals::default()
            };
            let found = effect(&totals, &[]);
            (found.hit_ratio.unwrap().estimate, found.byte_hit_ratio)
        };
        assert_eq!(ratios(&[&cold, &warm]), (0.75, Some(0.75)));
        assert_eq!(ratios(&[&cold, &warm, &mixed]), (0.8, Some(0.9)));
    }
}
