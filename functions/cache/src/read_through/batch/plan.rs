//! What follows for one key of many from a look at it, by the same table as in a single call. Writes nothing itself.

use serde::de::DeserializeOwned;

use super::{
    super::{
        Call, Lease, MINTS, PlaceholderAge, ReleaseGuard, Snapshot,
        claim::{ClaimKind, ClaimResult, FillReason},
        decision::{self, Decision, IfLost, ItemKind},
    },
    BatchCall, BatchKey,
};
use crate::{
    entry::{Generation, LeaseRecord},
    fetched::Fetched,
    origin::is_computed_here,
    outcome::{Freshness, Uncoordinated},
    random,
    store::{
        KeyKind, Lifetime, LookupReply,
        many::{Precondition, Write},
    },
};

/// What follows for one key.
pub(super) enum Plan<'s, T, A> {
    Serve(Vec<(A, Fetched<T>)>),
    Lead(Box<Lease>),
    Try(Box<Attempt<'s>>),
    Mint,
    Wait,
    Again,
    Uncoordinated(Uncoordinated),
}

/// A write that would give the right to call the origin.
pub(super) struct Attempt<'s> {
    pub(super) kind: KeyKind,
    pub(super) record: Vec<u8>,
    pub(super) precondition: Precondition,
    pub(super) hold: Box<Lease>,
    pub(super) snapshot: Snapshot<'s>,
    /// What somebody else's being faster means.
    pub(super) lost: IfBeaten,
}

pub(super) enum IfBeaten {
    Wait,
    ServeStale,
    Again,
}

impl<'a> BatchCall<'a> {
    pub(super) fn plan<'s, T: DeserializeOwned, A: Clone>(
        &self,
        key: &mut BatchKey<'a, A>,
        reply: &'s LookupReply,
    ) -> Plan<'s, T, A> {
        let snapshot = Snapshot::new(&key.call, reply);
        let placeholder = snapshot.kind == ItemKind::Placeholder;
        key.placeholder = PlaceholderAge::after(key.placeholder, &snapshot);
        let orphaned = key
            .placeholder
            .is_some_and(|placeholder| placeholder.is_orphaned());
        let cas = snapshot.item.and_then(|there| there.cas);
        let ours = placeholder && key.won.is_some() && key.won == cas;
        if snapshot.generations.is_none() {
            key.won = snapshot.won.or(key.won);
            key.mints += 1;
            return if key.mints > MINTS {
                Plan::Uncoordinated(Uncoordinated::Waited)
            } else {
                Plan::Mint
            };
        }
        if self.freshness == Freshness::Refresh {
            return self.plan_refresh(key, snapshot);
        }
        let waited = snapshot.waited(key.waited_for.as_ref());
        let plan = match decision::decide(snapshot.kind, snapshot.marker, true, waited) {
            Decision::Hit => key.each(|| key.call.serve(&snapshot, key.waited)),
            decision @ (Decision::ServeStale | Decision::ServeOnError) => {
                key.each(|| key.call.answer(decision, &snapshot, key.waited))
            }
            Decision::Pass => return Plan::Uncoordinated(Uncoordinated::NotStorable),
            Decision::GoAlone => return Plan::Uncoordinated(Uncoordinated::Waited),
            Decision::Wait
                if key.waited_for.is_none() && is_computed_here(key.call.key.digest()) =>
            {
                key.call.cache.log.recursion(key.call.key.name());
                return Plan::Uncoordinated(Uncoordinated::Waited);
            }
            Decision::Refresh(lost) => {
                let lost = match lost {
                    IfLost::ServeStale => IfBeaten::ServeStale,
                    IfLost::Wait => IfBeaten::Wait,
                };
                return key.call.try_marker(snapshot, lost);
            }
            Decision::Acquire => {
                return key
                    .call
                    .try_item(snapshot, Precondition::Absent, FillReason::Miss);
            }
            Decision::Compute => match key.call.won_placeholder(&snapshot, FillReason::Miss) {
                ClaimResult::Won(hold) => return Plan::Lead(hold),
                ClaimResult::Lost | ClaimResult::Again => return Plan::Again,
            },
            Decision::Wait if !orphaned && !ours => {
                key.flight = key.call.flight(&snapshot);
                key.waited_for = snapshot.leader;
                return Plan::Wait;
            }
            Decision::Wait | Decision::TakeOver | Decision::Mint => None,
        };
        match (plan, cas) {
            (Some(values), _) => Plan::Serve(values),
            // Also what was to be served and could not be decoded.
            (None, Some(cas)) => {
                key.call
                    .try_item(snapshot, Precondition::Cas(cas), FillReason::Miss)
            }
            (None, None) => Plan::Again,
        }
    }

    /// For a new value on request: whatever stands there, the right to replace it.
    fn plan_refresh<'s, T, A>(
        &self,
        key: &BatchKey<'a, A>,
        snapshot: Snapshot<'s>,
    ) -> Plan<'s, T, A> {
        let Some(there) = snapshot.item else {
            return key
                .call
                .try_item(snapshot, Precondition::Absent, FillReason::Requested);
        };
        match (there.cas, snapshot.kind) {
            (Some(entry), ItemKind::Entry(_)) => {
                let claim = ClaimKind::Entry { entry };
                match key
                    .call
                    .hold(&snapshot, KeyKind::Item, FillReason::Requested, |_| claim)
                {
                    Some((hold, _)) => Plan::Lead(hold),
                    None => Plan::Again,
                }
            }
            (Some(cas), _) => {
                key.call
                    .try_item(snapshot, Precondition::Cas(cas), FillReason::Requested)
            }
            (None, _) => Plan::Again,
        }
    }
}

