//! Before anything is measured: does the target answer, does it say what its cache does, how many processes answer, how
//! long does its origin take. Owns these questions and the number of users that follow; measures nothing itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::client::{Client, Question};
use crate::interrupt;
use crate::keys::Supply;
use crate::outcome::{Failure, Outcome};
use crate::profile::Profile;
use crate::sample::{Answer, Sample};
use crate::truth::Truth;

/// Requests of one burst that looks for further instances.
const BURST: usize = 8;

/// Users of a function that is one process and answers side by side.
const SIDE_BY_SIDE: usize = 8;

/// What one function showed.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// A key that is not used for anything else.
    pub(crate) canary: String,
    /// How long a call takes that reaches the origin.
    pub(crate) origin: Duration,
    /// How many processes answered; none when they do not tell.
    pub(crate) instances: Option<usize>,
    /// How many users may ask in the paired phases without waiting for each other.
    pub(crate) users: usize,
    /// Keys a round: fewer than the profile wants where the origin is slow.
    pub(crate) keys: usize,
}

/// Asks each function a few times. The error is a sentence for the user.
pub(crate) async fn examine(
    client: &Arc<Client>,
    supplies: &mut [Supply],
    profile: &Profile,
    truth: &mut Truth,
) -> Result<Vec<Facts>, String> {
    let mut all = Vec::new();
    for (index, supply) in supplies.iter_mut().enumerate() {
        let canary = supply.take(1).pop().ok_or("a function has no keys")?;
        let (origin, told) = reach(client, index, &canary, supply, truth).await?;
        let instances = find_instances(client, index, &canary, truth).await;
        let instances = told.then_some(instances);
        all.push(Facts {
            canary,
            origin,
            instances,
            users: 1,
            keys: profile.keys,
        });
    }
    let room = room_a_round(profile, client.elapsed());
    share_room(client, supplies, &mut all, room, truth).await;
    Ok(all)
}

/// How long an origin call takes, and whether answers carry diagnostics.
async fn reach(
    client: &Client,
    function: usize,
    canary: &str,
    supply: &mut Supply,
    truth: &mut Truth,
) -> Result<(Duration, bool), String> {
    let first = ask(client, function, canary.to_owned(), truth).await;
    let answer = usable(client, function, &first)?;
    let told = answer.diagnostics.is_some();
    let mut fastest = answer.outcome.called_origin().then_some(first.latency);
    // The first call may have started a process; a slow origin is not asked again.
    for key in supply.take(3) {
        if interrupt::requested() || fastest.is_some_and(|latency| latency > Duration::from_secs(1))
        {
            break;
        }
        let sample = ask(client, function, key, truth).await;
        if usable(client, function, &sample)?.outcome.called_origin() {
            fastest = Some(fastest.map_or(sample.latency, |fastest| fastest.min(sample.latency)));
        }
    }
    Ok((fastest.unwrap_or(first.latency), told))
}

fn usable<'a>(client: &Client, function: usize, sample: &'a Sample) -> Result<&'a Answer, String> {
    let path = &client.target().functions[function].path;
    match &sample.answer {
        Ok(Answer {
            outcome: Outcome::Unknown,
            detail,
            ..
        }) => {
            let (witness, reason) = (
                client.target().outcome.describe(),
                detail.as_deref().unwrap_or("it names no outcome"),
            );
            Err(format!(
                "GET {path} does not say what the cache did ({witness} is read): {reason}"
            ))
        }
        Ok(answer) => Ok(answer),
        Err(Failure::Connect) => Err(format!("cannot connect to {}", client.base())),
        Err(Failure::Timeout) => Err(format!(
            "GET {path} did not answer within {:?}",
            sample.latency
        )),
        Err(Failure::Status(status)) => Err(format!("GET {path} answered {status}")),
        Err(Failure::WrongBody) => Err(format!(
            "GET {path} answered 200, but not for the key it was asked for"
        )),
        Err(Failure::Broken) => Err(format!(
            "GET {path}: the connection broke before the answer was complete"
        )),
    }
}

