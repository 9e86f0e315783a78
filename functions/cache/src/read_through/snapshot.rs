//! A lookup's answer, understood: records decoded, ages told, generations compared.

use bytes::Bytes;

use super::{
    Call,
    decision::{Age, Item, Marker},
};
use crate::{
    clock::{self, Millis},
    entry::{self, Entry, Generation, Record, Stamp, Token},
    store::{self, Found, Looked},
    telemetry::metrics::Count,
};

/// Clocks of two machines may differ by this much, in milliseconds.
const SKEW: Millis = 1000;

pub(super) struct Seen<'a> {
    /// When it was seen: all ages are told as of then.
    pub(super) now: Millis,
    pub(super) item: Item,
    pub(super) marker: Marker,
    /// Both generations, if both stood there.
    pub(super) stamp: Option<Stamp>,
    /// The entry, if the item is one of these generations.
    pub(super) entry: Option<Entry<'a>>,
    /// Who holds the lease, if the item is one.
    pub(super) holder: Option<Token>,
    /// The bytes under the item's key, and under the marker's.
    pub(super) there: Option<&'a store::Item>,
    pub(super) marked: Option<&'a store::Item>,
    /// The number of the lease that this lookup itself left.
    pub(super) won: Option<u64>,
}

/// A copy of a stale entry, kept while its refresh runs: the origin may fail.
#[derive(Debug, Clone)]
pub(super) struct Stale {
    pub(super) payload: Bytes,
    pub(super) created: Millis,
    pub(super) soft: Millis,
    pub(super) on_error_until: Millis,
}

impl<'a> Seen<'a> {
    pub(super) fn new(call: &Call<'_>, looked: &'a Looked) -> Self {
        let mut seen = Seen {
            now: call.cache.clock().now(),
            item: Item::Absent,
            marker: Marker::Free,
            stamp: stamp(call, looked),
            entry: None,
            holder: None,
            there: None,
            marked: looked.marker.as_ref(),
            won: None,
        };
        match &looked.item {
            Found::Absent => {}
            Found::Won(number) => (seen.item, seen.won) = (Item::Won, Some(*number)),
            Found::Item(item) => {
                call.counters.bytes(Count::BytesRead, item.bytes.len());
                seen.there = Some(item);
                seen.understand(call, item);
            }
        }
        if let (Some(entry), Some(marked)) = (&seen.entry, seen.marked)
            && let Ok(Record::Lease(lease)) = call.read(&marked.bytes, call.at.marker())
            && lease.subject == entry.id
        {
            seen.marker = Marker::Refreshing;
        }
        seen
    }

    fn understand(&mut self, call: &Call<'_>, item: &'a store::Item) {
        if item.bytes.is_empty() {
            self.item = Item::Bare;
            return;
        }
        self.item = match call.read(&item.bytes, call.at.item()) {
            // Of another version: a key that was not made with the policy's own.
            Ok(Record::Entry(entry)) if entry.version != call.policy.version => Item::Dead,
            Ok(Record::Entry(entry)) if Some(entry.stamp) == self.stamp => {
                match age(call, self.now, &entry) {
                    Some(age) => {
                        self.entry = Some(entry);
                        Item::Entry(age)
                    }
                    None => Item::Dead,
                }
            }
            Ok(Record::Lease(lease)) if Some(lease.stamp) == self.stamp => {
                self.holder = Some(lease.token);
                Item::Lease
            }
            Ok(_) => Item::Dead,
            Err(reason) => {
                call.counters.one(Count::Unreadable);
                call.cache.log().unreadable(call.key.name(), &reason);
                Item::Dead
            }
        };
    }

    /// What a failing refresh may fall back on.
    pub(super) fn stale(&self, call: &Call<'_>) -> Option<Stale> {
        let entry = self.entry.as_ref()?;
        let window = clock::millis(call.policy.stale_if_error);
        // What does not open would not be served either.
        let payload = entry.payload.open().ok()?;
        (window > 0).then(|| Stale {
            payload: Bytes::copy_from_slice(&payload),
            created: entry.created,
            soft: entry.soft,
            on_error_until: entry.soft.saturating_add(window).min(entry.hard),
        })
    }
}

/// `None`: past everything and without a stale window, so nothing to go through a marker for.
fn age(call: &Call<'_>, now: Millis, entry: &Entry<'_>) -> Option<Age> {
    if now < entry.soft && entry.created <= now.saturating_add(SKEW) {
        return Some(Age::Fresh);
    }
    if call.policy.stale().is_zero() {
        return None;
    }
    Some(if now < call.served_until(entry) {
        Age::Stale
    } else {
        Age::Past
    })
}

fn stamp(call: &Call<'_>, looked: &Looked) -> Option<Stamp> {
    let generation =
        |item: &Option<store::Item>, scope| Generation::read(&item.as_ref()?.bytes, scope).ok();
    let [namespace, function] = call.at.scopes();
    Some(Stamp {
        namespace: generation(&looked.namespace, namespace)?,
        function: generation(&looked.function, function)?,
    })
}

impl Call<'_> {
    /// Until when those who do not refresh `entry` themselves are served it.
    pub(super) fn served_until(&self, entry: &Entry<'_>) -> Millis {
        let window = clock::millis(self.policy.stale_while_revalidate);
        entry.soft.saturating_add(window).min(entry.hard)
    }

    pub(super) fn read<'a>(
        &self,
        bytes: &'a [u8],
        under: &str,
    ) -> Result<Record<'a>, entry::Unreadable> {
        entry::read(bytes, under, self.at.digest(), self.cache.seal())
    }
}