/// The generations that are missing, or are none of ours. They count only once they are read back, by the next look.
pub(super) fn mint<'w, A>(
    key: &'w BatchKey<'_, A>,
    reply: &LookupReply,
    writes: &mut Vec<Write<'w>>,
) {
    let keys = &key.call.keys;
    let [namespace, function] = keys.scopes();
    let scopes = [
        (KeyKind::Namespace, &reply.namespace, namespace),
        (KeyKind::Function, &reply.function, function),
    ];
    for (kind, there, scope) in scopes {
        let precondition = match there {
            None => Precondition::Absent,
            Some(item) if Generation::read(&item.bytes, scope).is_ok() => continue,
            Some(item) => Precondition::Cas(item.cas.unwrap_or(0)),
        };
        let bytes = Generation::mint(key.call.cache.clock.now(), random::u64()).write(scope);
        let life = Lifetime::Forever;
        writes.push(Write {
            keys,
            kind,
            bytes,
            life,
            precondition,
        });
    }
}

impl Call<'_> {
    /// A hold as it is if its write succeeds, and its record. Armed: if the answer is lost, it is given back.
    fn hold(
        &self,
        snapshot: &Snapshot<'_>,
        kind: KeyKind,
        why: FillReason,
        claim: impl FnOnce(Vec<u8>) -> ClaimKind,
    ) -> Option<(Box<Lease>, Vec<u8>)> {
        let refreshes_entry = match kind {
            KeyKind::Marker => snapshot.entry.as_ref()?.id,
            _ => 0,
        };
        let mine = self.lease(snapshot, refreshes_entry)?;
        let record = mine.write(self.keys.of_kind(kind), self.keys.digest());
        let claim = claim(record.clone());
        let release = match claim {
            ClaimKind::Entry { .. } => ReleaseGuard::nothing(),
            _ => ReleaseGuard::armed(self, kind, &record, None),
        };
        let LeaseRecord {
            token, generations, ..
        } = mine;
        let hold = Lease {
            token,
            generations,
            why,
            claim,
            stale: None,
            release,
        };
        Some((Box::new(hold), record))
    }

    fn try_item<'s, T, A>(
        &self,
        snapshot: Snapshot<'s>,
        precondition: Precondition,
        why: FillReason,
    ) -> Plan<'s, T, A> {
        let lost = match precondition {
            Precondition::Absent => IfBeaten::Wait,
            Precondition::Cas(_) => IfBeaten::Again,
        };
        let claim = |record| ClaimKind::Lease { record };
        match self.hold(&snapshot, KeyKind::Item, why, claim) {
            None => Plan::Again,
            Some((hold, record)) => Plan::Try(Box::new(Attempt {
                kind: KeyKind::Item,
                record,
                precondition,
                hold,
                snapshot,
                lost,
            })),
        }
    }

    /// Tries for the marker of a stale entry, whose cas this look has shown: what changes it from here on refuses the fill.
    fn try_marker<'s, T, A>(&self, snapshot: Snapshot<'s>, lost: IfBeaten) -> Plan<'s, T, A> {
        let cas = snapshot.item.and_then(|there| there.cas);
        let Some((entry, cas)) = snapshot.entry.as_ref().zip(cas) else {
            return Plan::Again;
        };
        let served_until = self.served_until(entry);
        let precondition = match snapshot.marker_item {
            None => Precondition::Absent,
            Some(dead) => Precondition::Cas(dead.cas.unwrap_or(0)),
        };
        let claim = |record| ClaimKind::Marker {
            record,
            entry: cas,
            served_until,
        };
        match self.hold(&snapshot, KeyKind::Marker, FillReason::Expired, claim) {
            None => Plan::Again,
            Some((mut hold, record)) => {
                hold.stale = snapshot.stale(self);
                Plan::Try(Box::new(Attempt {
                    kind: KeyKind::Marker,
                    record,
                    precondition,
                    hold,
                    snapshot,
                    lost,
                }))
            }
        }
    }
}