/// Asks for one stored key in bursts until two of them bring no further instance.
async fn find_instances(
    client: &Arc<Client>,
    function: usize,
    canary: &str,
    truth: &mut Truth,
) -> usize {
    let mut seen = std::collections::BTreeSet::new();
    let mut quiet = 0;
    for _ in 0..12 {
        let before = seen.len();
        for sample in burst(client, function, vec![canary.to_owned(); BURST]).await {
            truth.observe(&sample);
            seen.extend(
                sample
                    .answer
                    .ok()
                    .and_then(|answer| Some(answer.diagnostics?.instance)),
            );
        }
        quiet = if seen.len() > before { 0 } else { quiet + 1 };
        if quiet == 2 || interrupt::requested() {
            break;
        }
    }
    seen.len()
}

/// The time that one round may spend on cold requests: most of what is left, after a second a phase for Goose.
fn room_a_round(profile: &Profile, elapsed: Duration) -> Duration {
    let rounds = u32::try_from(profile.rounds).unwrap_or(u32::MAX).max(1);
    let round = profile.budget.saturating_sub(elapsed) / rounds;
    round.saturating_sub(Duration::from_secs(2)).mul_f64(0.7)
}

/// Gives each function its users and keys: one user where that fits, as there is no queue to hide anything then; more,
/// but never more than answer side by side, where the origin is slow; fewer keys where even that does not fit.
async fn share_room(
    client: &Arc<Client>,
    supplies: &mut [Supply],
    all: &mut [Facts],
    room: Duration,
    truth: &mut Truth,
) {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|index| all[*index].origin);
    let mut left = room.as_secs_f64();
    for (position, index) in order.iter().enumerate() {
        let fair = left / (order.len() - position) as f64;
        let (one, wanted) = (all[*index].origin.as_secs_f64(), all[*index].keys);
        if one * wanted as f64 > fair {
            let users =
                side_by_side(client, *index, &mut supplies[*index], &all[*index], truth).await;
            let batches = (fair / one).floor().max(1.0) as usize;
            all[*index].users = users;
            all[*index].keys = wanted.min(users * batches);
        }
        left -= one * all[*index].keys.div_ceil(all[*index].users) as f64;
    }
}

/// How many calls that reach the origin run at once: one a process, or many where one process does not make them wait.
async fn side_by_side(
    client: &Arc<Client>,
    function: usize,
    supply: &mut Supply,
    facts: &Facts,
    truth: &mut Truth,
) -> usize {
    if let Some(instances @ 2..) = facts.instances {
        return instances.min(16);
    }
    let samples = burst(client, function, supply.take(2)).await;
    samples.iter().for_each(|sample| truth.observe(sample));
    let slowest = samples
        .iter()
        .map(|sample| sample.latency)
        .max()
        .unwrap_or_default();
    if slowest < facts.origin.mul_f64(1.5) {
        SIDE_BY_SIDE
    } else {
        1
    }
}

async fn ask(client: &Client, function: usize, key: String, truth: &mut Truth) -> Sample {
    let sample = client
        .ask(
            &Question {
                function,
                number: 0,
                key,
            },
            Duration::MAX,
        )
        .await;
    truth.observe(&sample);
    sample
}

async fn burst(client: &Arc<Client>, function: usize, keys: Vec<String>) -> Vec<Sample> {
    let mut asked = JoinSet::new();
    for key in keys {
        let client = client.clone();
        asked.spawn(async move {
            client
                .ask(
                    &Question {
                        function,
                        number: 0,
                        key,
                    },
                    Duration::MAX,
                )
                .await
        });
    }
    asked.join_all().await
}

impl std::fmt::Display for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let instances = self
            .instances
            .map_or_else(|| "not told".into(), |n| n.to_string());
        let Self {
            origin,
            users,
            keys,
            ..
        } = self;
        write!(
            f,
            "origin {:.1} ms, instances: {instances}, users: {users}, keys a round: {keys}",
            origin.as_secs_f64() * 1e3
        )
    }
}
