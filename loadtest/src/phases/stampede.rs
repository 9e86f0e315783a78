//! Stampedes: all users ask at once for a key that was never stored, or for one that has just
//! expired.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::{request::RequestSpec, sample::Sample};
use crate::load::{interrupt, plan::Phase, plan::Plan, plan::Slot};
use crate::phases::session::Session;
use crate::target::outcome::Outcome;

/// Callers of a burst.
const USERS: usize = 32;

/// The most time that a burst takes besides its origin call.
const BURST_TIME: Duration = Duration::from_secs(2);

/// What the callers of a burst find in the cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Occasion")]
pub(crate) enum BurstKind {
    /// Nothing: the key was never stored.
    #[default]
    Cold,
    /// An entry that has just expired.
    Expiry,
}

/// One burst on one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Burst {
    pub(crate) function: String,
    #[serde(default)]
    pub(crate) occasion: BurstKind,
    pub(crate) callers: usize,
    /// Answers that say that they called the origin; one is ideal.
    pub(crate) origin_calls: usize,
    pub(crate) collapsed: usize,
    pub(crate) hits: usize,
    /// Hits that were past their lifetime.
    #[serde(default)]
    pub(crate) stale: usize,
    pub(crate) failed: usize,
    /// Processes that answered; absent if they do not identify themselves.
    pub(crate) instances: Option<usize>,
    /// Microseconds from the first request sent to the last: how simultaneous the burst was.
    pub(crate) spread_us: f64,
    /// Each caller's start and end in microseconds since the first was sent, and its outcome.
    pub(crate) lanes: Vec<(f64, f64, Option<Outcome>)>,
}

impl Burst {
    /// Whether requests really overlapped. A single process that answers one after another fills
    /// the cache with its first answer, so there is no stampede to prevent. A stale answer came
    /// before the refresh was done.
    pub(crate) fn overlapped(&self) -> bool {
        self.collapsed > 0
            || self.stale > 0
            || self.origin_calls > 1
            || self.instances.is_some_and(|instances| instances > 1)
    }
}

/// Runs the bursts on the function with the slowest origin, where a stampede costs most. The last
/// burst waits until its key expires, and is left out if it would not be over at `end`.
pub(crate) async fn run(session: &mut Session, end: Duration) -> Result<Vec<Burst>, String> {
    let origin = |index: &usize| session.traits[*index].origin;
    let slowest = (0..session.traits.len()).max_by_key(origin).unwrap_or(0);
    let mut bursts = Vec::new();
    let mut last = None;
    for number in 0..session.profile.bursts {
        let left = session.time_left();
        let needed = session.traits[slowest].origin + Duration::from_secs(1);
        if interrupt::requested() || left < needed {
            break;
        }
        let Some(key) = session.supplies[slowest].take(1).pop() else {
            break;
        };
        let spec = RequestSpec::new(slowest, 0, key);
        bursts.push(burst(session, (BurstKind::Cold, number), &spec).await?);
        last = Some(spec);
    }
    if let Some(spec) = last
        && wait_for_expiry(session, &spec, end).await.is_continue()
    {
        let number = bursts.len();
        bursts.push(burst(session, (BurstKind::Expiry, number), &spec).await?);
    }
    Ok(bursts)
}

/// Waits until the key's entry has expired, if the cache says when and there is time.
async fn wait_for_expiry(
    session: &mut Session,
    spec: &RequestSpec,
    end: Duration,
) -> ControlFlow<()> {
    if interrupt::requested() {
        return ControlFlow::Break(());
    }
    let sample = session.client.ask(spec, end).await;
    session.origin_calls.observe(&sample);
    let origin = session.traits[spec.function].origin;
    let due = time_to_live(&sample).and_then(|(ttl, due)| {
        let in_time = (due + origin + BURST_TIME <= end).then_some(due);
        in_time.ok_or_else(|| format!("had {ttl} s to live"))
    });
    let due = match due {
        Ok(due) => due,
        Err(why_not) => {
            let entry = format!("an entry of {}", session.names[spec.function]);
            session.note(format!("no burst on an expired key: {entry} {why_not}"));
            return ControlFlow::Break(());
        }
    };
    interrupt::sleep(due.saturating_sub(session.client.elapsed())).await;
    match interrupt::requested() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    }
}

/// The entry's remaining lifetime in whole seconds, and when it ends. An error completes a sentence
/// about the entry.
fn time_to_live(sample: &Sample) -> Result<(u64, Duration), String> {
    let answer = match &sample.answer {
        Ok(answer) if answer.outcome.is_hit() => answer,
        Ok(_) => return Err("was gone already".to_owned()),
        Err(failure) => return Err(format!("could not be read ({})", failure.label())),
    };
    let ttl_s = answer.ttl_s.ok_or("came without a ttl")?;
    let ttl = u64::try_from(ttl_s).map_err(|_| "had expired already")?;
    // The lifetime was rounded down to a second.
    let due = sample.sent + sample.latency + Duration::from_secs(ttl + 1);
    Ok((ttl, due))
}

async fn burst(
    session: &mut Session,
    (occasion, number): (BurstKind, usize),
    spec: &RequestSpec,
) -> Result<Burst, String> {
    let slots = vec![Slot::due(spec.clone(), Duration::ZERO); USERS];
    let plan = Plan::open_connected(Phase::Stampede, USERS, slots);
    let deadline = session.profile.budget;
    let phase = (Phase::Stampede, number);
    let collected = session.phase(phase, plan, deadline).await?;
    let function = &session.names[spec.function];
    Ok(summarise(function, occasion, &collected.samples))
}

fn summarise(function: &str, occasion: BurstKind, samples: &[Sample]) -> Burst {
    let count = |test: fn(Outcome) -> bool| {
        let outcomes = samples.iter().filter_map(Sample::outcome);
        outcomes.filter(|outcome| test(*outcome)).count()
    };
    let first = samples.first().map_or(Duration::ZERO, |sample| sample.sent);
    let since = |at: Duration| at.saturating_sub(first).as_secs_f64() * 1e6;
    let diagnostics = samples.iter().filter_map(Sample::diagnostics);
    let instances: BTreeSet<&str> = diagnostics.map(|one| one.instance.as_str()).collect();
    let lane = |s: &Sample| (since(s.sent), since(s.sent + s.latency), s.outcome());
    Burst {
        function: function.to_owned(),
        occasion,
        callers: samples.len(),
        origin_calls: count(Outcome::called_origin),
        collapsed: count(|outcome| outcome == Outcome::Collapsed),
        hits: count(Outcome::is_hit),
        stale: count(|outcome| outcome == Outcome::Stale),
        failed: samples.iter().filter(|s| s.answer.is_err()).count(),
        instances: (!instances.is_empty()).then_some(instances.len()),
        spread_us: samples.last().map_or(0.0, |last| since(last.sent)),
        lanes: samples.iter().map(lane).collect(),
    }
}
