//! One look at all keys that are still open, and what follows for each: served, called, or looked at again.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep_until};

use super::{
    super::{BARE, Hold, Seen},
    Called, Many, One, Right,
    plan::{Faster, Plan, mint},
};
use crate::{
    clock,
    fetched::Fetched,
    flight::Landing,
    outcome::{Alone, Freshness, Outcome},
    payload::Packed,
    store::{
        Ask, Looked, Slot, StoreError, Stored,
        many::{Each, Over, Write},
    },
    telemetry::metrics::Count,
};

/// What one look came to.
pub(super) struct Pass<'a, T, A> {
    pub(super) served: Vec<(A, Fetched<T>)>,
    pub(super) called: Vec<Called<'a, A>>,
    pub(super) waiting: Vec<One<'a, A>>,
    /// Something changed meanwhile: look again at once.
    pub(super) again: bool,
}

impl<'a> Many<'a> {
    /// Looks after `pause`.
    pub(super) async fn pass<T: DeserializeOwned, A: Clone>(
        &self,
        ones: Vec<One<'a, A>>,
        pause: Duration,
    ) -> Pass<'a, T, A> {
        if !pause.is_zero() {
            sleep_until(self.until.min(Instant::now() + pause)).await;
        }
        let mut pass = Pass {
            served: Vec::new(),
            called: Vec::new(),
            waiting: Vec::new(),
            again: false,
        };
        let asked = self.landed(ones, &mut pass);
        let looked = self.look(&asked).await;
        let mut plans = Vec::with_capacity(asked.len());
        let mut known = Vec::with_capacity(asked.len());
        for (mut one, looked) in asked.into_iter().zip(&looked) {
            match looked {
                Ok(looked) => {
                    plans.push((self.plan(&mut one, looked), looked));
                    known.push(one);
                }
                Err(error) => pass.alone(one, (*error).into()),
            }
        }
        let stored = self.write(&known, &plans).await;
        for ((one, (plan, looked)), stored) in known.into_iter().zip(plans).zip(stored) {
            self.settle(one, plan, looked, stored, &mut pass);
        }
        if self.is_over() {
            for one in std::mem::take(&mut pass.waiting) {
                pass.called.push(Called {
                    one,
                    right: Right::Late(None),
                });
            }
        }
        pass
    }

    /// Takes out those whose origin call of this process still runs or has ended well.
    fn landed<T: DeserializeOwned, A: Clone>(
        &self,
        ones: Vec<One<'a, A>>,
        pass: &mut Pass<'a, T, A>,
    ) -> Vec<One<'a, A>> {
        let mut asked = Vec::with_capacity(ones.len());
        for mut one in ones {
            let Some(flight) = one.flight.take() else {
                asked.push(one);
                continue;
            };
            match flight.landed() {
                None => {
                    one.flight = Some(flight);
                    pass.waiting.push(one);
                }
                Some(Landing::Failed) => asked.push(one),
                Some(Landing::Value {
                    payload,
                    created,
                    ttl,
                }) => {
                    let age = clock::since(one.call.cache.clock().now(), created);
                    let value = || {
                        let call = &one.call;
                        call.decoded(Packed::Plain(&payload), age, Outcome::Collapsed, ttl)
                    };
                    match one.each(value) {
                        Some(values) => pass.served.extend(values),
                        None => asked.push(one),
                    }
                }
            }
        }
        asked
    }

    async fn look<A>(&self, asked: &[One<'a, A>]) -> Each<Looked> {
        let ats: Vec<_> = asked.iter().map(|one| &one.call.at).collect();
        let lease = match self.freshness {
            Freshness::Refresh => None,
            _ => Some(BARE),
        };
        let marker = !self.policy.stale().is_zero();
        let store = self.cache.store();
        let ask = Ask { marker, lease };
        // As in a single call: only the first lookup counts against the budget.
        if asked.iter().any(|one| one.waited) {
            return store.lookup_many(&ats, ask, self.budget.beside()).await;
        }
        let exchange = store.lookup_many(&ats, ask, self.budget.left());
        self.budget.spend(exchange).await
    }

    /// What all plans write, in one write a server. Answers each plan that writes; a mint's answer is its last write's.
    async fn write<T, A>(
        &self,
        ones: &[One<'a, A>],
        plans: &[(Plan<'_, T, A>, &Looked)],
    ) -> Vec<Option<Result<Stored, StoreError>>> {
        let mut writes = Vec::new();
        let mut whose = Vec::new();
        for (place, (one, (plan, looked))) in ones.iter().zip(plans).enumerate() {
            match plan {
                Plan::Try(attempt) => writes.push(Write {
                    at: &one.call.at,
                    slot: attempt.slot,
                    bytes: attempt.record.clone(),
                    life: one.call.lease_life(),
                    over: attempt.over,
                }),
                Plan::Mint => mint(one, looked, &mut writes),
                _ => {}
            }
            whose.resize(writes.len(), place);
        }
        let mut answers: Vec<_> = ones.iter().map(|_| None).collect();
        if !writes.is_empty() {
            let exchange = self.cache.store().write_many(&writes, self.budget.left());
            for (place, answer) in whose.into_iter().zip(self.budget.spend(exchange).await) {
                answers[place] = Some(answer);
            }
        }
        answers
    }

    fn settle<T: DeserializeOwned, A: Clone>(
        &self,
        one: One<'a, A>,
        plan: Plan<'_, T, A>,
        looked: &Looked,
        stored: Option<Result<Stored, StoreError>>,
        pass: &mut Pass<'a, T, A>,
    ) {
        match (plan, stored) {
            (Plan::Serve(values), _) => pass.served.extend(values),
            (Plan::Lead(hold), _) => pass.lead(one, hold),
            (Plan::Alone(why), _) => pass.alone(one, why),
            (_, Some(Err(error))) => pass.alone(one, error.into()),
            (Plan::Try(attempt), Some(Ok(Stored::Yes))) => {
                let ours = one.won.map_or(Over::Nothing, Over::Number);
                if attempt.slot == Slot::Item && ![Over::Nothing, ours].contains(&attempt.over) {
                    one.call.counters.one(Count::LeaseTakenOver);
                }
                pass.lead(one, attempt.hold);
            }
            (Plan::Try(attempt), _) => {
                attempt.hold.release.disarm();
                let stale = match attempt.lost {
                    Faster::ServeStale => one.each(|| one.call.serve_stale(&attempt.seen)),
                    Faster::Again => {
                        pass.again = true;
                        None
                    }
                    Faster::Wait => None,
                };
                match stale {
                    Some(values) => pass.served.extend(values),
                    None => pass.wait(one),
                }
            }
            (Plan::Mint | Plan::Again, _) => {
                pass.again = true;
                pass.waiting.push(one);
            }
            (Plan::Wait, _) if self.is_over() => {
                let stale = Seen::new(&one.call, looked).stale(&one.call);
                pass.called.push(Called {
                    one,
                    right: Right::Late(stale),
                });
            }
            (Plan::Wait, _) => pass.wait(one),
        }
    }
}

impl<'a, T, A> Pass<'a, T, A> {
    fn lead(&mut self, one: One<'a, A>, hold: Box<Hold>) {
        let right = Right::Lead(hold);
        self.called.push(Called { one, right });
    }

    fn wait(&mut self, mut one: One<'a, A>) {
        if !std::mem::replace(&mut one.waited, true) {
            one.call.counters.one(Count::LeaseWaited);
        }
        self.waiting.push(one);
    }

    fn alone(&mut self, one: One<'a, A>, why: Alone) {
        let right = Right::Alone(why);
        self.called.push(Called { one, right });
    }
}
