//! Builds a report from a finished session.

use std::collections::BTreeSet;

use crate::analysis::{
    answer, answer::Answer, answer::Demand, answer::Prices, histogram::Latencies,
    intervals::share_interval, paired, paired::SpeedUp, phase_summary::PhaseSummary, savings,
    savings::Price, totals::KeyedTraffic, totals::Totals,
};
use crate::checks::{self, tool};
use crate::load::{machine::Machine, plan::Phase};
use crate::phases::{
    capacity::Capacity, faults::Faults, session::Session, stampede::Burst, stampede::BurstKind,
};
use crate::report::{
    model::CacheEffect, model::ConnectRow, model::FailureRow, model::FunctionFacts,
    model::FunctionHits, model::OwnTrafficFacts, model::PhaseRow, model::Report, model::Row,
    model::SCHEMA, model::TargetFacts, model::Traffic, own_traffic,
};
use crate::target::{Billing, outcome::Failure, outcome::Outcome};

/// The results of the phases besides the totals.
#[derive(Default)]
pub(crate) struct PhaseResults {
    pub(crate) bursts: Vec<Burst>,
    pub(crate) faults: Option<Faults>,
    pub(crate) capacity: Vec<Capacity>,
}

/// What things cost.
pub(crate) struct PriceList {
    pub(crate) compute: Price,
    /// Dollars a month, if that was given.
    pub(crate) cache: Option<f64>,
}

/// This tool and its version.
pub(crate) fn tool() -> String {
    format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}

impl Session {
    pub(crate) fn report(
        mut self,
        (started, machine): (String, Machine),
        price: &PriceList,
        PhaseResults {
            bursts,
            faults,
            capacity,
        }: PhaseResults,
        interrupted: bool,
    ) -> Report {
        self.limitations.extend(self.left_out());
        let totals = &self.totals;
        let functions: BTreeSet<&String> = totals.pairs.iter().map(|pair| &pair.function).collect();
        let speed_up = |function: &String| paired::speed_up(function, &totals.pairs);
        let mut speed_ups: Vec<SpeedUp> = functions.into_iter().map(speed_up).collect();
        let checks = checks::all(totals, &self.flush_probe, self.profile.rounds);
        // Nothing else is billed by the millisecond of a call.
        let mut savings = match self.client.target.billing {
            Billing::Lambda => savings::savings(&price.compute, &totals.pairs),
            Billing::None => Vec::new(),
        };
        let mut answers = self.answers(price);
        // What a check has put in doubt is given nowhere.
        if checks::doubt_speed_ups(&checks) {
            speed_ups.clear();
            savings.clear();
            answers.clear();
        }
        let figures = Figures {
            totals,
            names: &self.names,
        };
        Report {
            schema: SCHEMA.to_owned(),
            tool: tool(),
            seconds: self.client.elapsed().as_secs_f64(),
            target: self.target(),
            rows: figures.rows(),
            connecting: figures.connecting(),
            failures: figures.failures(),
            savings,
            answers,
            speed_ups,
            effect: figures.effect(&bursts),
            own_traffic: self.own_traffic(),
            origin: figures.origin(),
            cold_functions: totals.cold_functions.summary(),
            checks,
            details: self.totals.details.into_iter().collect(),
            timeline: self.totals.timeline.points,
            pairs: self.totals.pairs,
            started,
            machine,
            profile: self.profile,
            shortfalls: self.limitations,
            bursts,
            faults,
            capacity,
            interrupted,
            floor: self.minimum.memcached,
            rules: Vec::new(),
            strict: false,
            baseline: None,
        }
    }

    /// Whether each cache is worth it, at the traffic of the mixed phase.
    fn answers(&self, price: &PriceList) -> Vec<Answer> {
        let totals = &self.totals;
        let mut phases = totals.phases.iter();
        let Some(mixed) = phases.find(|sum| sum.phase == Phase::Mixed && sum.answers > 0) else {
            return Vec::new();
        };
        let seconds = mixed.ended.saturating_sub(mixed.began).as_secs_f64();
        let is_billed = self.client.target.billing == Billing::Lambda;
        let lookups: u64 = totals.mixed.values().map(|traffic| traffic.lookups).sum();
        let answers = totals.mixed.iter().filter_map(|(function, traffic)| {
            let demand = Demand {
                rate: traffic.lookups as f64 / seconds.max(1e-3),
                hit_ratio: traffic.hits as f64 / traffic.lookups.max(1) as f64,
            };
            // One cache serves all functions: each has its share of the price by its requests.
            let share = traffic.lookups as f64 / lookups.max(1) as f64;
            let prices = Prices {
                compute: is_billed.then_some(&price.compute),
                cache: price.cache.map(|cache| cache * share),
            };
            answer::answer(&self.names[*function], &totals.pairs, demand, &prices)
        });
        answers.collect()
    }

