//! A lookup's answer, understood: records decoded, ages told, generations compared.

use bytes::Bytes;

use super::{
    Call,
    decision::{self, Age, Decision, ItemKind, Marker, Waited},
};
use crate::{
    clock::{self, Millis},
    entry::{self, After, Entry, FreedReason, Generation, Generations, LeaseRecord, Record, Token},
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
    /// The lease to wait for: on the item, or on its marker.
    pub(super) leader: Option<Leader>,
    /// What a lease taken now comes after.
    pub(super) after: After,
    /// The bytes under the item's key, and under the marker's.
    pub(super) item: Option<&'a store::Item>,
    pub(super) marker_item: Option<&'a store::Item>,
    /// The cas of the lease that this lookup itself left.
    pub(super) won: Option<u64>,
}

/// A lease, as those who wait for it know it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leader {
    token: Option<Token>,
    placeholder: Option<u64>,
    after: After,
}

impl Leader {
    fn of(lease: &LeaseRecord) -> Self {
        Self {
            token: Some(lease.token),
            placeholder: None,
            after: lease.after,
        }
    }

    fn is(&self, other: &Self) -> bool {
        (self.token, self.placeholder) == (other.token, other.placeholder)
    }
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
            leader: None,
            after: After::Nothing,
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
            && let Ok(record) = call.read(&marker.bytes, call.keys.marker())
        {
            match record {
                Record::Lease(lease) if lease.refreshes_entry == entry.id => {
                    snapshot.marker = Marker::Refreshing;
                    snapshot.leader = Some(Leader::of(&lease));
                }
                Record::Freed(freed)
                    if freed.refreshes_entry == entry.id && freed.reason == FreedReason::Failed =>
                {
                    snapshot.marker = Marker::Failed;
                    snapshot.after = After::Failure;
                }
                _ => {}
            }
        }
        snapshot
    }

    fn decode(&mut self, call: &Call<'_>, item: &'a store::Item) {
        if item.bytes.is_empty() {
            self.kind = ItemKind::Placeholder;
            self.leader = Some(Leader {
                token: None,
                placeholder: item.cas,
                after: After::Nothing,
            });
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
                self.leader = Some(Leader::of(&lease));
                ItemKind::Lease
            }
            Ok(Record::Freed(freed)) => match freed.reason {
                FreedReason::Left => {
                    self.after = After::Leaving;
                    ItemKind::Obsolete
                }
                FreedReason::Failed => {
                    self.after = After::Failure;
                    ItemKind::Failed
                }
                FreedReason::NotStored => ItemKind::NotStored,
            },
            Ok(_) => ItemKind::Obsolete,
            Err(reason) => {
                call.counters.increment(Counter::Unreadable);
                call.cache.log.unreadable(call.key.name(), &reason);
                ItemKind::Obsolete
            }
        };
    }

    /// What follows for a call that has waited for `before`, if it has.
    pub(super) fn decision(&self, before: Option<&Leader>) -> Decision {
        let waited = self.waited(before);
        decision::decide(self.kind, self.marker, self.generations.is_some(), waited)
    }

    /// Whether a call that has waited for `before`, if it has, waits for what this lookup shows.
    fn waited(&self, before: Option<&Leader>) -> Waited {
        match (before, &self.leader) {
            (None, _) => Waited::No,
            (Some(before), Some(leader))
                if leader.after == After::Failure && !leader.is(before) =>
            {
                Waited::Enough
            }
            (Some(_), _) => Waited::Yes,
        }
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
            on_error_until: call.on_error_until(entry),
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
    } else if now < call.on_error_until(entry) {
        Age::OnError
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

    /// Until when `entry` is served to those whose origin fails.
    pub(super) fn on_error_until(&self, entry: &Entry<'_>) -> Millis {
        let window = clock::millis(self.policy.stale_if_error);
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
