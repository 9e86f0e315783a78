//! One look at all keys that are still open, and what follows for each: served, called, or looked at again.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep_until};

use super::{
    super::{
        BARE, Hold, MINTS, ORPHANED, Release, Seen,
        claim::{Claim, Tried, Why},
    },
    Called, Many, One, Right,
};
use crate::{
    clock,
    entry::{Generation, Lease},
    fetched::Fetched,
    flight::Landing,
    lease::{self, Item, Lost, Step},
    metrics::Count,
    outcome::{Alone, Freshness, Outcome},
    payload::Packed,
    random,
    store::{
        Ask, Lifetime, Looked, Slot, StoreError, Stored,
        many::{Each, Over, Write},
    },
};

/// What one look came to.
pub(super) struct Pass<'a, T, A> {
    pub(super) served: Vec<(A, Fetched<T>)>,
    pub(super) called: Vec<Called<'a, A>>,
    pub(super) waiting: Vec<One<'a, A>>,
    /// Something changed meanwhile: look again at once.
    pub(super) again: bool,
}

/// What follows for one key.
enum Plan<'s, T, A> {
    Serve(Vec<(A, Fetched<T>)>),
    Lead(Box<Hold>),
    Try(Box<Attempt<'s>>),
    Mint,
    Wait,
    Again,
    Alone(Alone),
}

/// A write that would give the right to call the origin.
struct Attempt<'s> {
    slot: Slot,
    record: Vec<u8>,
    over: Over,
    hold: Box<Hold>,
    seen: Seen<'s>,
    /// What somebody else's being faster means.
    lost: Faster,
}

