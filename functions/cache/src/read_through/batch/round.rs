//! One look at all keys that are still open, and what follows for each: served, called, or looked at again.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep_until};

use super::{
    super::{Lease, PLACEHOLDER_TTL_S, Snapshot},
    BatchCall, BatchKey, OriginKey, Permission,
    plan::{IfBeaten, Plan, mint},
};
use crate::{
    clock,
    fetched::Fetched,
    flight::FlightResult,
    outcome::{Freshness, Outcome, Uncoordinated},
    payload::Payload,
    store::{
        KeyKind, LookupOptions, LookupReply, StoreError,
        many::{Each, Precondition, Write},
    },
    telemetry::metrics::Counter,
};

/// What one look came to.
pub(super) struct Round<'a, T, A> {
    pub(super) served: Vec<(A, Fetched<T>)>,
    pub(super) called: Vec<OriginKey<'a, A>>,
    pub(super) waiting: Vec<BatchKey<'a, A>>,
    /// Something changed meanwhile: look again at once.
    pub(super) again: bool,
}

impl<'a> BatchCall<'a> {
    /// Looks after `pause`.
    pub(super) async fn round<T: DeserializeOwned, A: Clone>(
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
        let reply = self.look(&asked).await;
        let mut plans = Vec::with_capacity(asked.len());
        let mut known = Vec::with_capacity(asked.len());
        for (mut key, reply) in asked.into_iter().zip(&reply) {
            match reply {
                Ok(reply) => {
                    plans.push((self.plan(&mut key, reply), reply));
                    known.push(key);
                }
                Err(error) => round.alone(key, (*error).into()),
            }
        }
        let stored = self.write(&known, &plans).await;
        for ((key, (plan, reply)), stored) in known.into_iter().zip(plans).zip(stored) {
            self.settle(key, plan, reply, stored, &mut round);
        }
        if self.is_over() {
            for key in std::mem::take(&mut round.waiting) {
                round.called.push(OriginKey {
                    key,
                    right: Permission::WaitTimedOut(None),
                });
            }
        }
        round
    }

    /// Takes out those whose origin call of this process still runs or has ended well.
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
                Some(FlightResult::Failed) => round.alone(key, Uncoordinated::Waited),
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
                        None => round.alone(key, Uncoordinated::Waited),
                    }
                }
            }
        }
        asked
    }

    async fn look<A>(&self, asked: &[BatchKey<'a, A>]) -> Each<LookupReply> {
        let all_keys: Vec<_> = asked.iter().map(|key| &key.call.keys).collect();
        let lease = match self.freshness {
            Freshness::Refresh => None,
            _ => Some(PLACEHOLDER_TTL_S),
        };
        let marker = !self.policy.stale().is_zero();
        let store = &self.cache.store;
        let options = LookupOptions { marker, lease };
        // As in a single call: only the first lookup counts against the budget.
        if asked.iter().any(|key| key.waited) {
            return store
                .lookup_many(&all_keys, options, self.budget.off_path())
                .await;
        }
        let exchange = store.lookup_many(&all_keys, options, self.budget.left());
        self.budget.spend(exchange).await
    }

    /// What all plans write, in one write a server. Answers each plan that writes; a mint's answer is its last write's.
    async fn write<T, A>(
        &self,
        keys: &[BatchKey<'a, A>],
        plans: &[(Plan<'_, T, A>, &LookupReply)],
    ) -> Vec<Option<Result<bool, StoreError>>> {
        let mut writes = Vec::new();
        let mut whose = Vec::new();
        for (place, (key, (plan, reply))) in keys.iter().zip(plans).enumerate() {
            match plan {
                Plan::Try(attempt) => writes.push(Write {
                    keys: &key.call.keys,
                    kind: attempt.kind,
                    bytes: attempt.record.clone(),
                    life: key.call.lease_life(),
                    precondition: attempt.precondition,
                }),
                Plan::Mint => mint(key, reply, &mut writes),
                _ => {}
            }
            whose.resize(writes.len(), place);
        }
        let mut answers: Vec<_> = keys.iter().map(|_| None).collect();
        if !writes.is_empty() {
            let exchange = self.cache.store.write_many(&writes, self.budget.left());
            for (place, answer) in whose.into_iter().zip(self.budget.spend(exchange).await) {
                answers[place] = Some(answer);
            }
        }
        answers
    }

    fn settle<T: DeserializeOwned, A: Clone>(
        &self,
        key: BatchKey<'a, A>,
        plan: Plan<'_, T, A>,
        reply: &LookupReply,
        stored: Option<Result<bool, StoreError>>,
        round: &mut Round<'a, T, A>,
    ) {
        match (plan, stored) {
            (Plan::Serve(values), _) => round.served.extend(values),
            (Plan::Lead(hold), _) => round.lead(key, hold),
            (Plan::Uncoordinated(why), _) => round.alone(key, why),
            (plan, Some(Err(error))) => {
                // A copy that was read is served, whatever fails after that.
                let copy = match &plan {
                    Plan::Try(attempt) => key.each(|| key.call.serve_copy(&attempt.snapshot)),
                    _ => None,
                };
                match copy {
                    Some(values) => round.served.extend(values),
                    None => round.alone(key, error.into()),
                }
            }
            (Plan::Try(attempt), Some(Ok(true))) => {
                let ours = key.won.map_or(Precondition::Absent, Precondition::Cas);
                if attempt.kind == KeyKind::Item
                    && ![Precondition::Absent, ours].contains(&attempt.precondition)
                {
                    key.call.counters.increment(Counter::LeaseTakenOver);
                }
                round.lead(key, attempt.hold);
            }
            (Plan::Try(attempt), _) => {
                attempt.hold.release.disarm();
                let stale = match attempt.lost {
                    IfBeaten::ServeStale => key.each(|| key.call.serve_stale(&attempt.snapshot)),
                    IfBeaten::Again => {
                        round.again = true;
                        None
                    }
                    IfBeaten::Wait => None,
                };
                match stale {
                    Some(values) => round.served.extend(values),
                    None => round.wait(key),
                }
            }
            (Plan::Mint | Plan::Again, _) => {
                round.again = true;
                round.waiting.push(key);
            }
            (Plan::Wait, _) if self.is_over() => {
                let stale = Snapshot::new(&key.call, reply).stale(&key.call);
                round.called.push(OriginKey {
                    key,
                    right: Permission::WaitTimedOut(stale),
                });
            }
            (Plan::Wait, _) => round.wait(key),
        }
    }
}

impl<'a, T, A> Round<'a, T, A> {
    fn lead(&mut self, key: BatchKey<'a, A>, hold: Box<Lease>) {
        let right = Permission::Lead(hold);
        self.called.push(OriginKey { key, right });
    }

    fn wait(&mut self, mut key: BatchKey<'a, A>) {
        if !std::mem::replace(&mut key.waited, true) {
            key.call.counters.increment(Counter::LeaseWaited);
        }
        self.waiting.push(key);
    }

    fn alone(&mut self, key: BatchKey<'a, A>, why: Uncoordinated) {
        let right = Permission::Uncoordinated(why);
        self.called.push(OriginKey { key, right });
    }
}
