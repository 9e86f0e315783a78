//! Finds out, before anything is measured, what a target can do: whether it answers, names its
//! outcomes and counts its origin calls, how many processes answer, and how slow its origin is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::analysis::origin_calls::OriginCallCounter;
use crate::client::{
    Client, connection::MAX_BODY, request::RequestSpec, sample::Answer, sample::Sample,
};
use crate::load::{interrupt, keys::Supply};
use crate::target::{outcome::Failure, outcome::Outcome};

/// Requests of one burst that looks for more instances.
const BURST: usize = 8;

/// Users of a function that is one process and answers concurrently.
const CONCURRENT_USERS: usize = 8;

/// One user is enough for an origin faster than this, so its concurrency does not matter.
const FAST: Duration = Duration::from_millis(20);

/// An origin slower than this is called as rarely as possible.
pub(crate) const SLOW: Duration = Duration::from_secs(1);

/// How often a request is sent that the target refuses because it limits its requests.
const TRIES: usize = 3;

/// The time between them.
const PAUSE: Duration = Duration::from_millis(200);

/// What one function can do.
#[derive(Clone, Debug, Default)]
pub(crate) struct FunctionTraits {
    /// A key that is used for nothing else.
    pub(crate) canary: String,
    /// How long a call of the origin takes.
    pub(crate) origin: Duration,
    /// How many processes answered; `None` if they do not identify themselves.
    pub(crate) instances: Option<usize>,
    /// How many origin calls run at once.
    pub(crate) concurrency: usize,
    /// Whether it bypasses its cache on request, and fast enough to be measured so.
    pub(crate) bypass: bool,
}

/// Asks each function a few times.
pub(crate) async fn discover(
    client: &Arc<Client>,
    supplies: &mut [Supply],
    counter: &mut OriginCallCounter,
) -> Result<Vec<FunctionTraits>, String> {
    client.check_connection().await?;
    let mut all = Vec::new();
    for (function, supply) in supplies.iter_mut().enumerate() {
        let mut probe = Probe {
            client,
            function,
            supply,
            counter,
        };
        all.push(probe.traits().await?);
    }
    Ok(all)
}

/// Asks one function.
struct Probe<'a> {
    client: &'a Arc<Client>,
    function: usize,
    supply: &'a mut Supply,
    counter: &'a mut OriginCallCounter,
}

