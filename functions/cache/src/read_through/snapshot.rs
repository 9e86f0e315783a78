//! A decoded lookup: entry, lease, age, and whether its generations are the present ones.

use bytes::Bytes;

use super::{
    Call,
    decision::{self, Age, Decision, ItemKind, Marker, Waited},
};
use crate::{
    clock::{self, Millis},
    entry::{
        self, After, Entry, FreedReason, Generation, Generations, LeaseRecord, Owners, Record,
        Token,
    },
    store::{self, ItemState, LookupReply},
    telemetry::metrics::Counter,
};

/// How much the clocks of two machines may differ, in milliseconds.
const SKEW: Millis = 1000;

pub(super) struct Snapshot<'a> {
    /// When it was decoded; all ages are relative to this.
    pub(super) now: Millis,
    pub(super) kind: ItemKind,
    pub(super) marker: Marker,
    /// Both generations, if both were there.
    pub(super) generations: Option<Generations>,
    /// Whose the key's name is.
    pub(super) owner: Owner<'a>,
    /// The entry, if the item is an entry of these generations.
    pub(super) entry: Option<Entry<'a>>,
    /// The token of the lease, if the item is a lease.
    pub(super) holder: Option<Token>,
    /// The lease to wait for: on the item, or on its marker.
    pub(super) leader: Option<Leader>,
    /// What a lease taken now comes after.
    pub(super) after: After,
    /// The item, and the marker's item.
    pub(super) item: Option<&'a store::Item>,
    pub(super) marker_item: Option<&'a store::Item>,
    /// The cas of the placeholder that this lookup has created.
    pub(super) won: Option<u64>,
}

/// Which function a name belongs to, by the record that holds its generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner<'a> {
    /// This one, or the key is of no function.
    Us,
    /// None yet: it has to be claimed before anything is served or stored.
    Nobody,
    Stranger(&'a [u8]),
}

/// A lease, as the callers that wait for it know it.
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

/// A copy of a stale entry, kept during its refresh in case the origin fails.
#[derive(Debug, Clone)]
pub(super) struct Stale {
    pub(super) payload: Bytes,
    pub(super) created: Millis,
    pub(super) fresh_until: Millis,
    pub(super) on_error_until: Millis,
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(call: &Call<'_>, reply: &'a LookupReply) -> Self {
        let read = generations(call, reply);
        let mut snapshot = Snapshot {
            now: call.cache.clock.now(),
            kind: ItemKind::Absent,
            marker: Marker::NotRefreshing,
            generations: read.map(|(generations, _)| generations),
            owner: read.map_or(Owner::Us, |(_, owners)| call.owner(owners)),
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
            // Another version: its key was not made with this policy's.
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
        match self.owner {
            Owner::Us => self.unclaimed(before),
            Owner::Nobody => Decision::Mint,
            Owner::Stranger(_) => Decision::Bypass,
        }
    }

    /// The decision of a caller that only reads: a name without an owner is free for all.
    pub(super) fn decision_of_peek(&self) -> Decision {
        match self.owner {
            Owner::Us | Owner::Nobody => self.unclaimed(None),
            Owner::Stranger(_) => Decision::Bypass,
        }
    }

    fn unclaimed(&self, before: Option<&Leader>) -> Decision {
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

    /// What may be served if the refresh fails.
    pub(super) fn stale(&self, call: &Call<'_>) -> Option<Stale> {
        let entry = self.entry.as_ref()?;
        let window = clock::millis(call.policy.stale_if_error);
        // A payload that cannot be opened could not be served either.
        let payload = entry.payload.open().ok()?;
        (window > 0).then(|| Stale {
            payload: Bytes::copy_from_slice(&payload),
            created: entry.created,
            fresh_until: entry.fresh_until,
            on_error_until: call.on_error_until(entry),
        })
    }
}

/// `None`: expired, and without a stale window, so that no marker is needed to replace it.
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

/// Both generations, and the owners of the function's name.
fn generations<'a>(call: &Call<'_>, reply: &'a LookupReply) -> Option<(Generations, Owners<'a>)> {
    let [namespace, function] = call.keys.scopes();
    let (namespace, _) = Generation::read(&reply.namespace.as_ref()?.bytes, namespace).ok()?;
    let (function, owners) = Generation::read(&reply.function.as_ref()?.bytes, function).ok()?;
    let generations = Generations {
        namespace,
        function,
    };
    Some((generations, owners))
}

impl Call<'_> {
    fn owner<'a>(&self, owners: Owners<'a>) -> Owner<'a> {
        let Some(ours) = self.key.owner() else {
            return Owner::Us;
        };
        match owners.of(self.policy.version) {
            None => Owner::Nobody,
            Some(owner) if owner == Owners::mark(ours) => Owner::Us,
            Some(owner) => Owner::Stranger(owner),
        }
    }

    /// Until when `entry` is served to callers that do not refresh it.
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
