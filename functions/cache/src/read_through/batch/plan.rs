//! What follows for one key of many from a look at it, by the same table as in a single call. Writes nothing itself.

use serde::de::DeserializeOwned;

use super::{
    super::{
        Bare, Call, Hold, MINTS, Release, Seen,
        claim::{Claim, Tried, Why},
        decision::{self, Item, Lost, Step},
    },
    Many, One,
};
use crate::{
    entry::{Generation, Lease},
    fetched::Fetched,
    outcome::{Alone, Freshness},
    random,
    store::{
        Lifetime, Looked, Slot,
        many::{Over, Write},
    },
};

/// What follows for one key.
pub(super) enum Plan<'s, T, A> {
    Serve(Vec<(A, Fetched<T>)>),
    Lead(Box<Hold>),
    Try(Box<Attempt<'s>>),
    Mint,
    Wait,
    Again,
    Alone(Alone),
}

/// A write that would give the right to call the origin.
pub(super) struct Attempt<'s> {
    pub(super) slot: Slot,
    pub(super) record: Vec<u8>,
    pub(super) over: Over,
    pub(super) hold: Box<Hold>,
    pub(super) seen: Seen<'s>,
    /// What somebody else's being faster means.
    pub(super) lost: Faster,
}

pub(super) enum Faster {
    Wait,
    ServeStale,
    Again,
}

impl<'a> Many<'a> {
    pub(super) fn plan<'s, T: DeserializeOwned, A: Clone>(
        &self,
        one: &mut One<'a, A>,
        looked: &'s Looked,
    ) -> Plan<'s, T, A> {
        let seen = Seen::new(&one.call, looked);
        let bare = seen.item == Item::Bare;
        one.bare = Bare::after(one.bare, &seen);
        let orphaned = one.bare.is_some_and(|bare| bare.is_orphaned());
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
        let plan = match decision::step(seen.item, seen.marker, Some(())) {
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
}

/// The generations that are missing, or are none of ours. They count only once they are read back, by the next look.
pub(super) fn mint<'w, A>(one: &'w One<'_, A>, looked: &Looked, writes: &mut Vec<Write<'w>>) {
    let at = &one.call.at;
    let [namespace, function] = at.scopes();
    let scopes = [
        (Slot::Namespace, &looked.namespace, namespace),
        (Slot::Function, &looked.function, function),
    ];
    for (slot, there, scope) in scopes {
        let over = match there {
            None => Over::Nothing,
            Some(item) if Generation::read(&item.bytes, scope).is_ok() => continue,
            Some(item) => Over::Number(item.number.unwrap_or(0)),
        };
        let bytes = Generation::mint(one.call.cache.clock().now(), random::u64()).write(scope);
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

impl Call<'_> {
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
