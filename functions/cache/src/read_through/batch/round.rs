//! One lookup of all keys that are still open, and what follows for each: it is served, computed,
//! or looked up again.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep_until};

use super::{
    super::{
        PLACEHOLDER_TTL_S, Permission, Snapshot,
        exchange::PlannedWrite,
        plan::{ClaimResult, Plan},
    },
    BatchCall, BatchKey, OriginKey,
};
use crate::{
    clock,
    fetched::Fetched,
    flight::FlightResult,
    near::Keep,
    outcome::{Bypass, Freshness, Outcome, Uncoordinated},
    payload::Payload,
    store::{LookupOptions, LookupReply, StoreError, many::Each},
    telemetry::metrics::Counter,
};

/// The result of one round.
pub(super) struct Round<'a, T, A> {
    pub(super) served: Vec<(A, Fetched<T>)>,
    pub(super) called: Vec<OriginKey<'a, A>>,
    pub(super) waiting: Vec<BatchKey<'a, A>>,
    /// An item has changed: look up again at once.
    pub(super) again: bool,
}

impl<'a> BatchCall<'a> {
    /// Looks up after `pause`.
    pub(super) async fn round<K: Keep<T>, T: DeserializeOwned, A: Clone>(
        &self,
        keys: Vec<BatchKey<'a, A>>,
        pause: Duration,
    ) -> Round<'a, T, A> {
        if !pause.is_zero() {
            sleep_until(self.until.min(Instant::now() + pause)).await;
        }
        let mut round = Round {
            served: Vec::new(),
            called: Vec::new(),
            waiting: Vec::new(),
            again: false,
        };
        let asked = self.landed(keys, &mut round);
        // Before the lookup is sent.
        let notes: Vec<_> = match self.freshness {
            Freshness::Normal => asked.iter().map(|key| key.call.note()).collect(),
            _ => asked.iter().map(|_| None).collect(),
        };
        let near = notes.iter().any(Option::is_some);
        let replies = self.look(&asked, near).await;
        if near {
            self.keep_up(&asked, &replies).await;
        }
        let mut open = Vec::with_capacity(asked.len());
        for ((mut key, reply), noted) in asked.into_iter().zip(&replies).zip(notes) {
            let reply = match reply {
                Ok(reply) => reply,
                Err(error) => {
                    round.call(key, Permission::Uncoordinated((*error).into()));
                    continue;
                }
            };
            let snapshot = Snapshot::new(&key.call, reply);
            if let Some(values) = self.serve(&key, &snapshot) {
                if let (Some(noted), Some((_, fetched))) = (&noted, values.first()) {
                    let decision = key.call.decision(&key.progress, &snapshot);
                    let call = &key.call;
                    call.keep::<K, T>(noted, decision, &snapshot, reply, fetched);
                }
                round.served.extend(values);
                continue;
            }
            let plan = if self.freshness == Freshness::Refresh {
                key.call.plan_refresh(&mut key.progress, &snapshot)
            } else {
                key.call.plan(&mut key.progress, &snapshot)
            };
            if let Plan::Wait = plan {
                key.flight = key.call.flight(&snapshot);
            }
            let writes = key.call.planned_writes(&plan, reply);
            open.push((key, plan, snapshot, writes));
        }
        let written = self.write(&open).await;
        for ((key, plan, snapshot, _), written) in open.into_iter().zip(written) {
            let claimed = key.call.claimed(&key.progress, plan, written);
            self.settle(key, claimed, &snapshot, &mut round);
        }
        if self.is_over() {
            for key in std::mem::take(&mut round.waiting) {
                round.call(key, Permission::WaitTimedOut(None));
            }
        }
        round
    }

    /// Takes out the keys whose origin call in this process is running or has succeeded.
    fn landed<T: DeserializeOwned, A: Clone>(
        &self,
        keys: Vec<BatchKey<'a, A>>,
        round: &mut Round<'a, T, A>,
    ) -> Vec<BatchKey<'a, A>> {
        let mut asked = Vec::with_capacity(keys.len());
        for mut key in keys {
            let Some(flight) = key.flight.take() else {
                asked.push(key);
                continue;
            };
            match flight.result() {
                None => {
                    key.flight = Some(flight);
                    round.waiting.push(key);
                }
                Some(FlightResult::Failed) => {
                    round.call(key, Permission::Uncoordinated(Uncoordinated::Waited));
                }
                Some(FlightResult::Left) => asked.push(key),
                Some(FlightResult::Value {
                    payload,
                    created,
                    ttl,
                }) => {
                    let age = clock::since(key.call.cache.clock.now(), created);
                    let value = || {
                        let call = &key.call;
                        call.decoded(Payload::Plain(&payload), age, Outcome::Collapsed, ttl)
                    };
                    match key.each(value) {
                        Some(values) => round.served.extend(values),
                        None => {
                            round.call(key, Permission::Uncoordinated(Uncoordinated::Waited));
                        }
                    }
                }
            }
        }
        asked
    }

    /// The records that the lookup has shown, of each name and server once.
    async fn keep_up<A>(&self, asked: &[BatchKey<'a, A>], replies: &Each<LookupReply>) {
        let mut last: Option<(&str, &LookupReply)> = None;
        for (key, reply) in asked.iter().zip(replies) {
            let (name, Ok(reply)) = (key.call.key.name(), reply) else {
                continue;
            };
            if last.is_none_or(|(other, shown)| other != name || shown.near != reply.near) {
                key.call.keep_up(reply).await;
                last = Some((name, reply));
            }
        }
    }

    async fn look<A>(&self, asked: &[BatchKey<'a, A>], near: bool) -> Each<LookupReply> {
        let all_keys: Vec<_> = asked.iter().map(|key| &key.call.keys).collect();
        let lease = match self.freshness {
            Freshness::Refresh => None,
            _ => Some(PLACEHOLDER_TTL_S),
        };
        let marker = !self.policy.stale().is_zero();
        let store = &self.cache.store;
        let options = LookupOptions {
            marker,
            lease,
            near,
        };
        // As in a single call, only the first lookup is charged to the budget.
        if asked.iter().any(|key| key.waited) {
            return store
                .lookup_many(&all_keys, options, self.budget.off_path())
                .await;
        }
        let exchange = store.lookup_many(&all_keys, options, self.budget.left());
        self.budget.spend(exchange).await
    }

    fn serve<T: DeserializeOwned, A: Clone>(
        &self,
        key: &BatchKey<'a, A>,
        snapshot: &Snapshot<'_>,
    ) -> Option<Vec<(A, Fetched<T>)>> {
        match key.call.decision(&key.progress, snapshot) {
            _ if self.freshness == Freshness::Refresh => None,
            decision => key.each(|| key.call.answer(decision, snapshot, key.waited)),
        }
    }

    /// Executes all plans, in one write on each server. The result of each plan that writes is that
    /// of its last write.
    async fn write<A>(&self, open: &[Open<'a, '_, A>]) -> Vec<Option<Result<bool, StoreError>>> {
        let (mut places, mut planned) = (Vec::new(), Vec::new());
        for (place, (key, _, _, writes)) in open.iter().enumerate() {
            planned.extend(writes.iter().map(|write| (&key.call.keys, write)));
            places.resize(planned.len(), place);
        }
        let mut results: Vec<_> = open.iter().map(|_| None).collect();
        let written = self.exchanges().write_planned(&planned).await;
        for (place, written) in places.into_iter().zip(written) {
            results[place] = Some(written);
        }
        results
    }

    fn settle<T: DeserializeOwned, A: Clone>(
        &self,
        key: BatchKey<'a, A>,
        claimed: Result<ClaimResult, Uncoordinated>,
        snapshot: &Snapshot<'_>,
        round: &mut Round<'a, T, A>,
    ) {
        match claimed {
            Ok(ClaimResult::Won(lease)) => round.call(key, Permission::Lead(lease)),
            // A copy that was read is served, even if something fails after that.
            Err(why @ (Uncoordinated::Failed(_) | Uncoordinated::Bypassed(Bypass::Breaker))) => {
                match key.each(|| key.call.serve_copy(snapshot)) {
                    Some(values) => round.served.extend(values),
                    None => round.call(key, Permission::Uncoordinated(why)),
                }
            }
            Err(why) => round.call(key, Permission::Uncoordinated(why)),
            Ok(ClaimResult::Again) => {
                round.again = true;
                round.waiting.push(key);
            }
            Ok(ClaimResult::ServeStale) => match key.each(|| key.call.serve_stale(snapshot)) {
                Some(values) => round.served.extend(values),
                None => round.wait(key),
            },
            Ok(ClaimResult::Wait) if self.is_over() => {
                let stale = snapshot.stale(&key.call);
                round.call(key, Permission::WaitTimedOut(stale));
            }
            Ok(ClaimResult::Wait) => round.wait(key),
        }
    }
}

/// A key that was not served from its lookup: with its plan, and what that writes.
type Open<'a, 's, A> = (
    BatchKey<'a, A>,
    Plan<'s>,
    Snapshot<'s>,
    Vec<PlannedWrite<'s>>,
);

impl<'a, T, A> Round<'a, T, A> {
    fn call(&mut self, key: BatchKey<'a, A>, permission: Permission) {
        self.called.push(OriginKey { key, permission });
    }

    fn wait(&mut self, mut key: BatchKey<'a, A>) {
        if !std::mem::replace(&mut key.waited, true) {
            key.call.counters.increment(Counter::LeaseWaited);
        }
        self.waiting.push(key);
    }
}