enum Faster {
    Wait,
    ServeStale,
    Again,
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
                Some(Landing::Value { payload, created }) => {
                    let ttl = self.policy.ttl.as_secs() as i64;
                    let value = || {
                        let call = &one.call;
                        call.decoded(Packed::Plain(&payload), created, Outcome::Collapsed, ttl)
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
        self.budget.time(exchange).await
    }

    fn plan<'s, T: DeserializeOwned, A: Clone>(
        &self,
        one: &mut One<'a, A>,
        looked: &'s Looked,
    ) -> Plan<'s, T, A> {
        let seen = Seen::new(&one.call, looked);
        let bare = seen.item == Item::Bare;
        one.bare = bare.then(|| one.bare.unwrap_or_else(Instant::now));
        let orphaned = one.bare.is_some_and(|since| since.elapsed() > ORPHANED);
        let number = seen.there.and_then(|there| there.number);
        let ours = bare && one.won.is_some() && one.won == number;
        if seen.stamp.is_none() {
            one.won = seen.won.or(one.won);
            one.mints += 1;
            return if one.mints > MINTS {
                Plan::Alone(Alone::Waited)
            } else {
                Plan::Mint
            };
        }
        if self.freshness == Freshness::Refresh {
            return self.plan_refresh(one, seen);
        }
        let plan = match lease::step(seen.item, seen.marker, Some(())) {
            Step::Hit => one.each(|| one.call.serve(&seen, one.waited)),
            Step::ServeStale => one.each(|| one.call.serve_stale(&seen)),
            Step::Refresh(lost) => {
                let lost = match lost {
                    Lost::ServeStale => Faster::ServeStale,
                    Lost::Wait => Faster::Wait,
                };
                return one.call.try_marker(seen, lost);
            }
            Step::Acquire => return one.call.try_item(seen, Over::Nothing, Why::Miss),
            Step::Compute => match one.call.won_bare(&seen, Why::Miss) {
                Tried::Won(hold) => return Plan::Lead(hold),
                Tried::Lost | Tried::Again => return Plan::Again,
            },
            Step::Wait if !orphaned && !ours => {
                one.flight = one.call.flight(&seen);
                return Plan::Wait;
            }
            Step::Wait | Step::TakeOver | Step::Mint => None,
        };
        match (plan, number) {
            (Some(values), _) => Plan::Serve(values),
            // Also what was to be served and could not be decoded.
            (None, Some(number)) => one.call.try_item(seen, Over::Number(number), Why::Miss),
            (None, None) => Plan::Again,
        }
    }

    /// For a new value on request: whatever stands there, the right to replace it.
    fn plan_refresh<'s, T, A>(&self, one: &One<'a, A>, seen: Seen<'s>) -> Plan<'s, T, A> {
        let Some(there) = seen.there else {
            return one.call.try_item(seen, Over::Nothing, Why::Requested);
        };
        match (there.number, seen.item) {
            (Some(entry), Item::Entry(_)) => {
                let claim = Claim::Entry { entry };
                match one.call.hold(&seen, Slot::Item, Why::Requested, |_| claim) {
                    Some((hold, _)) => Plan::Lead(hold),
                    None => Plan::Again,
                }
            }
            (Some(number), _) => one
                .call
                .try_item(seen, Over::Number(number), Why::Requested),
            (None, _) => Plan::Again,
        }
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
            for (place, answer) in whose.into_iter().zip(self.budget.time(exchange).await) {
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

/// The generations that are missing, or are none of ours. They count only once they are read back, by the next look.
fn mint<'w, A>(one: &'w One<'_, A>, looked: &Looked, writes: &mut Vec<Write<'w>>) {
    let at = &one.call.at;
    let scopes = [
        (Slot::Namespace, &looked.namespace, at.namespace()),
        (Slot::Function, &looked.function, at.function()),
    ];
    for (slot, there, key) in scopes {
        let over = match there {
            None => Over::Nothing,
            Some(item) if Generation::read(&item.bytes, key).is_ok() => continue,
            Some(item) => Over::Number(item.number.unwrap_or(0)),
        };
        let bytes = Generation::mint(clock::now(), random::u64()).write(key);
        let life = Lifetime::Forever;
        writes.push(Write {
            at,
            slot,
            bytes,
            life,
            over,
        });
    }
}

impl super::Call<'_> {
    /// A hold as it is if its write succeeds, and its record. Armed: if the answer is lost, it is given back.
    fn hold(
        &self,
        seen: &Seen<'_>,
        slot: Slot,
        why: Why,
        claim: impl FnOnce(Vec<u8>) -> Claim,
    ) -> Option<(Box<Hold>, Vec<u8>)> {
        let subject = match slot {
            Slot::Marker => seen.entry.as_ref()?.id,
            _ => 0,
        };
        let mine = self.lease(seen, subject)?;
        let record = mine.write(self.at.slot(slot), self.at.digest());
        let claim = claim(record.clone());
        let release = match claim {
            Claim::Entry { .. } => Release::nothing(),
            _ => Release::armed(self, slot, &record, None),
        };
        let Lease { token, stamp, .. } = mine;
        let hold = Hold {
            token,
            stamp,
            why,
            claim,
            stale: None,
            release,
        };
        Some((Box::new(hold), record))
    }

    fn try_item<'s, T, A>(&self, seen: Seen<'s>, over: Over, why: Why) -> Plan<'s, T, A> {
        let lost = match over {
            Over::Nothing => Faster::Wait,
            Over::Number(_) => Faster::Again,
        };
        let claim = |record| Claim::Lease { record };
        match self.hold(&seen, Slot::Item, why, claim) {
            None => Plan::Again,
            Some((hold, record)) => Plan::Try(Box::new(Attempt {
                slot: Slot::Item,
                record,
                over,
                hold,
                seen,
                lost,
            })),
        }
    }

    /// Tries for the marker of a stale entry, whose number this look has shown: what changes it from here on refuses the fill.
    fn try_marker<'s, T, A>(&self, seen: Seen<'s>, lost: Faster) -> Plan<'s, T, A> {
        let number = seen.there.and_then(|there| there.number);
        let Some((entry, number)) = seen.entry.as_ref().zip(number) else {
            return Plan::Again;
        };
        let served_until = self.served_until(entry);
        let over = match seen.marked {
            None => Over::Nothing,
            Some(dead) => Over::Number(dead.number.unwrap_or(0)),
        };
        let claim = |record| Claim::Marker {
            record,
            entry: number,
            served_until,
        };
        match self.hold(&seen, Slot::Marker, Why::Expired, claim) {
            None => Plan::Again,
            Some((mut hold, record)) => {
                hold.stale = seen.stale(self);
                Plan::Try(Box::new(Attempt {
                    slot: Slot::Marker,
                    record,
                    over,
                    hold,
                    seen,
                    lost,
                }))
            }
        }
    }
}
