//! Many keys in one call: one lookup on each server, one origin call for all keys that are missing,
//! and one write on each server for their fills.
//!
//! Each key follows the same table as a single call and has its own lease; only the exchanges are
//! shared. The origin is called at once for the leases that were won, while the call waits for
//! those that other callers hold. If it waited first, two calls could wait for each other.

use std::{collections::HashMap, hash::Hash, pin::pin, sync::Arc, time::Duration};

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{
    Call, Permission, Progress,
    backoff::{self, Backoff},
    exchange::Exchanges,
    near::copied,
};
use crate::{
    budget::Budget,
    fetched::Fetched,
    flight::Flight,
    key::Key,
    near::Keep,
    outcome::{Bypass, Freshness, Uncoordinated},
    policy::PolicyParts,
    shared::Shared,
    store::LookupReply,
    telemetry::events::{self, Event},
    telemetry::metrics::Counter,
};

mod compute;
mod round;

/// What the keys of one call share.
struct BatchCall<'a> {
    cache: &'a Arc<Shared>,
    policy: &'a PolicyParts,
    freshness: Freshness,
    budget: Budget,
    begun: Instant,
}

/// One key, with all arguments that were given for it.
struct BatchKey<'a, A> {
    call: Call<'a>,
    asked: Vec<A>,
    progress: Progress,
    backoff: Backoff<'a>,
    /// The last lookup, if it showed an entry: a copy that may be served.
    copy: Option<LookupReply>,
    flight: Option<JoinedFlight>,
}

/// An origin call of this process that a key waits for.
struct JoinedFlight {
    flight: Arc<Flight>,
    /// Then it is looked up again: the leader may not be polled, and others may have taken over.
    until: Instant,
}

/// A key for which the origin is called.
struct OriginKey<'a, A> {
    key: BatchKey<'a, A>,
    permission: Permission,
}

