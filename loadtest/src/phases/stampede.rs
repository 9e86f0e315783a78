//! Everyone at once: all users ask for one key that nobody has stored, and for one whose entry has just expired. Owns the
//! bursts and what they cost; knows nothing of statistics.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::request::RequestSpec;
use crate::client::sample::Sample;
use crate::load::interrupt;
use crate::load::plan::{Phase, Plan, Segment, Slot};
use crate::phases::session::Session;
use crate::target::outcome::Outcome;

/// Users of a burst: half of what the target may get at once.
const USERS: usize = 32;

/// What a burst takes besides its origin call, at most.
const BURST_TIME: Duration = Duration::from_secs(2);

/// What the callers of a burst find.
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
    /// Answers that say that they called the origin; one is perfect.
    pub(crate) origin_calls: usize,
    pub(crate) collapsed: usize,
    pub(crate) hits: usize,
    /// Those of the hits that were past their lifetime.
    #[serde(default)]
    pub(crate) stale: usize,
    pub(crate) failed: usize,
    /// Processes that answered; none when they do not tell.
    pub(crate) instances: Option<usize>,
    /// From the first request sent to the last, in microseconds: how simultaneous it was.
    pub(crate) spread_us: f64,
    /// Each caller's start and end since the first was sent, in microseconds, and its outcome.
    pub(crate) lanes: Vec<(f64, f64, Option<Outcome>)>,
}

impl Burst {
    /// Whether requests really met each other. If a single process answers one after another, the first fills the cache
    /// and there is no stampede to prevent. A stale answer came before whoever refreshes was done.
    pub(crate) fn overlapped(&self) -> bool {
        self.collapsed > 0
            || self.stale > 0
            || self.origin_calls > 1
            || self.instances.is_some_and(|instances| instances > 1)
    }
}

/// Runs the bursts on the function with the slowest origin, where a stampede costs most. The one at expiry waits for it,
/// and is made only if it is over at `end`.
pub(crate) async fn run(session: &mut Session, end: Duration) -> Result<Vec<Burst>, String> {
    let origin = |index: &usize| session.traits[*index].origin;
    let slowest = (0..session.traits.len()).max_by_key(origin).unwrap_or(0);
    let mut bursts = Vec::new();
    let mut last = None;
    for number in 0..session.profile.bursts {
        let time_to_live = session
            .profile
            .budget
            .saturating_sub(session.client.elapsed());
        if interrupt::requested()
            || time_to_live < session.traits[slowest].origin + Duration::from_secs(1)
        {
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
        let in_time = due + origin + BURST_TIME <= end;
        in_time
            .then_some(due)
            .ok_or_else(|| format!("had {ttl} s to live"))
    });
    let due = match due {
        Ok(due) => due,
        Err(why_not) => {
            let name = &session.names[spec.function];
            session.limitations.push(format!(
                "no burst on an expired key: an entry of {name} {why_not}"
            ));
            return ControlFlow::Break(());
        }
    };
    interrupt::sleep(due.saturating_sub(session.client.elapsed())).await;
    if interrupt::requested() {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

/// What an entry has left of its life in whole seconds, and when it is over. An error ends a sentence about the entry.
fn time_to_live(sample: &Sample) -> Result<(u64, Duration), String> {
    let answer = match &sample.answer {
        Ok(answer) if answer.outcome.is_hit() => answer,
        Ok(_) => return Err("was gone already".to_owned()),
        Err(failure) => return Err(format!("was asked for in vain ({})", failure.label())),
    };
    let told = answer.ttl_s.ok_or("came without a ttl")?;
    let ttl = u64::try_from(told).map_err(|_| "had expired already")?;
    // A begun second may be left.
    let due = sample.sent + sample.latency + Duration::from_secs(ttl + 1);
    Ok((ttl, due))
}

async fn burst(
    session: &mut Session,
    (occasion, number): (BurstKind, usize),
    spec: &RequestSpec,
) -> Result<Burst, String> {
    let slot = |_| Slot {
        spec: spec.clone(),
        due: Some(Duration::ZERO),
    };
    let segment = Segment {
        users: USERS,
        slots: (0..USERS).map(slot).collect(),
    };
    let plan = Plan {
        phase: Phase::Stampede,
        segments: vec![segment],
    };
    let deadline = session.profile.budget;
    let collected = session
        .phase((Phase::Stampede, number), plan, deadline)
        .await?;
    let function = &session.names[spec.function];
    Ok(summarise(function, occasion, &collected.samples))
}

fn summarise(function: &str, occasion: BurstKind, samples: &[Sample]) -> Burst {
    let count = |test: fn(Outcome) -> bool| {
        samples
            .iter()
            .filter(|s| s.outcome().is_some_and(test))
            .count()
    };
    let first = samples.first().map_or(Duration::ZERO, |sample| sample.sent);
    let since = |at: Duration| at.saturating_sub(first).as_secs_f64() * 1e6;
    let told = |s: &Sample| {
        Some(
            s.answer
                .as_ref()
                .ok()?
                .diagnostics
                .as_ref()?
                .instance
                .clone(),
        )
    };
    let instances: BTreeSet<String> = samples.iter().filter_map(told).collect();
    Burst {
        function: function.to_owned(),
        occasion,
        callers: samples.len(),
        origin_calls: count(Outcome::called_origin),
        collapsed: count(|outcome| outcome == Outcome::Collapsed),
        hits: count(Outcome::is_hit),
        stale: count(|outcome| outcome == Outcome::Stale),
        failed: samples
            .iter()
            .filter(|sample| sample.answer.is_err())
            .count(),
        instances: (!instances.is_empty()).then_some(instances.len()),
        spread_us: samples.last().map_or(0.0, |last| since(last.sent)),
        lanes: samples
            .iter()
            .map(|s| (since(s.sent), since(s.sent + s.latency), s.outcome()))
            .collect(),
    }
}
