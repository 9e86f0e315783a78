//! Realistic traffic: many keys of unequal popularity at random times. It is an open loop: requests
//! are due on a schedule, however slow the answers are.

use std::time::Duration;

use rand::Rng;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;

use crate::analysis::origin_calls::Readings;
use crate::client::request::RequestSpec;
use crate::load::{
    generators::Start, interrupt, keys::Stream, keys::generator, plan::Phase, plan::Plan,
    plan::Slot, profile::Profile, traffic::OwnTraffic, traffic::Replay,
};
use crate::phases::session::Session;

/// The most keys per function: with a Zipf exponent near one, a few hundred get most of the
/// traffic.
const MAX_KEYS: usize = 200;

/// With fewer keys than this, popularity means nothing.
const MIN_KEYS: usize = 5;

/// The share of the phase that origin calls may take, over all users that the origin serves at
/// once.
const ORIGIN_LOAD: f64 = 0.3;

/// Flushes the cache and runs the phase. Limitations say what was left out.
pub(crate) async fn run(session: &mut Session) -> Result<(), String> {
    let duration = session.profile.mixed;
    if duration.is_zero() || interrupt::requested() {
        return Ok(());
    }
    let synthetic = match session.own_traffic {
        Some(_) => None,
        None => {
            let keys = keys(session);
            let functions = 0..keys.len();
            let asked: Vec<usize> = functions.filter(|f| !keys[*f].is_empty()).collect();
            if asked.is_empty() {
                return Ok(());
            }
            Some((keys, asked))
        }
    };
    let mut plan = match (&synthetic, &session.own_traffic) {
        (Some((keys, asked)), _) => plan(session, keys, asked),
        (None, Some((traffic, replay))) => own_plan(&session.profile, traffic, *replay),
        (None, None) => return Ok(()),
    };
    if let Some(start) = session.start {
        start.part.keep(&mut plan);
    }
    let mut grace = Duration::from_secs(2);
    if let Some(users) = session.profile.users {
        plan = by_users(plan, (users, session.profile.users_a_second));
        // Their time ends the phase, and not the number of their requests.
        grace = Duration::ZERO;
    }
    let flushed = match session.start {
        None => session.flush().await,
        Some(start) => together(session, start).await?,
    };
    if let Err(reason) = flushed {
        session.flush_probe.failed = Some(reason);
        return Ok(());
    }
    let before = session.origin_calls.counts();
    let now = session.client.elapsed();
    let deadline = (now + duration + grace).min(session.profile.budget);
    let collected = session.phase((Phase::Mixed, 0), plan, deadline).await?;
    session.totals.count_mixed(&collected.samples);
    if session.start.is_some() {
        // What an answer should be depends on what the other generators asked for.
        session.readings = Readings::new(before, &collected.samples);
        session.totals.count_from(now);
        return Ok(());
    }
    let is_fresh = synthetic.is_some() || session.client.target.flush.is_some();
    if is_fresh {
        session.totals.replay(&collected.samples);
    } else {
        session.note(
            "the mixed phase did not begin with an empty cache: the target has no flush, and keys \
             of your own may have been stored before",
        );
    }
    Ok(())
}

/// How long before the start the first generator flushes: the others have ended their own requests.
const FLUSH_BEFORE: Duration = Duration::from_secs(1);

/// How long before the start a generator must be ready.
const READY_BEFORE: Duration = Duration::from_secs(2);

/// Waits until all generators begin. The first one flushes before; the result is that flush's.
async fn together(session: &mut Session, start: Start) -> Result<Result<(), String>, String> {
    let late = |text: &str| {
        Err(format!(
            "{text}: choose a later --begin, the same for all parts"
        ))
    };
    if start.until() < READY_BEFORE {
        return late("this part was not ready when all were to begin");
    }
    let mut flushed = Ok(());
    if start.part.number == 1 {
        interrupt::sleep(start.until().saturating_sub(FLUSH_BEFORE)).await;
        flushed = session.flush().await;
        if start.until().is_zero() {
            return late("the flush took too long");
        }
    }
    interrupt::sleep(start.until()).await;
    Ok(flushed)
}

/// The same requests, asked for by users instead of at a rate.
fn by_users(plan: Plan, users: (usize, f64)) -> Plan {
    let slots = plan.segments.into_iter().flat_map(|segment| segment.slots);
    Plan::endless(plan.phase, users, slots.map(|slot| slot.spec))
}

