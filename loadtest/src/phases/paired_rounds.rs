//! The paired comparison: rounds of flush, cold, warm and bypass.
//!
//! One user asks in all of them, so that they are compared under the same load. An origin may be
//! slower on the first call for a key than on the next one: half of the keys are asked past the
//! cache before their cold request, and the other half after it, so that neither side gains.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::client::request::RequestSpec;
use crate::load::{interrupt, keys, plan::Phase, plan::Plan, plan::Segment};
use crate::phases::session::Session;

/// Runs all rounds, until `end` since the start of the run. An error means that the target cannot
/// be measured at all; a reason to stop early becomes a limitation.
pub(crate) async fn run(session: &mut Session, end: Duration) -> Result<(), String> {
    for round in 0..session.profile.rounds {
        if interrupt::requested() {
            session.note(format!("interrupted before round {}", round + 1));
            return Ok(());
        }
        if session.client.elapsed() >= end {
            session.note(format!("there was no time for round {}", round + 1));
            return Ok(());
        }
        if let Err(reason) = session.flush().await {
            // A target that never flushes cannot be measured; one that stops flushing has failed.
            if round == 0 {
                return Err(reason);
            }
            session.flush_probe.failed = Some(reason.clone());
            session.note(reason);
            return Ok(());
        }
        if run_round(session, round, end).await?.is_break() {
            let number = round + 1;
            session.note(format!("the target failed most requests of round {number}"));
            return Ok(());
        }
    }
    Ok(())
}

async fn run_round(
    session: &mut Session,
    round: usize,
    end: Duration,
) -> Result<ControlFlow<()>, String> {
    let supplies = session.supplies.iter_mut().zip(&session.loads);
    let keys: Vec<Vec<String>> = supplies
        .map(|(supply, load)| supply.take(load.keys))
        .collect();
    let end = round_end(session, round, end);
    let mut indices: Vec<Vec<usize>> = keys.iter().map(|keys| (0..keys.len()).collect()).collect();
    let early = early_half(session, round, &indices);
    let (mut cold, mut warm, mut bypass) = (Vec::new(), Vec::new(), Vec::new());
    // The first phases leave a part of the round to the later ones.
    for (step, keep) in [
        (Step::EarlyBypass, 0.8),
        (Step::Cold, 0.45),
        (Step::Warm, 0.4),
        (Step::LateBypass, 0.0),
    ] {
        if interrupt::requested() {
            break;
        }
        let (phase, samples, asked) = match step {
            Step::EarlyBypass => (Phase::Bypass, &mut bypass, early.clone()),
            Step::Cold => (Phase::Cold, &mut cold, indices.clone()),
            Step::Warm => (Phase::Warm, &mut warm, indices.clone()),
            Step::LateBypass => (Phase::Bypass, &mut bypass, without(&indices, &early)),
        };
        let plan = plan(session, (phase, round), &keys, &asked);
        if plan.len() == 0 {
            continue;
        }
        let now = session.client.elapsed();
        let deadline = end - end.saturating_sub(now).mul_f64(keep);
        let collected = session.phase((phase, round), plan, deadline).await?;
        if phase == Phase::Cold {
            // A key whose cold request was not sent or failed is not stored.
            for (function, indices) in indices.iter_mut().enumerate() {
                indices.retain(|index| collected.has_answer(function, *index));
            }
        }
        samples.extend(collected.samples);
        if collected.aborted {
            return Ok(ControlFlow::Break(()));
        }
    }
    let samples = [&cold, &warm, &bypass].map(Vec::as_slice);
    session.totals.add_pairs(round, samples, &session.names);
    Ok(ControlFlow::Continue(()))
}

/// The parts of a round, in this order.
#[derive(Clone, Copy)]
enum Step {
    EarlyBypass,
    Cold,
    Warm,
    LateBypass,
}

/// The keys of each function that are asked past the cache before their cold request: every second
/// one in the seeded order of the round.
fn early_half(session: &Session, round: usize, indices: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let half = |(function, indices): (usize, &Vec<usize>)| {
        let part = ((round * 64 + function) * 8 + 7) as u64;
        let mut order = keys::order(indices.len(), 1, session.profile.seed, part);
        // With one key, the rounds alternate.
        order.truncate((indices.len() + round % 2) / 2);
        order
    };
    indices.iter().enumerate().map(half).collect()
}

fn without(all: &[Vec<usize>], early: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let functions = all.iter().zip(early);
    let late = functions.map(|(all, early)| {
        let late = all.iter().filter(|index| !early.contains(index));
        late.copied().collect()
    });
    late.collect()
}

/// The remaining time is divided evenly over the remaining rounds.
fn round_end(session: &Session, round: usize, end: Duration) -> Duration {
    let left = u32::try_from(session.profile.rounds - round).unwrap_or(u32::MAX);
    let now = session.client.elapsed();
    now + end.saturating_sub(now) / left.max(1)
}

/// Asks for the `keys` of each function at these `indices`.
fn plan(
    session: &Session,
    (phase, round): (Phase, usize),
    keys: &[Vec<String>],
    indices: &[Vec<usize>],
) -> Plan {
    let profile = &session.profile;
    let segment = |function: usize| {
        let (keys, indices) = (&keys[function], &indices[function]);
        let repeats = match phase {
            // The profile's number of warm requests, even if a slow origin left few keys.
            Phase::Warm => (profile.keys * profile.repeats).div_ceil(indices.len().max(1)),
            Phase::Bypass => usize::from(session.traits[function].bypass),
            _ => 1,
        };
        let part = ((round * 64 + function) * 8 + phase as usize) as u64;
        let order = keys::order(indices.len(), repeats, profile.seed, part);
        let ask = |place: usize| {
            let spec = RequestSpec::new(function, indices[place], keys[indices[place]].clone());
            match phase {
                Phase::Bypass => spec.bypass(),
                _ => spec,
            }
        };
        // One user, so that no competition for the machine or the origin is measured.
        Segment::closed(1, order.into_iter().map(ask))
    };
    // Fast functions first: if time runs out, fewer requests are lost.
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|function| session.traits[*function].origin);
    Plan::closed(phase, order.into_iter().map(segment).collect())
}
