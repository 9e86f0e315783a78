//! The cache is broken and repaired under traffic. There is so little traffic that the origins can
//! carry all of it: with more, their queue would be measured.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::intervals::median;
use crate::client::{Client, request::RequestSpec, sample::Sample};
use crate::load::{
    interrupt, phase_runner::PhaseSamples, plan::Phase, plan::Plan, plan::Slot, shell::Fault,
};
use crate::phases::session::Session;

/// How long the traffic lasts before, during and after the outage.
const BEFORE: Duration = Duration::from_secs(2);
const DURING: Duration = Duration::from_secs(3);
const AFTER: Duration = Duration::from_secs(3);

/// Duration of the phase.
pub(crate) const DURATION: Duration = BEFORE.saturating_add(DURING).saturating_add(AFTER);

/// Keys per function: few, so that most are stored before the cache breaks.
const KEYS: usize = 5;

/// What a broken cache may add to each call.
const PENALTY: Duration = Duration::from_millis(100);

/// The share of the origins' time that the traffic may take.
const ORIGIN_LOAD: f64 = 0.5;

/// What an outage of the cache did to callers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Faults {
    /// When the cache was broken and when it was repaired, in seconds since the start of the run.
    pub(crate) broken_s: f64,
    pub(crate) mended_s: f64,
    pub(crate) functions: Vec<FaultImpact>,
    /// Seconds from the repair to the first request that became a hit; absent if there was none.
    pub(crate) recovered_s: Option<f64>,
}

/// What the outage did to the callers of one function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Suffered")]
pub(crate) struct FaultImpact {
    pub(crate) function: String,
    pub(crate) answers: u64,
    /// Callers without an answer: their request failed, or was due and could not be sent.
    pub(crate) failed: u64,
    /// How long the callers waited for their answers, in microseconds.
    pub(crate) p50_us: Option<f64>,
    pub(crate) max_us: Option<f64>,
}

/// When the cache was broken and repaired, since the start of the run.
struct Outage {
    began: Duration,
    ended: Duration,
}

/// Runs the phase. An error means that a command failed, so the cache may still be broken.
pub(crate) async fn run(session: &mut Session, fault: &Fault) -> Result<Option<Faults>, String> {
    if interrupt::requested() {
        return Ok(None);
    }
    let deadline = session.client.elapsed() + DURATION + Duration::from_secs(1);
    if deadline > session.profile.budget {
        session.note("there was no time to break the cache");
        return Ok(None);
    }
    let plan = plan(session);
    let client = session.client.clone();
    let (collected, outage) = tokio::join!(
        session.phase((Phase::Faults, 0), plan, deadline),
        outage(client, fault)
    );
    let (collected, outage) = (collected?, outage?);
    Ok(outage.map(|outage| summarise(&collected, &outage, &session.names)))
}

/// Breaks the cache and repairs it, sooner if the user wants to stop.
async fn outage(client: Arc<Client>, fault: &Fault) -> Result<Option<Outage>, String> {
    interrupt::sleep(BEFORE).await;
    if interrupt::requested() {
        return Ok(None);
    }
    let broken = fault.break_cache.run().await;
    let began = client.elapsed();
    if broken.is_ok() {
        interrupt::sleep(DURING).await;
    }
    let ended = client.elapsed();
    // Also if the first command failed: it may have done a part of its work.
    let mended = fault.mend_cache.run().await;
    broken.and(mended)?;
    Ok(Some(Outage { began, ended }))
}

fn plan(session: &mut Session) -> Plan {
    let mut slots = Vec::new();
    for (function, traits) in session.traits.iter().enumerate() {
        let keys = session.supplies[function].take(KEYS);
        let can = ORIGIN_LOAD * traits.concurrency as f64 / (traits.origin + PENALTY).as_secs_f64();
        let fair = session.profile.rate / session.traits.len() as f64;
        let gap = Duration::from_secs_f64(1.0 / can.min(fair));
        let mut due = Duration::ZERO;
        for number in (0..keys.len()).cycle() {
            let spec = RequestSpec::new(function, number, keys[number].clone());
            slots.push(Slot::due(spec, due));
            due += gap;
            if due >= DURATION {
                break;
            }
        }
    }
    slots.sort_by_key(|slot| slot.due);
    Plan::open(Phase::Faults, slots)
}