/// The user's own traffic, for as long as the phase lasts.
fn own_plan(profile: &Profile, traffic: &OwnTraffic, replay: Replay) -> Plan {
    let mut arrivals = generator(profile.seed, Stream::Arrivals, 0);
    let mut choice = generator(profile.seed, Stream::Resample, 0);
    let requests = &traffic.requests;
    let end = profile.mixed.as_secs_f64();
    let (mut slots, mut due) = (Vec::new(), 0.0);
    for number in 0.. {
        let request = match replay {
            Replay::Resample => Some(&requests[choice.random_range(0..requests.len())]),
            Replay::Pace | Replay::Order => requests.get(number),
        };
        let Some(request) = request else { break };
        if replay == Replay::Pace && traffic.timed {
            due = request.at_s;
        }
        if due >= end {
            break;
        }
        let key = traffic.keys[request.function][request.key_index].clone();
        let spec = RequestSpec::new(request.function, request.key_index, key);
        slots.push(Slot::due(spec, Duration::from_secs_f64(due)));
        due += exponential(&mut arrivals, profile.rate);
    }
    Plan::open(Phase::Mixed, slots)
}

/// The gap before the next of Poisson arrivals.
pub(crate) fn exponential(rng: &mut impl Rng, rate: f64) -> f64 {
    -(1.0 - rng.random::<f64>()).ln() / rate
}

/// As many keys as the origin can compute within its share of the phase.
fn keys(session: &mut Session) -> Vec<Vec<String>> {
    let duration = session.profile.mixed.as_secs_f64();
    let mut keys = Vec::new();
    for (index, traits) in session.traits.clone().iter().enumerate() {
        let possible = ORIGIN_LOAD * duration * traits.concurrency as f64
            / traits.origin.as_secs_f64().max(1e-6);
        let count = (possible as usize).min(MAX_KEYS);
        if count < MIN_KEYS {
            let (name, ms) = (&session.names[index], traits.origin.as_millis());
            session.note(format!(
                "{name} is not in the mixed phase: its origin takes {ms} ms"
            ));
            keys.push(Vec::new());
        } else {
            keys.push(session.supplies[index].take(count));
        }
    }
    keys
}

fn plan(session: &Session, keys: &[Vec<String>], asked: &[usize]) -> Plan {
    let profile = &session.profile;
    let mut arrivals = generator(profile.seed, Stream::Arrivals, 0);
    let mut choice = generator(profile.seed, Stream::Popularity, 0);
    let popularity: Vec<WeightedIndex<f64>> = keys
        .iter()
        .filter_map(|keys| zipf(keys.len(), profile.zipf))
        .collect();
    let mut slots = Vec::new();
    let mut due = 0.0;
    while due < profile.mixed.as_secs_f64() {
        let which = choice.random_range(0..asked.len());
        let number = popularity[which].sample(&mut choice);
        let spec = RequestSpec::new(asked[which], number, keys[asked[which]][number].clone());
        slots.push(Slot::due(spec, Duration::from_secs_f64(due)));
        due += exponential(&mut arrivals, profile.rate);
    }
    Plan::open(Phase::Mixed, slots)
}

/// The k-th key is asked for in proportion to k to the power of minus `exponent`.
fn zipf(keys: usize, exponent: f64) -> Option<WeightedIndex<f64>> {
    WeightedIndex::new((1..=keys).map(|k| (k as f64).powf(-exponent))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn popularity_follows_zipf() {
        let (keys, exponent, draws) = (50, 0.99, 200_000);
        let mut rng = generator(7, Stream::Popularity, 0);
        let mut counts = vec![0.0; keys];
        let zipf = zipf(keys, exponent).unwrap();
        (0..draws).for_each(|_| counts[zipf.sample(&mut rng)] += 1.0);
        let all: f64 = (1..=keys).map(|k| (k as f64).powf(-exponent)).sum();
        let expected = |k: usize| (k as f64).powf(-exponent) / all * f64::from(draws);
        let chi: f64 = (1..=keys)
            .map(|k| (counts[k - 1] - expected(k)).powi(2) / expected(k))
            .sum();
        // Chi-square with 49 degrees of freedom is below 85 in 99.9 % of draws; the seed is fixed.
        assert!(chi < 85.0, "{chi}");
    }
}
