//! Near copies in a call: one that answers it without the server, and one that its lookup makes.

use bytes::Bytes;

use super::{
    Call, Decision, Fetched, Freshness, Lease, LookupReply, Noted, Outcome, PolicyParts, Shared,
    Snapshot, lease::FillReason,
};
use crate::{
    budget::Budget,
    clock::{self, Millis},
    key::Key,
    near::{Answer, Asked, Copy, Forgetting, Keep, LARGEST, Moment},
    planted::Fault,
    store::Store,
    telemetry::events::{self, Event},
    telemetry::metrics::Counter,
};

/// The answer of a copy, if there is one that may be served. Reported as a call that has ended.
#[inline(never)]
pub(super) fn answer<K: Keep<T>, T>(
    cache: &Shared,
    key: &Key,
    policy: &PolicyParts,
    freshness: Freshness,
) -> Option<Fetched<T>> {
    let (fetched, saved) = copied::<K, T>(cache, key, policy, freshness)?;
    let span = events::call(key.name());
    let event = Event::value(key.name(), &fetched);
    events::record(&span, event.outcome);
    let counters = cache.counters.of(key.name());
    counters.add(Counter::OriginMicrosSaved, saved);
    cache.publish(&counters, &event);
    Some(fetched)
}

/// The value of a copy that may be served, and the microseconds that its origin call had taken.
pub(super) fn copied<K: Keep<T>, T>(
    cache: &Shared,
    key: &Key,
    policy: &PolicyParts,
    freshness: Freshness,
) -> Option<(Fetched<T>, u64)> {
    if policy.near.is_zero() {
        return None;
    }
    let Some(copies) = cache.near.copies() else {
        if let Store::Memcached(_) = cache.store {
            cache.log.near_is_off(key.name());
        }
        return None;
    };
    if freshness != Freshness::Normal || cache.disabled {
        return None;
    }
    let now = cache.near.clocks().now();
    let asked = Asked {
        digest: key.digest(),
        tags: key.tags(),
        owner: key.owner(),
        version: policy.version,
        near: policy.near,
        list: cache.store.lists(),
        now,
    };
    let held = copies.get(&asked, cache.near.planted())?;
    // Decoded or cloned without the lock.
    let value = K::given(&held.value)?;
    let wall = millis(&now);
    let fetched = Fetched {
        value,
        outcome: Outcome::Hit,
        near: true,
        age: clock::since(wall, held.created),
        ttl_left: clock::until(wall, held.fresh_until),
        cache_time: std::time::Duration::ZERO,
        origin_time: None,
    };
    Some((fetched, held.cost.into()))
}

/// Rounded down: a time that is compared with the end of an entry.
fn millis(moment: &Moment) -> Millis {
    u64::try_from(moment.wall.as_millis()).unwrap_or(u64::MAX)
}

impl Call<'_> {
    /// What this call has to note before a lookup, if that may make a copy. Boxed, so that the
    /// future of other calls stays small.
    pub(super) fn noted(&self) -> Option<Box<Noted>> {
        if self.policy.near.is_zero() {
            return None;
        }
        let near = &self.cache.near;
        // The records that bound copies have to be of one server life with the item.
        let copies = near.copies().filter(|_| !self.cache.store.spreads_keys())?;
        let (now, list) = (near.clocks().now(), self.cache.store.lists());
        let noted = copies.note(self.key.digest(), now, list);
        Some(Box::new(noted))
    }

    /// Keeps the value of a fresh entry, if the records of this very lookup allow it.
    pub(super) fn keep<K: Keep<T>, T>(
        &self,
        noted: &Noted,
        decision: Decision,
        snapshot: &Snapshot<'_>,
        reply: &LookupReply,
        fetched: &Fetched<T>,
    ) {
        let near = &self.cache.near;
        let (Some(copies), Some(records)) = (near.copies(), &reply.near) else {
            return;
        };
        // This lookup may have been the first to connect.
        if self.cache.store.spreads_keys() {
            return;
        }
        let digest = self.key.digest();
        copies.seen(digest, snapshot.entry.map(|entry| entry.id));
        let Some(entry) = snapshot.entry.filter(|_| decision == Decision::Hit) else {
            return;
        };
        // That of the value, which a compressed entry is smaller than.
        let size = entry.payload.opened_size();
        let permission = near.permission(&self.keys, &records[..], self.policy.near);
        if !permission.granted || size > LARGEST {
            return;
        }
        let now = near.clocks().now();
        let since = match near.planted().has(Fault::CountedFromReceipt) {
            true => now,
            false => noted.moment,
        };
        let passed = now.since(&since, near.planted());
        if passed.is_none_or(|passed| passed >= self.policy.near) {
            return;
        }
        let copy = Copy {
            since,
            near: self.policy.near,
            list: noted.list,
            entry: entry.id,
            version: entry.version,
            tags: self.key.tags().clone(),
            owner: self.key.owner(),
            created: entry.created,
            fresh_until: entry.fresh_until,
            cost: entry.cost,
            bytes: self.keys.item().len() + size,
            value: K::keep(&fetched.value, entry.payload),
        };
        copies.insert(digest, noted, copy, &now, near.planted());
    }

    /// Adds, raises or settles the records that `reply` has shown, once a second for each name and
    /// server, within `budget`.
    pub(super) async fn keep_up(&self, reply: &LookupReply, budget: &Budget) {
        let received = self.cache.near.clocks().now().monotonic;
        let Some(records) = &reply.near else {
            return;
        };
        let near = self.policy.near;
        let permission = self.cache.near.permission(&self.keys, &records[..], near);
        if !permission.incomplete {
            return;
        }
        let server = self.cache.store.holding(&self.keys).unwrap_or_default();
        if !self.cache.may_keep_up(&server, self.key.name()) {
            return;
        }
        let answer = Answer::new(server, self.keys.both(), &records[..], received);
        // Two records, and each may be settled and added.
        let limit = budget.left() / 4;
        let kept_up = self.cache.keep_up(&answer, near, limit);
        budget.spend(kept_up).await;
    }

    /// A new value on request ends the copy of the old one in this process.
    pub(super) fn forgetting(&self, lease: &Lease) -> Option<Forgetting<'_>> {
        (lease.reason == FillReason::Requested)
            .then(|| self.cache.near.forgetting(self.key.digest()))
    }

    /// What a server has shown of the records of this key.
    pub(crate) fn shown(&self, server: String, records: &[Option<Bytes>]) -> Answer {
        let received = self.cache.near.clocks().now().monotonic;
        Answer::new(server, self.keys.both(), records, received)
    }
}
