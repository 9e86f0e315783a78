//! The paired comparison: rounds of flush, cold, warm and bypass. Owns their order and their deadlines;
//! knows nothing of statistics or reports.

use std::time::Duration;

use crate::client::request::Question;
use crate::load::phase_runner::Drained;
use crate::load::plan::{Phase, Plan, Segment};
use crate::load::{interrupt, keys};
use crate::phases::session::Course;

/// Runs all rounds, to end by `end` since the start of the run. An error is a sentence: the target cannot be measured
/// at all. What ends the rounds early becomes a shortfall of the course.
pub(crate) async fn run(course: &mut Course, end: Duration) -> Result<(), String> {
    for round in 0..course.profile.rounds {
        if interrupt::requested() {
            course
                .shortfalls
                .push(format!("interrupted before round {}", round + 1));
            return Ok(());
        }
        if course.client.elapsed() >= end {
            course
                .shortfalls
                .push(format!("no time was left for round {}", round + 1));
            return Ok(());
        }
        if let Err(reason) = course.flush().await {
            // A target that never flushes cannot be measured; one that stops doing so has failed.
            if round == 0 {
                return Err(reason);
            }
            course.canaries.failed = Some(reason.clone());
            course.shortfalls.push(reason);
            return Ok(());
        }
        if one(course, round, end).await? == Flow::GaveUp {
            course.shortfalls.push(format!(
                "the target failed most requests of round {}",
                round + 1
            ));
            return Ok(());
        }
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Flow {
    GoesOn,
    GaveUp,
}

async fn one(course: &mut Course, round: usize, end: Duration) -> Result<Flow, String> {
    let supplies = course.supplies.iter_mut().zip(&course.shares);
    let keys: Vec<Vec<String>> = supplies
        .map(|(supply, share)| supply.take(share.keys))
        .collect();
    let end = end_of(course, round, end);
    let mut numbers: Vec<Vec<usize>> = keys.iter().map(|keys| (0..keys.len()).collect()).collect();
    let mut done: Vec<Drained> = Vec::new();
    // The first phases leave a part of the round to those after them.
    for (phase, keep) in [
        (Phase::Cold, 0.35),
        (Phase::Warm, 0.4),
        (Phase::Bypass, 0.0),
    ] {
        let plan = plan(course, (phase, round), &keys, &numbers);
        if plan.len() == 0 || interrupt::requested() {
            break;
        }
        let now = course.client.elapsed();
        let deadline = end - end.saturating_sub(now).mul_f64(keep);
        let drained = course.phase((phase, round), plan, deadline).await?;
        let gave_up = drained.gave_up;
        if phase == Phase::Cold {
            // A key that was cut or failed is stored nowhere.
            let asked = |function, number: &usize| drained.has_answer(function, *number);
            numbers
                .iter_mut()
                .enumerate()
                .for_each(|(function, all)| all.retain(|number| asked(function, number)));
        }
        done.push(drained);
        if gave_up {
            return Ok(Flow::GaveUp);
        }
    }
    if let [cold, warm, rest @ ..] = done.as_slice() {
        let bypass = rest.first().map_or(&[][..], |drained| &drained.samples);
        course
            .ledger
            .add_pairs(round, [&cold.samples, &warm.samples, bypass], &course.names);
    }
    Ok(Flow::GoesOn)
}

/// A round may use what is left, shared evenly with the rounds to come.
fn end_of(course: &Course, round: usize, end: Duration) -> Duration {
    let left = u32::try_from(course.profile.rounds - round)
        .unwrap_or(u32::MAX)
        .max(1);
    let now = course.client.elapsed();
    now + end.saturating_sub(now) / left
}

/// `keys` of each function, and the `numbers` of those to ask for.
fn plan(
    course: &Course,
    (phase, round): (Phase, usize),
    keys: &[Vec<String>],
    numbers: &[Vec<usize>],
) -> Plan {
    let profile = &course.profile;
    let segment = |function: usize| {
        let (keys, numbers) = (&keys[function], &numbers[function]);
        let repeats = match phase {
            // As many warm requests as the profile wants, also where a slow origin left few keys.
            Phase::Warm => (profile.keys * profile.repeats).div_ceil(numbers.len().max(1)),
            Phase::Bypass => usize::from(course.facts[function].bypass),
            _ => 1,
        };
        let part = ((round * 64 + function) * 8 + phase as usize) as u64;
        let order = keys::order(numbers.len(), repeats, profile.seed, part);
        let ask = |place: usize| {
            let question = Question::new(function, numbers[place], keys[numbers[place]].clone());
            if phase == Phase::Bypass {
                question.past_the_cache()
            } else {
                question
            }
        };
        // One user where hits are timed: more would measure how they share the machine.
        let users = if phase == Phase::Warm {
            1
        } else {
            course.shares[function].users
        };
        Segment::closed(users, order.into_iter().map(ask))
    };
    // The quick ones first: if time runs out, few are cut.
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_by_key(|function| course.facts[*function].origin);
    Plan {
        phase,
        segments: order.into_iter().map(segment).collect(),
    }
}
