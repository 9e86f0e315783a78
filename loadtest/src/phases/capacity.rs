//! Capacity: how many requests a second a function answers within a promise on its response times,
//! with its cache and past it. A ramp doubles the rate until the promise is broken, and then looks
//! between the last two rates.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::request::RequestSpec;
use crate::load::{
    interrupt, keys::Stream, keys::generator, phase_runner::PhaseSamples, plan::Phase, plan::Plan,
    plan::Slot, slo::Slo,
};
use crate::phases::{mixed::exponential, session::Session};

/// How long one rate is tried.
const STEP: Duration = Duration::from_secs(2);

/// Goose's own time for each step, and that of the last answers.
const STEP_TIME: Duration = Duration::from_millis(3500);

/// The time that both ramps of one function may take.
pub(crate) const DURATION: Duration = Duration::from_secs(60);

const KEYS: usize = 20;

/// The first rate of a function that is asked for stored keys.
const FIRST_RATE: f64 = 50.0;

/// This tool's own limit: beyond it, one thread that sends requests is what is measured.
const MAX_RATE: f64 = 8000.0;

/// Two rates that differ by less are one result.
const NEAR: f64 = 1.2;

/// The capacity of one function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Capacity {
    pub(crate) function: String,
    pub(crate) slo: Slo,
    /// With every key stored.
    pub(crate) with_cache: Ramp,
    /// Absent if the cache cannot be passed by.
    pub(crate) without_cache: Option<Ramp>,
}

/// Requests a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Ramp {
    /// The largest rate that kept the promise.
    pub(crate) kept: Option<f64>,
    /// The smallest rate that broke it; absent if the ramp ended before.
    pub(crate) broken: Option<f64>,
    pub(crate) ended: RampEnd,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RampEnd {
    /// The target could not keep the promise.
    Target,
    /// This tool could send no more.
    Generator,
    #[default]
    Time,
}

/// What one rate showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Kept,
    Broken,
    /// This machine woke the generator late.
    Busy,
    /// The generator was the limit.
    NotSent,
}

/// How often a rate is tried again.
const REPEATS: usize = 1;

pub(crate) async fn run(
    session: &mut Session,
    slo: &Slo,
    end: Duration,
) -> Result<Vec<Capacity>, String> {
    let mut all = Vec::new();
    let functions = session.traits.len();
    for function in 0..functions {
        let left = end.saturating_sub(session.client.elapsed());
        let each = left / u32::try_from((functions - function) * 2).unwrap_or(u32::MAX);
        if interrupt::requested() || each < STEP_TIME {
            session.note(format!(
                "{}: no time for its capacity (a larger --budget)",
                session.names[function]
            ));
            continue;
        }
        let keys = session.supplies[function].take(KEYS);
        for key in &keys {
            let spec = RequestSpec::new(function, 0, key.as_str());
            let sample = session.client.ask(&spec, end).await;
            session.origin_calls.observe(&sample);
        }
        let specs = keys.iter().enumerate();
        let specs: Vec<RequestSpec> = specs
            .map(|(index, key)| RequestSpec::new(function, index, key.as_str()))
            .collect();
        let until = session.client.elapsed() + each;
        let with_cache = ramp(session, &specs, (slo, FIRST_RATE, until)).await?;
        let without_cache = match session.traits[function].bypass {
            false => None,
            true => {
                let specs: Vec<_> = specs.into_iter().map(RequestSpec::bypass).collect();
                let origin = session.traits[function].origin.as_secs_f64();
                let first = (0.5 / origin.max(1e-6)).clamp(1.0, FIRST_RATE);
                let until = session.client.elapsed() + each;
                Some(ramp(session, &specs, (slo, first, until)).await?)
            }
        };
        all.push(Capacity {
            function: session.names[function].clone(),
            slo: *slo,
            with_cache,
            without_cache,
        });
    }
    Ok(all)
}

async fn ramp(
    session: &mut Session,
    specs: &[RequestSpec],
    (slo, first, until): (&Slo, f64, Duration),
) -> Result<Ramp, String> {
    let (mut ramp, mut rate) = (Ramp::default(), first);
    // A moment of a busy machine must not decide: what broke the promise is asked for again.
    let mut repeated = 0;
    for number in 0.. {
        if interrupt::requested() || session.client.elapsed() + STEP_TIME > until {
            break;
        }
        let plan = plan(session.profile.seed, specs, (rate, number));
        let now = session.client.elapsed();
        let deadline = now + STEP + Duration::from_secs(1);
        let phase = (Phase::Capacity, number);
        let collected = session.phase(phase, plan, deadline).await?;
        let cpu = session.totals.phases.last().and_then(|sum| sum.cpu_share());
        match step(slo, &collected, cpu.unwrap_or(0.0)) {
            Step::Kept => ramp.kept = Some(rate),
            Step::Broken | Step::Busy if repeated < REPEATS => {
                repeated += 1;
                continue;
            }
            Step::Broken => ramp.broken = Some(rate),
            Step::Busy | Step::NotSent => {
                ramp.ended = RampEnd::Generator;
                break;
            }
        }
        repeated = 0;
        rate = match (ramp.kept, ramp.broken) {
            (kept, None) if kept == Some(MAX_RATE) => {
                ramp.ended = RampEnd::Generator;
                break;
            }
            (_, None) => (rate * 2.0).min(MAX_RATE),
            (Some(kept), Some(broken)) if broken / kept > NEAR => (kept * broken).sqrt(),
            // Even the first rate was too much.
            (None, Some(broken)) if broken > 1.0 => broken / 2.0,
            _ => {
                ramp.ended = RampEnd::Target;
                break;
            }
        };
    }
    Ok(ramp)
}

fn plan(seed: u64, specs: &[RequestSpec], (rate, number): (f64, usize)) -> Plan {
    let mut arrivals = generator(seed, Stream::Arrivals, 1 + number as u64);
    let (mut slots, mut due) = (Vec::new(), 0.0);
    for spec in specs.iter().cycle() {
        due += exponential(&mut arrivals, rate);
        if due >= STEP.as_secs_f64() && !slots.is_empty() {
            break;
        }
        slots.push(Slot::due(spec.clone(), Duration::from_secs_f64(due)));
    }
    Plan::open_connected(Phase::Capacity, 8, slots)
}

/// A share of one core with which the generator waits for itself.
const MAX_CPU: f64 = 0.9;

fn step(slo: &Slo, collected: &PhaseSamples, cpu: f64) -> Step {
    let answered = collected.samples.iter().map(|sample| {
        let response = sample.response();
        sample.answer.as_ref().ok().map(|_| response)
    });
    let exhausted = collected.unsent.iter().filter(|one| one.exhausted).count();
    // What was due and not sent has no answer either, unless this tool is to blame.
    let unsent = std::iter::repeat_n(None, collected.not_sent - exhausted);
    let waits: Vec<Option<Duration>> = answered.chain(unsent).collect();
    let mut overshoots: Vec<Duration> = collected
        .samples
        .iter()
        .map(|sample| sample.timer_overshoot)
        .collect();
    overshoots.sort_unstable();
    let late = overshoots.get(overshoots.len() * 9 / 10).copied();
    if !slo.is_kept(&waits) && late.is_some_and(|late| late > slo.limit / 4) {
        return Step::Busy;
    }
    match (slo.is_kept(&waits), exhausted > 0 || cpu > MAX_CPU) {
        (true, false) => Step::Kept,
        (false, false) => Step::Broken,
        (_, true) => Step::NotSent,
    }
}
