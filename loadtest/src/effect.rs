//! What the cache did for the whole run. Owns which traffic its ratios are of; knows nothing of latencies.

use crate::account::counted;
use crate::ledger::Ledger;
use crate::outcome::Outcome;
use crate::phase_sum::PhaseSum;
use crate::plan::Phase;
use crate::report::{Effect, Origin};
use crate::stampede::{Burst, Occasion};
use crate::stats::share_interval;

/// Adds it up.
pub(crate) fn of(ledger: &Ledger, bursts: &[Burst]) -> Effect {
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
            let effect = of(&ledger, &[]);
            (effect.hit_ratio.unwrap().estimate, effect.byte_hit_ratio)
        };
        assert_eq!(ratios(&[&cold, &warm]), (0.75, Some(0.75)));
        assert_eq!(ratios(&[&cold, &warm, &mixed]), (0.8, Some(0.9)));
    }
}
