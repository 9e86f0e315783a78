//! The paired comparison: rounds of flush, cold, warm and bypass. Owns their order and their deadlines;
//! knows nothing of statistics or reports.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::client::request::RequestSpec;
use crate::load::phase_runner::PhaseSamples;
use crate::load::plan::{Phase, Plan, Segment};
use crate::load::{interrupt, keys};
use crate::phases::session::Session;

/// Runs all rounds, to end by `end` since the start of the run. An error is a sentence: the target cannot be measured
/// at all. What ends the rounds early becomes a shortfall of the course.
pub(crate) async fn run(session: &mut Session, end: Duration) -> Result<(), String> {
    for round in 0..session.profile.rounds {
        if interrupt::requested() {
            session
                .limitations
                .push(format!("interrupted before round {}", round + 1));
            return Ok(());
        }
        if session.client.elapsed() >= end {
            session
                .limitations
                .push(format!("no time was left for round {}", round + 1));
            return Ok(());
        }
        if let Err(reason) = session.flush().await {
            // A target that never flushes cannot be measured; one that stops doing so has failed.
            if round == 0 {
                return Err(reason);
            }
            session.flush_probe.failed = Some(reason.clone());
            session.limitations.push(reason);
            return Ok(());
        }
        if one(session, round, end).await?.is_break() {
            session.limitations.push(format!(
                "the target failed most requests of round {}",
                round + 1
            ));
            return Ok(());
        }
    }
    Ok(())
}

async fn one(
    session: &mut Session,
    round: usize,
    end: Duration,
) -> Result<ControlFlow<()>, String> {
    let supplies = session.supplies.iter_mut().zip(&session.loads);
    let keys: Vec<Vec<String>> = supplies
        .map(|(supply, load)| supply.take(load.keys))
        .collect();
    let end = end_of(session, round, end);
    let mut indices: Vec<Vec<usize>> = keys.iter().map(|keys| (0..keys.len()).collect()).collect();
    let mut done: Vec<PhaseSamples> = Vec::new();
    // The first phases leave a part of the round to those after them.
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
            // A key that was cut or failed is stored nowhere.
            let asked = |function, index: &usize| collected.has_answer(function, *index);
            indices
                .iter_mut()
                .enumerate()
                .for_each(|(function, all)| all.retain(|index| asked(function, index)));
        }
        done.push(collected);
        if aborted {
            return Ok(ControlFlow::Break(()));
        }
    }
    if let [cold, warm, rest @ ..] = done.as_slice() {
        let bypass = rest.first().map_or(&[][..], |collected| &collected.samples);
        session.totals.add_pairs(
            round,
            [&cold.samples, &warm.samples, bypass],
            &session.names,
        );
    }
    Ok(ControlFlow::Continue(()))
}

/// A round may use what is left, shared evenly with the rounds to come.
fn end_of(session: &Session, round: usize, end: Duration) -> Duration {
    let left = u32::try_from(session.profile.rounds - round)
        .unwrap_or(u32::MAX)
        .max(1);
    let now = session.client.elapsed();
    now + end.saturating_sub(now) / left
}

/// `keys` of each function, and the `indices` of those to ask for.
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
            // As many warm requests as the profile wants, also where a slow origin left few keys.
            Phase::Warm => (profile.keys * profile.repeats).div_ceil(indices.len().max(1)),
            Phase::Bypass => usize::from(session.traits[function].bypass),
            _ => 1,
        };
        let part = ((round * 64 + function) * 8 + phase as usize) as u64;
        let order = keys::order(indices.len(), repeats, profile.seed, part);
        let ask = |place: usize| {
            let spec = RequestSpec::new(function, indices[place], keys[indices[place]].clone());
            if phase == Phase::Bypass {
                spec.bypass()
            } else {
                spec
            }
        };
        // One user where hits are timed: more would measure how they share the machine.
        let users = if phase == Phase::Warm {
            1
        } else {
            session.loads[function].users
        };
        Segment::closed(users, order.into_iter().map(ask))
    };
    // The quick ones first: if time runs out, few are cut.
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|function| session.traits[*function].origin);
    Plan {
        phase,
        segments: order.into_iter().map(segment).collect(),
    }
}
