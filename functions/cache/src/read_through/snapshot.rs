//! A decoded lookup: entry, lease, age, and whether its generations are the present ones.

use bytes::Bytes;

use super::{
    Call,
    decision::{self, Decision, ItemKind, Marker, Waited},
};
use crate::{
    clock::{self, Millis},
    entry::{
        self, After, Entry, FreedReason, Generation, Generations, LeaseRecord, Owners, Record,
        Token, Unreadable,
    },
    planted::Fault,
    store::{self, ItemState, LookupReply},
    telemetry::metrics::Counter,
};

pub(super) struct Snapshot<'a> {
    /// When it was decoded; all ages are relative to this.
    pub(super) now: Millis,
    pub(super) kind: ItemKind,
    pub(super) marker: Marker,
    /// The stamp of its generations, if all were there.
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
    /// Counts what the lookup has read, and what of it could not be decoded.
    pub(super) fn new(call: &Call<'_>, reply: &'a LookupReply) -> Self {
        if let ItemState::Item(item) = &reply.item {
            call.counters.bytes(Counter::BytesRead, item.bytes.len());
        }
        Self::decoded(call, reply, |reason| {
            call.counters.increment(Counter::Unreadable);
            call.cache.log.unreadable(call.key.name(), &reason);
        })
    }

    /// Of a reply that was counted before.
    pub(super) fn again(call: &Call<'_>, reply: &'a LookupReply) -> Self {
        Self::decoded(call, reply, |_| {})
    }

    fn decoded(
        call: &Call<'_>,
        reply: &'a LookupReply,
        mut unreadable: impl FnMut(Unreadable),
    ) -> Self {
        let read = generations(call, reply, &mut unreadable);
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
                snapshot.item = Some(item);
                if let Err(reason) = snapshot.decode(call, item, reply.seconds_left) {
                    unreadable(reason);
                }
            }
        }
        if let (Some(entry), Some(marker)) = (&snapshot.entry, snapshot.marker_item) {
            match call.read(&marker.bytes, call.keys.marker()) {
                Ok(Record::Lease(lease)) if lease.refreshes_entry == entry.id => {
                    snapshot.marker = Marker::Refreshing;
                    snapshot.leader = Some(Leader::of(&lease));
                }
                Ok(Record::Freed(freed))
                    if freed.refreshes_entry == entry.id && freed.reason == FreedReason::Failed =>
                {
                    snapshot.marker = Marker::Failed;
                    snapshot.after = After::Failure;
                }
                // It names no entry, and lives for 2 s: at worst, the refresh of another entry
                // counts as a second one.
                Ok(Record::Freed(freed)) if freed.reason == FreedReason::Left => {
                    snapshot.after = After::Leaving;
                }
                Ok(_) => {}
                Err(reason) => unreadable(reason),
            }
        }
        snapshot
    }

    fn decode(
        &mut self,
        call: &Call<'_>,
        item: &'a store::Item,
        seconds_left: Option<u32>,
    ) -> Result<(), Unreadable> {
        if item.bytes.is_empty() {
            self.kind = ItemKind::Placeholder;
            self.leader = Some(Leader {
                token: None,
                placeholder: item.cas,
                after: After::Nothing,
            });
            return Ok(());
        }
        self.kind = ItemKind::Obsolete;
        self.kind = match call.read(&item.bytes, call.keys.item())? {
            // Another version: its key was not made with this policy's.
            Record::Entry(entry) if entry.version != call.policy.version => ItemKind::Obsolete,
            Record::Entry(entry) if Some(entry.generations) == self.generations => {
                match call.aged(entry, self.now, seconds_left) {
                    (entry, Some(age)) => {
                        self.entry = Some(entry);
                        ItemKind::Entry(age)
                    }
                    (_, None) => ItemKind::Obsolete,
                }
            }
            Record::Lease(lease)
                if Some(lease.generations) == self.generations
                    || call.cache.planted().has(Fault::LeaseWithoutStamp) =>
            {
                self.holder = Some(lease.token);
                self.leader = Some(Leader::of(&lease));
                ItemKind::Lease
            }
            Record::Freed(freed) => match freed.reason {
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
            _ => ItemKind::Obsolete,
        };
        Ok(())
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

/// The stamp of the present generations, and the owners of the function's name.
pub(super) fn generations<'a>(
    call: &Call<'_>,
    reply: &'a LookupReply,
    unreadable: &mut impl FnMut(Unreadable),
) -> Option<(Generations, Owners<'a>)> {
    let mut read = |item: &'a store::Item, scope| match Generation::read(&item.bytes, scope) {
        Ok(read) => Some(read),
        Err(reason) => {
            unreadable(reason);
            None
        }
    };
    let [namespace, function] = call.keys.scopes();
    let (namespace, _) = read(reply.namespace.as_ref()?, namespace)?;
    let (function, owners) = read(reply.function.as_ref()?, function)?;
    let tags = call.keys.tags().iter().enumerate();
    let function = match call.cache.planted().has(Fault::TagsNotCompared) {
        true => function,
        false => function.with_tags(tags.map(|(place, tag)| {
            let (generation, _) = read(reply.tags.get(place)?.as_ref()?, tag)?;
            Some((tag, generation))
        }))?,
    };
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

    pub(super) fn read<'a>(&self, bytes: &'a [u8], under: &str) -> Result<Record<'a>, Unreadable> {
        entry::read(bytes, under, self.keys.digest(), &self.cache.seal)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::decision::Age, *};
    use crate::{
        Cache, Key, Policy,
        entry::Freed,
        payload::Payload,
        store::{Item, LookupReply},
    };
    use std::time::Duration;

    const POLICY: Policy =
        Policy::ttl(Duration::from_secs(60)).stale_while_revalidate(Duration::from_secs(60));

    /// A lookup that shows a stale entry, and `marker` under its marker.
    fn stale(call: &Call<'_>, marker: Vec<u8>) -> LookupReply {
        let generation = Generation::mint(0, 0);
        let generations = Generations {
            namespace: generation,
            function: generation,
        };
        let created = call.cache.clock.now() - 61_000;
        let fresh_until = call.policy.fresh_until(created, call.policy.ttl);
        let payload = Payload::Plain(b"");
        let entry = (call.policy).entry(generations, created, fresh_until, Duration::ZERO, payload);
        let item = |bytes: Vec<u8>| Item {
            bytes: bytes.into(),
            cas: Some(1),
        };
        let [namespace, function] = call.keys.scopes();
        let generation = |scope| Some(item(generation.write(scope, &[])));
        let (keys, seal) = (&call.keys, &call.cache.seal);
        LookupReply {
            near: None,
            tags: Vec::new(),
            seconds_left: None,
            item: ItemState::Item(item(entry.write(keys.item(), keys.digest(), seal))),
            marker: Some(item(marker)),
            namespace: generation(namespace),
            function: generation(function),
        }
    }

    #[test]
    fn a_refresh_after_one_whose_holder_left_says_so() {
        let (cache, key) = (Cache::memory(), Key::new("left", &()).unwrap());
        let call = Call::new(cache.shared(), &key, &POLICY.parts, None);
        let left = Freed {
            reason: FreedReason::Left,
            refreshes_entry: 0,
        };
        let reply = stale(&call, left.write(call.keys.marker(), call.keys.digest()));
        let snapshot = Snapshot::new(&call, &reply);
        assert_eq!(snapshot.kind, ItemKind::Entry(Age::Stale));
        assert_eq!(snapshot.marker, Marker::NotRefreshing);
        assert_eq!(snapshot.after, After::Leaving);
    }

    #[test]
    fn what_of_a_lookup_cannot_be_read_is_counted_once() {
        let (cache, key) = (Cache::memory(), Key::new("garbage", &()).unwrap());
        let call = Call::new(cache.shared(), &key, &POLICY.parts, None);
        let reply = stale(&call, b"garbage".to_vec());
        Snapshot::new(&call, &reply);
        Snapshot::again(&call, &reply);
        assert_eq!(cache.stats().unreadable, 1, "the marker");
        let garbage = Item {
            bytes: b"garbage".to_vec().into(),
            cas: Some(1),
        };
        let reply = LookupReply {
            marker: None,
            function: Some(garbage),
            ..reply
        };
        Snapshot::new(&call, &reply);
        // Without its generation the entry is not current, and it can be read.
        assert_eq!(cache.stats().unreadable, 2, "the generation");
    }
}
