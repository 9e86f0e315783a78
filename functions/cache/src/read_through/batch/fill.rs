//! What is due to one key after the origin's call: its fill, or its lease given back. Decided here, written together with the others.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::{
    super::{
        Hold,
        claim::{Claim, Why},
    },
    Called, Right,
};
use crate::{
    clock::{self, Millis},
    entry::{self, Entry},
    flight::Pilot,
    origin::Said,
    outcome::{Alone, Fill, Outcome, Trouble},
    payload::{self, Packed},
    store::{
        Lifetime, Slot,
        many::{Over, Write},
    },
    telemetry::metrics::Counters,
};

/// What becomes of one key, before the server has had its word.
pub(super) struct Due<'a> {
    pub(super) write: Option<Write<'a>>,
    pub(super) counters: &'a Counters,
    /// What the write makes of it if it succeeds, or what it is without one.
    pub(super) fill: Fill,
    pub(super) ttl_left: i64,
}

/// What the origin has answered for all keys.
pub(super) struct Answered {
    pub(super) said: Said,
    pub(super) created: Millis,
    pub(super) cost: Duration,
}

impl<A> Called<'_, A> {
    pub(super) fn hold(&self) -> Option<&Hold> {
        match &self.right {
            Right::Lead(hold) => Some(hold),
            Right::Alone(_) | Right::Late(_) => None,
        }
    }

    pub(super) fn due<T: Serialize>(
        &self,
        number: Option<u64>,
        value: Option<&T>,
        answered: &Answered,
        flight: Option<&Pilot<'_>>,
    ) -> Due<'_> {
        let counters = &self.one.call.counters;
        let not = |write, fill| Due {
            write,
            counters,
            fill,
            ttl_left: 0,
        };
        let Some(hold) = self.hold() else {
            return not(None, Fill::NotStored);
        };
        let leave_empty = || self.leave_empty(hold, number);
        let Some(value) = value else {
            return not(leave_empty(), Fill::NotStored);
        };
        let (call, cache) = (&self.one.call, self.one.call.cache);
        let payload = match payload::encode(value) {
            Ok(payload) => Bytes::from(payload),
            Err(error) => {
                cache.log().unencodable(call.key.name(), &error);
                return not(leave_empty(), Fill::Failed(Trouble::Decode));
            }
        };
        let ttl = call.ttl(value, answered.cost, answered.said);
        if let Some(flight) = flight {
            flight.land(payload.clone(), answered.created, ttl);
        }
        let Some(ttl) = ttl else {
            return not(leave_empty(), Fill::NotStored);
        };
        let shorter = call.shorter(&payload);
        let packed = shorter
            .as_deref()
            .map_or(Packed::Plain(&payload), Packed::Lz4);
        if call.refuses(packed).is_some() {
            let size = packed.bytes().len();
            cache.log().oversize(call.key.name(), size);
            return not(leave_empty(), Fill::Failed(Trouble::Oversize));
        }
        let number = match hold.claim {
            Claim::Marker { entry, .. } | Claim::Entry { entry } => Some(entry),
            Claim::Lease { .. } | Claim::Bare { .. } => number,
        };
        // Without a number the lease is lost, and with it the right to fill.
        let Some(number) = number else {
            return not(None, Fill::NotStored);
        };
        let entry = call.entry(hold.stamp, ttl, answered.created, answered.cost, packed);
        Due {
            write: Some(self.store(&entry, number)),
            counters,
            fill: Fill::Stored,
            ttl_left: clock::until(cache.clock().now(), entry.soft),
        }
    }

    pub(super) fn outcome(&self, fill: Fill) -> Outcome {
        match &self.right {
            Right::Lead(hold) => match hold.why {
                Why::Miss => Outcome::Miss(fill),
                Why::Expired => Outcome::Expired(fill),
                Why::Requested => Outcome::Refreshed(fill),
            },
            Right::Alone(why) => why.outcome(),
            Right::Late(_) => Alone::Waited.outcome(),
        }
    }

    fn store(&self, entry: &Entry<'_>, number: u64) -> Write<'_> {
        let (call, cache) = (&self.one.call, self.one.call.cache);
        Write {
            at: &call.at,
            slot: Slot::Item,
            bytes: entry.write(call.at.item(), call.at.digest(), cache.seal()),
            life: call.life(entry),
            over: Over::Number(number),
        }
    }

    /// As a single call does: the lease to others, a marker only once nobody is served the stale entry any more.
    pub(super) fn give_back(&self, hold: &Hold, number: Option<u64>) -> Option<Write<'_>> {
        match &hold.claim {
            Claim::Lease { .. } | Claim::Bare { .. } => self.free(Slot::Item, number),
            Claim::Marker { served_until, .. }
                if *served_until <= self.one.call.cache.clock().now() =>
            {
                self.free(Slot::Marker, number)
            }
            Claim::Marker { .. } | Claim::Entry { .. } => None,
        }
    }

    fn leave_empty(&self, hold: &Hold, number: Option<u64>) -> Option<Write<'_>> {
        match hold.claim {
            Claim::Lease { .. } | Claim::Bare { .. } => self.give_back(hold, number),
            Claim::Marker { entry, .. } | Claim::Entry { entry } => {
                self.free(Slot::Item, Some(entry))
            }
        }
    }

    fn free(&self, slot: Slot, number: Option<u64>) -> Option<Write<'_>> {
        let at = &self.one.call.at;
        Some(Write {
            at,
            slot,
            bytes: entry::freed(at),
            life: Lifetime::seconds(2),
            over: Over::Number(number?),
        })
    }
}