    fn left_out(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for ((traits, load), name) in self.traits.iter().zip(&self.loads).zip(&self.names) {
            if load.keys < self.profile.keys {
                let (keys, wanted, ms) = (load.keys, self.profile.keys, traits.origin.as_millis());
                notes.push(format!(
                    "{name}: {keys} keys per round instead of {wanted}, because its origin takes {ms} ms"
                ));
            }
            if self.client.target.bypass.is_some() && !traits.bypass {
                notes.push(format!(
                    "{name}: not measured without its cache (it does not bypass its cache, or its \
                     origin is slow)"
                ));
            }
        }
        let phases = self.totals.phases.iter();
        let phases = phases.filter(|phase| phase.phase != Phase::Capacity);
        let cut: u64 = phases.map(|phase| phase.not_sent).sum();
        if cut > 0 {
            notes.push(format!(
                "{cut} planned requests were not sent: there was no time, or the target failed"
            ));
        }
        notes.extend(tool::generator_notes(&self.totals.phases));
        notes
    }

    pub(crate) fn target(&self) -> TargetFacts {
        let traits = self.traits.iter().zip(&self.loads);
        let functions = traits.zip(&self.names).zip(&self.minimum.functions);
        let functions = functions.map(|(((traits, load), name), floor)| FunctionFacts {
            name: name.clone(),
            instances: traits.instances,
            users: 1,
            keys_a_round: load.keys,
            floor: floor.clone(),
        });
        let mut instances = self.traits.iter().filter_map(|traits| traits.instances);
        TargetFacts {
            url: self.client.base.to_owned(),
            functions: functions.collect(),
            instances: instances.next().map(|_| self.origin_calls.instances()),
        }
    }

    /// What other caches would do with the user's own traffic. Sizes that the file does not name
    /// are those of the answers.
    fn own_traffic(&self) -> Option<OwnTrafficFacts> {
        let (traffic, replay) = self.own_traffic.as_ref()?;
        let mean = |function: usize| {
            let seen = self.totals.mixed.get(&function)?;
            (seen.lookups > 0).then(|| seen.bytes as f64 / seen.lookups as f64)
        };
        let means = (0..self.names.len()).map(mean).collect();
        let mut facts = own_traffic::facts(traffic, means);
        facts.replay = Some(*replay).filter(|_| !self.profile.mixed.is_zero());
        facts.ttl_s = self.totals.longest_ttl_s;
        Some(facts)
    }
}

/// What samples add up to, with the names of the functions.
pub(crate) struct Figures<'a> {
    pub(crate) totals: &'a Totals,
    pub(crate) names: &'a [String],
}

impl Figures<'_> {
    pub(crate) fn rows(&self) -> Vec<Row> {
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

    pub(crate) fn effect(&self, bursts: &[Burst]) -> CacheEffect {
        let mixed = &self.totals.mixed;
        let functions = mixed.iter().map(|(function, traffic)| FunctionHits {
            function: self.names[*function].clone(),
            keys: traffic.keys(),
            lookups: traffic.lookups,
            hits: traffic.hits,
        });
        let sum = |pick: fn(&KeyedTraffic) -> u64| mixed.values().map(pick).sum::<u64>();
        let (keys, lookups) = (sum(KeyedTraffic::keys), sum(|traffic| traffic.lookups));
        CacheEffect {
            ideal_hit_ratio: (lookups > 0).then(|| 1.0 - keys as f64 / lookups as f64),
            functions: functions.collect(),
            ..effect(self.totals, bursts)
        }
    }

    pub(crate) fn connecting(&self) -> Vec<ConnectRow> {
        let row = |((phase, function), latencies): (&(Phase, usize), &Latencies)| ConnectRow {
            phase: *phase,
            function: self.names[*function].clone(),
            connecting: latencies.summary(),
        };
        self.totals.connecting.iter().map(row).collect()
    }

    pub(crate) fn failures(&self) -> Vec<FailureRow> {
        let row = |(key, count): (&(Phase, usize, Failure), &u64)| FailureRow {
            phase: key.0,
            function: self.names[key.1].clone(),
            failure: key.2.label(),
            throttled: matches!(key.2, Failure::Throttled(_)),
            count: *count,
        };
        self.totals.failures.iter().map(row).collect()
    }

    pub(crate) fn origin(&self) -> Vec<PhaseRow> {
        self.totals.phases.iter().map(origin_row).collect()
    }
}

fn origin_row(sum: &PhaseSummary) -> PhaseRow {
    PhaseRow {
        phase: sum.phase,
        round: sum.round,
        answers: sum.answers,
        hits: sum.hits,
        claimed: sum.claimed,
        counted: sum.counted.number(),
        cut: sum.not_sent,
        bytes: sum.bytes,
        began_s: sum.began.as_secs_f64(),
        ended_s: sum.ended.as_secs_f64(),
    }
}

/// What the cache did in the whole run.
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
    let counted: Option<Vec<u64>> = all.map(|phase| phase.counted.number()).collect();
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
        ideal_hit_ratio: None,
        functions: Vec::new(),
        offload: (answers > 0).then(|| 1.0 - claimed as f64 / answers as f64),
        stampede_factor: factor(bursts, BurstKind::Cold),
        expiry_factor: factor(bursts, BurstKind::Expiry),
    }
}

/// Mixed traffic if there was any, otherwise the rounds.
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
        // Skips bursts where the entry had not expired after all.
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
            phase,
            ..PhaseSummary::default()
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