/// Callers belong to the outage if they were due in it, whenever they were sent.
fn summarise(collected: &PhaseSamples, outage: &Outage, names: &[String]) -> Faults {
    let samples = &collected.samples;
    let during = |due: Duration| (outage.began..outage.ended).contains(&due);
    let impact = |(function, name): (usize, &String)| {
        let met: Vec<&Sample> = samples
            .iter()
            .filter(|sample| during(sample.wanted()))
            .filter(|sample| sample.function == function)
            .collect();
        let unsent = collected.unsent.iter();
        let unsent = unsent.filter(|one| one.function == function && during(one.due));
        let answered = met.iter().filter(|sample| sample.answer.is_ok());
        let us: Vec<f64> = answered
            .map(|sample| sample.response().as_secs_f64() * 1e6)
            .collect();
        FaultImpact {
            function: name.clone(),
            answers: us.len() as u64,
            failed: (met.len() - us.len() + unsent.count()) as u64,
            p50_us: median(us.iter().copied()),
            max_us: us.iter().copied().reduce(f64::max),
        }
    };
    let hit = |sample: &&Sample| sample.outcome().is_some_and(|outcome| outcome.is_hit());
    let first_hit = samples
        .iter()
        .filter(|sample| sample.wanted() >= outage.ended)
        .find(hit);
    Faults {
        broken_s: outage.began.as_secs_f64(),
        mended_s: outage.ended.as_secs_f64(),
        functions: names.iter().enumerate().map(impact).collect(),
        recovered_s: first_hit.map(|sample| (sample.wanted() - outage.ended).as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::sample::Answer;
    use crate::load::phase_runner::Unsent;
    use crate::target::{outcome::Failure, outcome::Outcome};

    fn sample(at_ms: u64, took_ms: u64, outcome: Result<Outcome, Failure>) -> Sample {
        let answer = outcome.map(|outcome| Answer {
            outcome,
            ..Answer::default()
        });
        Sample::test(0, [at_ms, took_ms], answer)
    }

    #[test]
    fn what_was_sent_while_it_was_broken_counts_and_the_first_hit_after_it_ends_the_trouble() {
        let outage = Outage {
            began: Duration::from_millis(100),
            ended: Duration::from_millis(200),
        };
        // Due before the outage, and sent in it.
        let mut late = sample(120, 5, Ok(Outcome::Miss));
        late.due = Some(Duration::from_millis(90));
        let samples = [
            sample(99, 500, Ok(Outcome::Hit)),
            sample(110, 10, Ok(Outcome::Miss)),
            sample(150, 30, Ok(Outcome::Miss)),
            sample(160, 1000, Err(Failure::Timeout)),
            sample(210, 7, Ok(Outcome::Miss)),
            sample(450, 1, Ok(Outcome::Hit)),
            late,
        ];
        let unsent = |due_ms| Unsent {
            function: 0,
            due: Duration::from_millis(due_ms),
            exhausted: false,
        };
        let collected = PhaseSamples {
            samples: samples.to_vec(),
            not_sent: 2,
            // The second was due after the outage.
            unsent: vec![unsent(170), unsent(300)],
            aborted: false,
            loops: Vec::new(),
        };
        let faults = summarise(&collected, &outage, &["f".into()]);
        assert_eq!(faults.recovered_s, Some(0.25));
        let expected = FaultImpact {
            function: "f".into(),
            answers: 2,
            failed: 2,
            p50_us: Some(20_000.0),
            max_us: Some(30_000.0),
        };
        assert_eq!(faults.functions, [expected]);
    }
}
