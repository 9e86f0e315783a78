//! The cache breaks and is mended while traffic goes on. Owns when, and what callers met meanwhile; knows nothing of how
//! it is broken. Traffic so slow that the origins can carry all of it: with more, their queue would be measured.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::intervals::median;
use crate::client::Client;
use crate::client::request::RequestSpec;
use crate::client::sample::Sample;
use crate::load::interrupt;
use crate::load::plan::{Phase, Plan, Segment, Slot};
use crate::load::shell::Fault;
use crate::phases::session::Session;

/// How long the cache is whole, broken, and mended.
const BEFORE: Duration = Duration::from_secs(2);
const DURING: Duration = Duration::from_secs(3);
const AFTER: Duration = Duration::from_secs(3);

/// What the phase takes in all.
pub(crate) const DURATION: Duration = BEFORE.saturating_add(DURING).saturating_add(AFTER);

/// Users that stand ready.
const USERS: usize = 32;

/// Keys a function: few, so that most are stored before the cache breaks.
const KEYS: usize = 5;

/// What a broken cache may add to each call.
const PENALTY: Duration = Duration::from_millis(100);

/// Share of the origins' time that the traffic may fill.
const ORIGIN_LOAD: f64 = 0.5;

/// What callers met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Faults {
    /// When the cache was broken and when it was mended, in seconds since the start of the run.
    pub(crate) broken_s: f64,
    pub(crate) mended_s: f64,
    pub(crate) functions: Vec<FaultImpact>,
    /// Seconds from mending until the first request that became a hit; none came within the phase if absent.
    pub(crate) recovered_s: Option<f64>,
}

/// What callers of one function met while the cache was broken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Suffered")]
pub(crate) struct FaultImpact {
    pub(crate) function: String,
    pub(crate) answers: u64,
    pub(crate) failed: u64,
    /// Of the answers, in microseconds.
    pub(crate) p50_us: Option<f64>,
    pub(crate) max_us: Option<f64>,
}

/// When the cache was broken and mended, since the start of the run.
struct Outage {
    began: Duration,
    ended: Duration,
}

/// Runs the phase. An error is a sentence: the cache could not be broken or, worse, not be mended.
pub(crate) async fn run(session: &mut Session, fault: &Fault) -> Result<Option<Faults>, String> {
    if interrupt::requested() {
        return Ok(None);
    }
    let deadline = session.client.elapsed() + DURATION + Duration::from_secs(1);
    if deadline > session.profile.budget {
        let note = "no time was left to break the cache".to_owned();
        session.limitations.push(note);
        return Ok(None);
    }
    let plan = plan(session);
    let client = session.client.clone();
    let (collected, outage) = tokio::join!(
        session.phase((Phase::Faults, 0), plan, deadline),
        outage(client, fault)
    );
    let (collected, outage) = (collected?, outage?);
    Ok(outage.map(|outage| summarise(&collected.samples, &outage, &session.names)))
}

/// Breaks the cache and mends it, sooner if the user wants to stop.
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
    // Also after a command that failed: it may have done a part of its work.
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
            slots.push(Slot {
                spec,
                due: Some(due),
            });
            due += gap;
            if due >= DURATION {
                break;
            }
        }
    }
    slots.sort_by_key(|slot| slot.due);
    Plan {
        phase: Phase::Faults,
        segments: vec![Segment {
            users: USERS,
            slots,
        }],
    }
}

fn summarise(samples: &[Sample], outage: &Outage, names: &[String]) -> Faults {
    let during = |sample: &&Sample| (outage.began..outage.ended).contains(&sample.sent);
    let impact = |(function, name): (usize, &String)| {
        let met: Vec<&Sample> = samples
            .iter()
            .filter(during)
            .filter(|sample| sample.function == function)
            .collect();
        let answered = met.iter().filter(|sample| sample.answer.is_ok());
        let mut us: Vec<f64> = answered
            .map(|sample| sample.latency.as_secs_f64() * 1e6)
            .collect();
        FaultImpact {
            function: name.clone(),
            answers: us.len() as u64,
            failed: (met.len() - us.len()) as u64,
            p50_us: median(&mut us),
            max_us: us.iter().copied().reduce(f64::max),
        }
    };
    let hit = |sample: &&Sample| sample.outcome().is_some_and(|outcome| outcome.is_hit());
    let first_hit = samples
        .iter()
        .filter(|sample| sample.sent >= outage.ended)
        .find(hit);
    Faults {
        broken_s: outage.began.as_secs_f64(),
        mended_s: outage.ended.as_secs_f64(),
        functions: names.iter().enumerate().map(impact).collect(),
        recovered_s: first_hit.map(|sample| (sample.sent - outage.ended).as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::sample::Answer;
    use crate::target::outcome::{Failure, Outcome};

    fn sample(at_ms: u64, took_ms: u64, outcome: Result<Outcome, Failure>) -> Sample {
        let answer = outcome.map(|outcome| Answer {
            outcome,
            ttl_s: None,
            detail: None,
            stored: false,
            bytes: 0,
            server: Default::default(),
            diagnostics: None,
            value: 0,
        });
        let ms = Duration::from_millis;
        Sample::new(0, 0, ms(at_ms), ms(took_ms), answer)
    }

    #[test]
    fn what_was_sent_while_it_was_broken_counts_and_the_first_hit_after_it_ends_the_trouble() {
        let outage = Outage {
            began: Duration::from_millis(100),
            ended: Duration::from_millis(200),
        };
        let samples = [
            sample(99, 500, Ok(Outcome::Hit)),
            sample(110, 10, Ok(Outcome::Miss)),
            sample(150, 30, Ok(Outcome::Miss)),
            sample(160, 1000, Err(Failure::Timeout)),
            sample(210, 7, Ok(Outcome::Miss)),
            sample(450, 1, Ok(Outcome::Hit)),
        ];
        let faults = summarise(&samples, &outage, &["f".into()]);
        assert_eq!(faults.recovered_s, Some(0.25));
        let expected = FaultImpact {
            function: "f".into(),
            answers: 2,
            failed: 1,
            p50_us: Some(20_000.0),
            max_us: Some(30_000.0),
        };
        assert_eq!(faults.functions, [expected]);
    }
}