/// Gets the values of many keys, each with the argument by which the origin knows it. Arguments
/// that the origin does not answer are not in the result.
pub(crate) async fn read_through_many<K, A, T, E, M, F, Fut>(
    cache: &Arc<Shared>,
    keyed: &[(Key, A)],
    policy: &PolicyParts,
    freshness: Freshness,
    deadline: Option<Instant>,
    mut origin: F,
) -> Result<HashMap<A, Fetched<T>>, E>
where
    K: Keep<T>,
    A: Clone + Eq + Hash,
    T: Serialize + DeserializeOwned,
    M: IntoIterator<Item = (A, T)>,
    F: FnMut(Vec<A>) -> Fut,
    Fut: Future<Output = Result<M, E>>,
{
    let batch = BatchCall::new(cache, policy, freshness, deadline);
    let name = keyed.first().map_or("", |(key, _)| key.name());
    let mut call = |called: Vec<_>| {
        let missing = called
            .iter()
            .flat_map(|called: &OriginKey<'_, A>| called.key.asked.iter());
        let answers = origin(missing.cloned().collect());
        batch.compute(called, answers.instrument(events::origin(name)))
    };
    let mut values = HashMap::with_capacity(keyed.len());
    let keys = batch.group(keyed, deadline);
    let keys = batch.answered::<K, A, T>(keys, &mut values);
    let mut computing = FuturesUnordered::new();
    let (mut waiting, keys) = match batch.bypass(name) {
        Some(why) if !keys.is_empty() => {
            let permission = || Permission::Uncoordinated(Uncoordinated::Bypassed(why));
            let called = keys.into_iter().map(|key| OriginKey {
                key,
                permission: permission(),
            });
            computing.push(call(called.collect()));
            (false, Vec::new())
        }
        _ => (!keys.is_empty(), keys),
    };
    let mut looking = pin!(batch.round::<K, T, A>(keys, Duration::ZERO));
    loop {
        let round = tokio::select! {
            biased;
            Some(computed) = computing.next(), if !computing.is_empty() => {
                values.extend(computed.inspect_err(|_| batch.failed(keyed))?);
                continue;
            }
            round = &mut looking, if waiting => round,
            else => break,
        };
        values.extend(round.served);
        if !round.called.is_empty() {
            computing.push(call(round.called));
        }
        waiting = !round.waiting.is_empty();
        if waiting {
            let pause = if round.again {
                Duration::ZERO
            } else {
                backoff::pause(batch.begun)
            };
            looking.set(batch.round::<K, T, A>(round.waiting, pause));
        }
    }
    let mut fetched_by_argument = HashMap::with_capacity(values.len());
    for (key, argument) in keyed {
        // Each argument once, even if it was given several times.
        if let Some((argument, mut fetched)) = values.remove_entry(argument) {
            if !fetched.near {
                fetched.cache_time = batch.budget.spent();
            }
            let counters = cache.counters.of(key.name());
            cache.publish(&counters, &Event::value(key.name(), &fetched));
            fetched_by_argument.insert(argument, fetched);
        }
    }
    Ok(fetched_by_argument)
}

impl<'a> BatchCall<'a> {
    fn new(
        cache: &'a Arc<Shared>,
        policy: &'a PolicyParts,
        freshness: Freshness,
        deadline: Option<Instant>,
    ) -> Self {
        let budget = Budget::new(cache.budget, deadline);
        Self {
            cache,
            policy,
            freshness,
            begun: Instant::now(),
            budget,
        }
    }

    /// Each key once: two leases on one key would wait for each other.
    fn group<A: Clone + Eq>(
        &self,
        keyed: &'a [(Key, A)],
        deadline: Option<Instant>,
    ) -> Vec<BatchKey<'a, A>> {
        let mut places = HashMap::with_capacity(keyed.len());
        let mut keys: Vec<BatchKey<'a, A>> = Vec::with_capacity(keyed.len());
        for (key, argument) in keyed {
            let place = *places.entry(key).or_insert(keys.len());
            if place == keys.len() {
                let call = Call::new(self.cache, key, self.policy, deadline);
                let (pollers, until) = (&self.cache.pollers, call.until);
                keys.push(BatchKey {
                    backoff: Backoff::new(pollers, key.digest(), self.begun, until),
                    call,
                    asked: Vec::with_capacity(1),
                    progress: Progress::default(),
                    copy: None,
                    flight: None,
                });
            }
            let asked = &mut keys[place].asked;
            if !asked.contains(argument) {
                asked.push(argument.clone());
            }
        }
        keys
    }

    /// Takes out the keys that copies in this process answer.
    fn answered<K: Keep<T>, A: Clone + Eq + Hash, T>(
        &self,
        keys: Vec<BatchKey<'a, A>>,
        values: &mut HashMap<A, Fetched<T>>,
    ) -> Vec<BatchKey<'a, A>> {
        if self.policy.near.is_zero() {
            return keys;
        }
        let copied = |key: &BatchKey<'a, A>| {
            let copied = copied::<K, T>(self.cache, key.call.key, self.policy, self.freshness);
            copied.map(|(fetched, saved)| {
                key.call.counters.add(Counter::OriginMicrosSaved, saved);
                fetched
            })
        };
        let mut open = Vec::with_capacity(keys.len());
        for key in keys {
            match key.each(|| copied(&key)) {
                Some(copies) => values.extend(copies),
                None => open.push(key),
            }
        }
        open
    }

    /// One origin call for all keys is one failure, which counts for the function of the first key.
    fn failed<A>(&self, keyed: &[(Key, A)]) {
        if let Some((key, _)) = keyed.first() {
            let event = Event::error(key.name(), self.budget.spent());
            self.cache
                .publish(&self.cache.counters.of(key.name()), &event);
        }
    }

    fn bypass(&self, name: &str) -> Option<Bypass> {
        match self.freshness {
            // As in a single call.
            _ if self.cache.disabled || self.cache.has_no_runtime(name) => Some(Bypass::Disabled),
            Freshness::Bypass => Some(Bypass::Requested),
            Freshness::Normal | Freshness::Refresh => None,
        }
    }

    fn exchanges(&self) -> Exchanges<'_> {
        Exchanges {
            cache: self.cache,
            budget: &self.budget,
        }
    }
}

impl<A: Clone> BatchKey<'_, A> {
    /// A value for each argument that was given for this key.
    fn each<T>(&self, value: impl Fn() -> Option<Fetched<T>>) -> Option<Vec<(A, Fetched<T>)>> {
        self.asked
            .iter()
            .map(|argument| Some((argument.clone(), value()?)))
            .collect()
    }
}
