//! Before anything is measured: does the target answer, does it say what its cache does, how many processes answer, how
//! long does its origin take. Owns these questions; measures nothing itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::analysis::origin_calls::OriginCallCounter;
use crate::client::Client;
use crate::client::request::RequestSpec;
use crate::client::sample::{Answer, Sample};
use crate::load::interrupt;
use crate::load::keys::Supply;
use crate::target::outcome::{Failure, Outcome};

/// Requests of one burst that looks for further instances.
const BURST: usize = 8;

/// Users of a function that is one process and answers side by side.
const CONCURRENT_USERS: usize = 8;

/// An origin quicker than this is asked by one user; how many it serves at once does not matter.
const FAST: Duration = Duration::from_millis(20);

/// An origin slower than this is asked as rarely as can be.
const SLOW: Duration = Duration::from_secs(1);

/// What one function showed.
#[derive(Clone, Debug)]
pub(crate) struct FunctionTraits {
    /// A key that is not used for anything else.
    pub(crate) canary: String,
    /// How long a call takes that reaches the origin.
    pub(crate) origin: Duration,
    /// How many processes answered; none when they do not tell.
    pub(crate) instances: Option<usize>,
    /// How many origin calls run at once.
    pub(crate) concurrency: usize,
    /// Whether it answers past its cache when asked to, and soon enough to be asked so.
    pub(crate) bypass: bool,
}

/// Asks each function a few times. The error is a sentence for the user.
pub(crate) async fn discover(
    client: &Arc<Client>,
    supplies: &mut [Supply],
    counter: &mut OriginCallCounter,
) -> Result<Vec<FunctionTraits>, String> {
    client.check_connection().await?;
    let mut all = Vec::new();
    for (index, supply) in supplies.iter_mut().enumerate() {
        let canary = supply.reserve().ok_or("a function has no keys")?;
        let (origin, has_diagnostics) =
            origin_time(client, index, &canary, supply, counter).await?;
        let instances = find_instances(client, index, &canary, counter).await;
        let mut traits = FunctionTraits {
            canary,
            origin,
            instances: has_diagnostics.then_some(instances),
            concurrency: 1,
            bypass: false,
        };
        traits.bypass = bypasses(client, index, &traits, counter).await;
        traits.concurrency = concurrency(client, index, supply, &traits, counter).await;
        all.push(traits);
    }
    Ok(all)
}

/// How long an origin call takes, and whether answers carry diagnostics.
async fn origin_time(
    client: &Client,
    function: usize,
    canary: &str,
    supply: &mut Supply,
    counter: &mut OriginCallCounter,
) -> Result<(Duration, bool), String> {
    let first = ask(client, function, canary.to_owned(), counter).await;
    let answer = usable(client, function, &first)?;
    let has_diagnostics = answer.diagnostics.is_some();
    let mut fastest = answer.outcome.called_origin().then_some(first.latency);
    // The first call may have started a process; a slow origin is not asked again.
    for key in supply.take(3) {
        if interrupt::requested() || fastest.is_some_and(|latency| latency > SLOW) {
            break;
        }
        let sample = ask(client, function, key, counter).await;
        if usable(client, function, &sample)?.outcome.called_origin() {
            fastest = Some(fastest.map_or(sample.latency, |fastest| fastest.min(sample.latency)));
        }
    }
    Ok((fastest.unwrap_or(first.latency), has_diagnostics))
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
    counter: &mut OriginCallCounter,
) -> usize {
    let mut seen = std::collections::BTreeSet::new();
    let mut quiet = 0;
    for _ in 0..12 {
        let before = seen.len();
        for sample in burst(client, function, vec![canary.to_owned(); BURST]).await {
            counter.observe(&sample);
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

/// Whether it stands aside when asked to. A slow origin is left out: its own time hides what a look-up costs.
async fn bypasses(
    client: &Client,
    function: usize,
    traits: &FunctionTraits,
    counter: &mut OriginCallCounter,
) -> bool {
    if client.target().bypass.is_none() || traits.origin >= SLOW || interrupt::requested() {
        return false;
    }
    let spec = RequestSpec::new(function, 0, traits.canary.clone()).bypass();
    let sample = client.ask(&spec, Duration::MAX).await;
    counter.observe(&sample);
    sample.outcome() == Some(Outcome::Bypass)
}

/// How many calls that reach the origin run at once: one a process, or many where one process does not make them wait.
async fn concurrency(
    client: &Arc<Client>,
    function: usize,
    supply: &mut Supply,
    traits: &FunctionTraits,
    counter: &mut OriginCallCounter,
) -> usize {
    if let Some(instances @ 2..) = traits.instances {
        return instances.min(16);
    }
    if traits.origin < FAST || interrupt::requested() {
        return 1;
    }
    let samples = burst(client, function, supply.take(2)).await;
    samples.iter().for_each(|sample| counter.observe(sample));
    let slowest = samples
        .iter()
        .map(|sample| sample.latency)
        .max()
        .unwrap_or_default();
    if slowest < traits.origin.mul_f64(1.5) {
        CONCURRENT_USERS
    } else {
        1
    }
}

async fn ask(
    client: &Client,
    function: usize,
    key: String,
    counter: &mut OriginCallCounter,
) -> Sample {
    let sample = client
        .ask(&RequestSpec::new(function, 0, key), Duration::MAX)
        .await;
    counter.observe(&sample);
    sample
}

async fn burst(client: &Arc<Client>, function: usize, keys: Vec<String>) -> Vec<Sample> {
    let mut asked = JoinSet::new();
    for key in keys {
        let (client, spec) = (client.clone(), RequestSpec::new(function, 0, key));
        asked.spawn(async move { client.ask(&spec, Duration::MAX).await });
    }
    asked.join_all().await
}

impl std::fmt::Display for FunctionTraits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let instances = self
            .instances
            .map_or_else(|| "not told".into(), |n| n.to_string());
        let ms = self.origin.as_secs_f64() * 1e3;
        write!(
            f,
            "an origin call takes {ms:.1} ms, {} run at once, instances: {instances}",
            self.concurrency
        )
    }
}
