//! The paired comparison: rounds of flush, cold, warm and bypass.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::client::request::RequestSpec;
use crate::load::{
    interrupt, keys, phase_runner::PhaseSamples, plan::Phase, plan::Plan, plan::Segment,
};
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
    let mut done: Vec<PhaseSamples> = Vec::new();
    // The first phases leave a part of the round to the later ones.
    for (phase, keep) in [
        (Phase::Cold, 0.35),
        (Phase::Warm, 0.4),
        (Phase::Bypass, 0.0),
    ] {
        let plan = plan(session, (phase, round), &keys, &indices);
        if plan.len() == 0 || interrupt::requested() {
            break;
        }
        let now = session.client.elapsed();
        let deadline = end - end.saturating_sub(now).mul_f64(keep);
        let collected = session.phase((phase, round), plan, deadline).await?;
        let aborted = collected.aborted;
        if phase == Phase::Cold {
            // A key whose cold request was not sent or failed is not stored.
            for (function, indices) in indices.iter_mut().enumerate() {
                indices.retain(|index| collected.has_answer(function, *index));
            }
        }
        done.push(collected);
        if aborted {
            return Ok(ControlFlow::Break(()));
        }
    }
    if let [cold, warm, rest @ ..] = done.as_slice() {
        let bypass = rest.first().map_or(&[][..], |collected| &collected.samples);
        let samples = [&cold.samples, &warm.samples, bypass];
        session.totals.add_pairs(round, samples, &session.names);
    }
    Ok(ControlFlow::Continue(()))
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
        // One user when hits are timed: with more, their competition for the machine would be
        // measured.
        let users = match phase {
            Phase::Warm => 1,
            _ => session.loads[function].users,
        };
        Segment::closed(users, order.into_iter().map(ask))
    };
    // Fast functions first: if time runs out, fewer requests are lost.
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|function| session.traits[*function].origin);
    Plan {
        phase,
        segments: order.into_iter().map(segment).collect(),
    }
}
