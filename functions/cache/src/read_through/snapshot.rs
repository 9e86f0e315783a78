//! A lookup's answer, understood: records decoded, ages told, generations compared.

use bytes::Bytes;

use super::{
    Call,
    decision::{Age, ItemKind, Marker},
};
use crate::{
    clock::{self, Millis},
    entry::{self, Entry, Generation, Generations, Record, Token},
    store::{self, ItemState, LookupReply},
    telemetry::metrics::Counter,
};

/// Clocks of two machines may differ by this much, in milliseconds.
const SKEW: Millis = 1000;

pub(super) struct Snapshot<'a> {
    /// When it was seen: all ages are told as of then.
    pub(super) now: Millis,
    pub(super) kind: ItemKind,
    pub(super) marker: Marker,
    /// Both generations, if both stood there.
    pub(super) generations: Option<Generations>,
    /// The entry, if the item is one of these generations.
    pub(super) entry: Option<Entry<'a>>,
    /// Who holds the lease, if the item is one.
    pub(super) holder: Option<Token>,
    /// The bytes under the item's key, and under the marker's.
    pub(super) item: Option<&'a store::Item>,
    pub(super) marker_item: Option<&'a store::Item>,
    /// The cas of the lease that this lookup itself left.
    pub(super) won: Option<u64>,
}

/// A copy of a stale entry, kept while its refresh runs: the origin may fail.
#[derive(Debug, Clone)]
pub(super) struct Stale {
    pub(super) payload: Bytes,
    pub(super) created: Millis,
    pub(super) fresh_until: Millis,
    pub(super) on_error_until: Millis,
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(call: &Call<'_>, reply: &'a LookupReply) -> Self {
        let mut snapshot = Snapshot {
            now: call.cache.clock.now(),
            kind: ItemKind::Absent,
            marker: Marker::NotRefreshing,
            generations: generations(call, reply),
            entry: None,
            holder: None,
            item: None,
            marker_item: reply.marker.as_ref(),
            won: None,
        };
        match &reply.item {
            ItemState::Absent => {}
            ItemState::Won(cas) => (snapshot.kind, snapshot.won) = (ItemKind::Won, Some(*cas)),
            ItemState::Item(item) => {
                call.counters.bytes(Counter::BytesRead, item.bytes.len());
                snapshot.item = Some(item);
                snapshot.decode(call, item);
            }
        }
        if let (Some(entry), Some(marker)) = (&snapshot.entry, snapshot.marker_item)
            && let Ok(Record::Lease(lease)) = call.read(&marker.bytes, call.keys.marker())
            && lease.refreshes_entry == entry.id
        {
            snapshot.marker = Marker::Refreshing;
        }
        snapshot
    }

    fn decode(&mut self, call: &Call<'_>, item: &'a store::Item) {
        if item.bytes.is_empty() {
            self.kind = ItemKind::Placeholder;
            return;
        }
        self.kind = match call.read(&item.bytes, call.keys.item()) {
            // Of another version: a key that was not made with the policy's own.
            Ok(Record::Entry(entry)) if entry.version != call.policy.version => ItemKind::Obsolete,
            Ok(Record::Entry(entry)) if Some(entry.generations) == self.generations => {
                match age(call, self.now, &entry) {
                    Some(age) => {
                        self.entry = Some(entry);
                        ItemKind::Entry(age)
                    }
                    None => ItemKind::Obsolete,
                }
            }
            Ok(Record::Lease(lease)) if Some(lease.generations) == self.generations => {
                self.holder = Some(lease.token);
                ItemKind::Lease
            }
            Ok(_) => ItemKind::Obsolete,
            Err(reason) => {
                call.counters.increment(Counter::Unreadable);
                call.cache.log.unreadable(call.key.name(), &reason);
                ItemKind::Obsolete
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
            fresh_until: entry.fresh_until,
            on_error_until: entry
                .fresh_until
                .saturating_add(window)
                .min(entry.discard_at),
        })
    }
}

/// `None`: past everything and without a stale window, so nothing to go through a marker for.
fn age(call: &Call<'_>, now: Millis, entry: &Entry<'_>) -> Option<Age> {
    if now < entry.fresh_until && entry.created <= now.saturating_add(SKEW) {
        return Some(Age::Fresh);
    }
    if call.policy.stale().is_zero() {
        return None;
    }
    Some(if now < call.served_until(entry) {
        Age::Stale
    } else {
        Age::Expired
    })
}

fn generations(call: &Call<'_>, reply: &LookupReply) -> Option<Generations> {
    let generation =
        |item: &Option<store::Item>, scope| Generation::read(&item.as_ref()?.bytes, scope).ok();
    let [namespace, function] = call.keys.scopes();
    Some(Generations {
        namespace: generation(&reply.namespace, namespace)?,
        function: generation(&reply.function, function)?,
    })
}

impl Call<'_> {
    /// Until when those who do not refresh `entry` themselves are served it.
    pub(super) fn served_until(&self, entry: &Entry<'_>) -> Millis {
        let window = clock::millis(self.policy.stale_while_revalidate);
        entry
            .fresh_until
            .saturating_add(window)
            .min(entry.discard_at)
    }

    pub(super) fn read<'a>(
        &self,
        bytes: &'a [u8],
        under: &str,
    ) -> Result<Record<'a>, entry::Unreadable> {
        entry::read(bytes, under, self.keys.digest(), &self.cache.seal)
    }
}