impl Probe<'_> {
    async fn traits(&mut self) -> Result<FunctionTraits, String> {
        let canary = self.supply.reserve().ok_or("a function has no keys")?;
        let (origin, has_diagnostics) = self.origin_time(&canary).await?;
        let instances = self.instances(&canary).await;
        let instances = has_diagnostics.then_some(instances);
        let bypass = origin < SLOW && self.bypasses(&canary).await;
        let concurrency = self.concurrency(instances, origin).await;
        Ok(FunctionTraits {
            canary,
            origin,
            instances,
            concurrency,
            bypass,
        })
    }

    /// How long an origin call takes, and whether answers carry diagnostics.
    async fn origin_time(&mut self, canary: &str) -> Result<(Duration, bool), String> {
        let first = self.ask_patiently(canary).await;
        let answer = self.usable(&first)?;
        let has_diagnostics = answer.diagnostics.is_some();
        let mut fastest = answer.outcome.called_origin().then_some(first.latency);
        // The first call may have started a process, so a fast origin is called again.
        for key in self.supply.take(3) {
            if interrupt::requested() || fastest.is_some_and(|latency| latency > SLOW) {
                break;
            }
            let sample = self.ask_patiently(&key).await;
            if self.usable(&sample)?.outcome.called_origin() {
                let latency = sample.latency;
                fastest = Some(fastest.map_or(latency, |fastest| fastest.min(latency)));
            }
        }
        Ok((fastest.unwrap_or(first.latency), has_diagnostics))
    }

    /// One answer that the target refuses, since it limits its requests, says nothing about a run.
    async fn ask_patiently(&mut self, key: &str) -> Sample {
        let mut sample = self.ask(key.to_owned()).await;
        for _ in 1..TRIES {
            if !matches!(sample.answer, Err(Failure::Throttled(_))) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            sample = self.ask(key.to_owned()).await;
        }
        sample
    }

    fn usable<'a>(&self, sample: &'a Sample) -> Result<&'a Answer, String> {
        let target = &self.client.target;
        let path = &target.functions[self.function].path;
        let problem = match &sample.answer {
            Ok(answer) if answer.outcome == Outcome::Unknown => {
                let place = target.outcome.describe();
                let reason = answer.detail.as_deref().unwrap_or("it names no outcome");
                format!("does not say what the cache did ({place} is read): {reason}")
            }
            Ok(answer) => return Ok(answer),
            Err(Failure::Connect) => {
                return Err(format!("cannot connect to {}", self.client.base));
            }
            Err(Failure::Timeout) => format!("did not answer within {:?}", sample.latency),
            Err(Failure::Status(status)) => format!("answered {status}{}", advice(*status)),
            Err(Failure::Throttled(status)) => {
                format!("answered {status}: it limits its requests, see its throttle or its quota")
            }
            Err(Failure::WrongBody) => {
                "answered, but not for the requested key, or without a value (see echo and value \
                 in the target file)"
                    .into()
            }
            Err(Failure::TooLarge) => format!("answered with more than {MAX_BODY} bytes"),
            Err(Failure::Broken) => "failed: the connection broke within the answer".into(),
        };
        let method = target.functions[self.function].method();
        Err(format!("{method} {path} {problem}"))
    }

    /// Asks for one stored key in bursts, until two of them find no new instance.
    async fn instances(&mut self, canary: &str) -> usize {
        let mut seen = BTreeSet::new();
        let mut quiet = 0;
        for _ in 0..12 {
            let before = seen.len();
            for sample in self.burst(vec![canary.to_owned(); BURST]).await {
                seen.extend(sample.diagnostics().map(|one| one.instance.clone()));
            }
            quiet = if seen.len() > before { 0 } else { quiet + 1 };
            if quiet == 2 || interrupt::requested() {
                break;
            }
        }
        seen.len()
    }

    /// Whether it bypasses its cache on request. A slow origin is left out: its own time would hide
    /// the time of a lookup.
    async fn bypasses(&mut self, canary: &str) -> bool {
        if self.client.target.bypass.is_none() || interrupt::requested() {
            return false;
        }
        let spec = RequestSpec::new(self.function, 0, canary.to_owned()).bypass();
        let sample = self.client.ask(&spec, Duration::MAX).await;
        self.counter.observe(&sample);
        sample.outcome() == Some(Outcome::Bypass)
    }

    /// How many origin calls run at once: one per process, or several if a process serves them
    /// concurrently.
    async fn concurrency(&mut self, instances: Option<usize>, origin: Duration) -> usize {
        if let Some(instances @ 2..) = instances {
            return instances.min(16);
        }
        if origin < FAST || interrupt::requested() {
            return 1;
        }
        let keys = self.supply.take(2);
        let samples = self.burst(keys).await;
        let slowest = samples.iter().map(|sample| sample.latency).max();
        match slowest < Some(origin.mul_f64(1.5)) {
            true => CONCURRENT_USERS,
            false => 1,
        }
    }

    async fn ask(&mut self, key: String) -> Sample {
        let spec = RequestSpec::new(self.function, 0, key);
        let sample = self.client.ask(&spec, Duration::MAX).await;
        self.counter.observe(&sample);
        sample
    }

    async fn burst(&mut self, keys: Vec<String>) -> Vec<Sample> {
        let mut asked = JoinSet::new();
        for key in keys {
            let (client, spec) = (self.client.clone(), RequestSpec::new(self.function, 0, key));
            asked.spawn(async move { client.ask(&spec, Duration::MAX).await });
        }
        let samples = asked.join_all().await;
        samples
            .iter()
            .for_each(|sample| self.counter.observe(sample));
        samples
    }
}

/// What the target file can say about a status.
fn advice(status: u16) -> String {
    match status {
        301 | 302 | 303 | 307 | 308 => format!(
            ", a redirect (in the target file, redirects = 1 follows it, and answers = [{status}] \
             measures it)"
        ),
        401 | 403 => " (headers in the target file can carry a token from the environment)".into(),
        404 | 410 | 204 => format!(" (answers = [{status}] in the target file measures it)"),
        503 => " (the target is overloaded, or limits its requests)".into(),
        _ => String::new(),
    }
}

impl std::fmt::Display for FunctionTraits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let instances = self.instances;
        let instances = instances.map_or_else(|| "unknown".into(), |n| n.to_string());
        let ms = self.origin.as_secs_f64() * 1e3;
        write!(
            f,
            "an origin call takes {ms:.1} ms, {} run at once, instances: {instances}",
            self.concurrency
        )
    }
}
