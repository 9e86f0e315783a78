//! One lookup of all keys that are still open, and what follows for each: it is served, computed,
//! or looked up again.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep_until};

use super::{
    super::{
        PLACEHOLDER_TTL_S, Permission, Progress, Snapshot,
        exchange::PlannedWrite,
        plan::{ClaimResult, Plan},
    },
    BatchCall, BatchKey, JoinedFlight, OriginKey,
};
use crate::{
    fetched::Fetched,
    flight::FlightResult,
    near::Keep,
    outcome::{Bypass, Freshness, Uncoordinated},
    store::{ItemState, LookupOptions, LookupReply, StoreError, many::Each},
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
            let due = Instant::now() + pause;
            let first = keys.iter().map(|key| key.backoff.until()).min();
            sleep_until(first.map_or(due, |first| first.min(due))).await;
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
            Freshness::Normal => asked.iter().map(|key| key.call.noted()).collect(),
            _ => asked.iter().map(|_| None).collect(),
        };
        let near = notes.iter().any(Option::is_some);
        let replies = self.look(&asked, near).await;
        // Not while placeholders that were just won have no guard yet.
        let won = |reply: &Result<LookupReply, StoreError>| {
            reply
                .as_ref()
                .is_ok_and(|reply| matches!(reply.item, ItemState::Won(_)))
        };
        if near && !replies.iter().any(won) {
            self.keep_up(&asked, &replies).await;
        }
        let mut open = Vec::with_capacity(asked.len());
        for ((mut key, reply), noted) in asked.into_iter().zip(&replies).zip(notes) {
            let reply = match reply {
                Ok(reply) => reply,
                Err(error) if key.backoff.bears(*error) => {
                    round.waiting.push(key);
                    continue;
                }
                Err(error) => {
                    round.serve_copy(key, (*error).into());
                    continue;
                }
            };
            key.backoff.answered();
            let snapshot = Snapshot::new(&key.call, reply);
            let plan = if self.freshness == Freshness::Refresh {
                key.call.plan_refresh(&mut key.progress, &snapshot)
            } else {
                let decision = key.call.decision(&key.progress, &snapshot);
                let waited = key.backoff.has_waited();
                if let Some(values) = key.each(|| key.call.answer(decision, &snapshot, waited)) {
                    if let (Some(noted), Some((_, fetched))) = (&noted, values.first()) {
                        let call = &key.call;
                        call.keep::<K, T>(noted, decision, &snapshot, reply, fetched);
                    }
                    key.backoff.changed();
                    round.served.extend(values);
                    continue;
                }
                let (progress, backoff) = (&mut key.progress, &mut key.backoff);
                key.call.note(decision, progress, &snapshot, backoff);
                key.call.plan(progress, &snapshot, decision)
            };
            key.copy = snapshot.entry.is_some().then(|| reply.clone());
            if let Plan::Wait = plan {
                let flight = key.call.flight(&snapshot);
                let until = Instant::now() + self.policy.lease;
                key.flight = flight.map(|flight| JoinedFlight { flight, until });
            }
            let writes = key.call.planned_writes(&plan, reply);
            open.push((key, plan, snapshot, writes));
        }
        let written = self.write(&open).await;
        for ((mut key, plan, snapshot, _), written) in open.into_iter().zip(written) {
            let claimed = key.call.claimed(&mut key.progress, plan, written);
            self.settle(key, claimed, &snapshot, &mut round);
        }
        for key in std::mem::take(&mut round.waiting) {
            if key.backoff.is_over() {
                let copy = key.copied();
                let stale = copy.and_then(|snapshot| snapshot.stale(&key.call));
                round.call(key, Permission::WaitTimedOut(stale));
            } else {
                round.waiting.push(key);
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
            let Some(joined) = key.flight.take() else {
                asked.push(key);
                continue;
            };
            match joined.flight.result() {
                None if joined.until <= Instant::now() => asked.push(key),
                None => {
                    key.flight = Some(joined);
                    round.waiting.push(key);
                }
                Some(FlightResult::Failed) => {
                    round.call(key, Permission::Uncoordinated(Uncoordinated::Waited));
                }
                Some(FlightResult::Left) => asked.push(key),
                Some(FlightResult::Value {
                    payload,
                    created,
                    fresh_until,
                }) => {
                    let value = || key.call.flight_value(&payload, created, fresh_until);
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
                key.call.keep_up(reply, &self.budget).await;
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
        if asked.iter().any(|key| key.backoff.has_waited()) {
            return store
                .lookup_many(&all_keys, options, self.budget.off_path())
                .await;
        }
        let exchange = store.lookup_many(&all_keys, options, self.budget.left());
        self.budget.spend(exchange).await
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
                round.serve_copy(key, why);
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
    fn call(&mut self, mut key: BatchKey<'a, A>, permission: Permission) {
        // A placeholder that was not used is given back before the origin is called.
        key.progress = Progress::default();
        self.called.push(OriginKey { key, permission });
    }

    fn wait(&mut self, mut key: BatchKey<'a, A>) {
        key.backoff.begin();
        self.waiting.push(key);
    }

    /// The store has failed: the copy that was read is served if the policy allows it.
    fn serve_copy(&mut self, key: BatchKey<'a, A>, why: Uncoordinated)
    where
        T: DeserializeOwned,
        A: Clone,
    {
        let values = key
            .copied()
            .and_then(|snapshot| key.each(|| key.call.serve_copy(&snapshot)));
        match values {
            Some(values) => self.served.extend(values),
            None => self.call(key, Permission::Uncoordinated(why)),
        }
    }
}

impl<A> BatchKey<'_, A> {
    fn copied(&self) -> Option<Snapshot<'_>> {
        let copy = self.copy.as_ref();
        copy.map(|reply| Snapshot::again(&self.call, reply))
    }
}
