//! What is due to one key after the origin's call: its fill, or its lease given back. Decided here, written together with the others.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::{
    super::{
        Lease,
        claim::{ClaimKind, FillReason},
    },
    OriginKey, Permission,
};
use crate::{
    clock::{self, Millis},
    entry::Entry,
    flight::Leader,
    origin::CacheDirective,
    outcome::{CacheFailure, Fill, Outcome, Uncoordinated},
    payload::{self, Payload},
    store::{
        KeyKind, Lifetime,
        many::{Precondition, Write},
    },
    telemetry::metrics::Counters,
};

/// What becomes of one key, before the server has had its word.
pub(super) struct PendingWrite<'a> {
    pub(super) write: Option<Write<'a>>,
    pub(super) counters: &'a Counters,
    /// What the write makes of it if it succeeds, or what it is without one.
    pub(super) fill: Fill,
    pub(super) ttl_left: i64,
}

/// What the origin has answered for all keys.
pub(super) struct Answered {
    pub(super) directive: CacheDirective,
    pub(super) created: Millis,
    pub(super) cost: Duration,
}

impl<A> OriginKey<'_, A> {
    pub(super) fn hold(&self) -> Option<&Lease> {
        match &self.right {
            Permission::Lead(hold) => Some(hold),
            Permission::Uncoordinated(_) | Permission::WaitTimedOut(_) => None,
        }
    }

    pub(super) fn pending<T: Serialize>(
        &self,
        cas: Option<u64>,
        value: Option<&T>,
        answered: &Answered,
        flight: Option<&Leader<'_>>,
    ) -> PendingWrite<'_> {
        let counters = &self.key.call.counters;
        let not = |write, fill| PendingWrite {
            write,
            counters,
            fill,
            ttl_left: 0,
        };
        let Some(hold) = self.hold() else {
            return not(None, Fill::NotStored);
        };
        let discard = || self.discard(hold, cas);
        let Some(value) = value else {
            return not(discard(), Fill::NotStored);
        };
        let (call, cache) = (&self.key.call, self.key.call.cache);
        let payload = match payload::encode(value) {
            Ok(payload) => Bytes::from(payload),
            Err(error) => {
                cache.log.unencodable(call.key.name(), &error);
                flight.inspect(|flight| flight.fail());
                return not(discard(), Fill::Failed(CacheFailure::Decode));
            }
        };
        let ttl = call.ttl(value, answered.cost, answered.directive);
        if let Some(flight) = flight {
            flight.complete(payload.clone(), answered.created, ttl);
        }
        let Some(ttl) = ttl else {
            return not(discard(), Fill::NotStored);
        };
        let compressed = call.compressed(&payload);
        let packed = compressed
            .as_deref()
            .map_or(Payload::Plain(&payload), Payload::Lz4);
        if call.size_error(packed).is_some() {
            let size = packed.bytes().len();
            cache.log.oversize(call.key.name(), size);
            return not(discard(), Fill::Failed(CacheFailure::Oversize));
        }
        let cas = match hold.claim {
            ClaimKind::Marker { entry, .. } | ClaimKind::Entry { entry } => Some(entry),
            ClaimKind::Lease { .. } | ClaimKind::Placeholder { .. } => cas,
        };
        // Without a cas the lease is lost, and with it the right to fill.
        let Some(cas) = cas else {
            return not(None, Fill::NotStored);
        };
        let entry = call.entry(
            hold.generations,
            ttl,
            answered.created,
            answered.cost,
            packed,
        );
        PendingWrite {
            write: Some(self.store(&entry, cas)),
            counters,
            fill: Fill::Stored,
            ttl_left: clock::until(cache.clock.now(), entry.fresh_until),
        }
    }

    pub(super) fn outcome(&self, fill: Fill) -> Outcome {
        match &self.right {
            Permission::Lead(hold) => match hold.why {
                FillReason::Miss => Outcome::Miss(fill),
                FillReason::Expired => Outcome::Expired(fill),
                FillReason::Requested => Outcome::Refreshed(fill),
            },
            Permission::Uncoordinated(why) => why.outcome(),
            Permission::WaitTimedOut(_) => Uncoordinated::Waited.outcome(),
        }
    }

    fn store(&self, entry: &Entry<'_>, cas: u64) -> Write<'_> {
        let (call, cache) = (&self.key.call, self.key.call.cache);
        Write {
            keys: &call.keys,
            kind: KeyKind::Item,
            bytes: entry.write(call.keys.item(), call.keys.digest(), &cache.seal),
            life: call.life(entry),
            precondition: Precondition::Cas(cas),
        }
    }

    /// As a single call does: the origin has failed.
    pub(super) fn give_back(&self, hold: &Lease, cas: Option<u64>) -> Option<Write<'_>> {
        let (kind, record) = match &hold.claim {
            ClaimKind::Lease { record } | ClaimKind::Placeholder { record, .. } => {
                (KeyKind::Item, record)
            }
            ClaimKind::Marker { record, .. } => (KeyKind::Marker, record),
            ClaimKind::Entry { .. } => return None,
        };
        self.free(kind, cas, self.key.call.failed(kind, record))
    }

    fn discard(&self, hold: &Lease, cas: Option<u64>) -> Option<Write<'_>> {
        let cas = match hold.claim {
            ClaimKind::Lease { .. } | ClaimKind::Placeholder { .. } => cas,
            ClaimKind::Marker { entry, .. } | ClaimKind::Entry { entry } => Some(entry),
        };
        self.free(KeyKind::Item, cas, self.key.call.not_stored())
    }

    fn free(
        &self,
        kind: KeyKind,
        cas: Option<u64>,
        (bytes, life): (Vec<u8>, Lifetime),
    ) -> Option<Write<'_>> {
        Some(Write {
            keys: &self.key.call.keys,
            kind,
            bytes,
            life,
            precondition: Precondition::Cas(cas?),
        })
    }
}
