//! A holder that is cancelled or panics gives its lease back if it can do so at once. Otherwise the
//! lease expires.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::Call;
use crate::{
    budget::VERB_TIMEOUT,
    entry::{self, After, Freed, FreedReason, Record, Seal},
    shared::{Shared, abandoned::HeldLease},
    store::{
        Item, KeyKind, Lifetime, StoreError,
        many::{Precondition, Write},
    },
};

/// So often the records of leases are read, if the server does not answer.
const TRIES: u32 = 2;

/// Armed from before the lease is requested until it is used or given back. If it is dropped while
/// armed, by a cancelled call, a panic, or an exchange whose answer was lost, a task gives the
/// lease back.
#[derive(Debug)]
pub(super) struct ReleaseGuard(Option<(Arc<Shared>, HeldLease)>);

impl ReleaseGuard {
    /// For a lease `record` under `kind`; without bytes it is a placeholder only.
    pub(super) fn armed(
        call: &Call<'_>,
        kind: KeyKind,
        record: &[u8],
        placeholder: Option<u64>,
    ) -> Self {
        let (cache, keys, record) = (call.cache.clone(), call.keys.clone(), record.to_vec());
        let held = HeldLease {
            keys,
            kind,
            record,
            placeholder,
            origin_failed: false,
        };
        Self(Some((cache, held)))
    }

    /// Holds nothing.
    pub(super) fn nothing() -> Self {
        Self(None)
    }

    /// The lease was used, given back, or never acquired.
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }

    /// The record that frees the lease is to say so.
    pub(super) fn origin_failed(&mut self) {
        if let Some((_, held)) = &mut self.0 {
            held.origin_failed = true;
        }
    }
}

impl Drop for ReleaseGuard {
    fn drop(&mut self) {
        if let (Some((cache, mut held)), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            held.origin_failed |= std::thread::panicking();
            if cache.abandoned.push(held, &runtime) {
                runtime.spawn(GiveBack(Some(cache)).run());
            }
        }
    }
}

/// A task that gives back what was abandoned before it runs. If its runtime ends before that, another
/// runtime goes on, if holders on it have left leases meanwhile. Otherwise they expire, and nothing
/// is left that would keep the next task from being started.
struct GiveBack(Option<Arc<Shared>>);

impl GiveBack {
    async fn run(mut self) {
        let Some(cache) = self.0.take() else {
            return;
        };
        let all = cache.abandoned.take();
        if !all.is_empty() {
            give_back(&cache, &all).await;
        }
    }
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        let Some(cache) = self.0.take() else {
            return;
        };
        match cache.abandoned.other_runtime() {
            // If it has ended, too, this is dropped at once.
            Some(other) => drop(other.spawn(Self(Some(cache)).run())),
            None => drop(cache.abandoned.take()),
        }
    }
}

/// Frees each of these leases that is still there, with the exchanges of one call for many keys.
async fn give_back(cache: &Shared, all: &[HeldLease]) {
    let mut left: Vec<_> = all.iter().collect();
    for _ in 0..TRIES {
        let wanted: Vec<_> = left.iter().map(|held| (&held.keys, held.kind)).collect();
        let items = cache.store.get_with_cas(&wanted, VERB_TIMEOUT).await;
        let (mut unread, mut writes) = (Vec::new(), Vec::new());
        for (held, item) in left.into_iter().zip(items) {
            match item {
                Ok(item) => writes.extend(item.and_then(|item| held.free(&cache.seal, &item))),
                Err(StoreError::Breaker) => {}
                Err(_) => unread.push(held),
            }
        }
        if !writes.is_empty() {
            // If one is refused, the lease is no longer held.
            cache.store.write(&writes, VERB_TIMEOUT).await;
        }
        left = unread;
        if left.is_empty() {
            return;
        }
    }
}

impl HeldLease {
    /// The write that frees the lease, if `item` is its record.
    fn free(&self, seal: &Seal, item: &Item) -> Option<Write<'_>> {
        let ours = if item.bytes.is_empty() {
            self.placeholder.is_some() && item.cas == self.placeholder
        } else {
            item.bytes == self.record
        };
        if !ours {
            return None;
        }
        Some(Write {
            keys: &self.keys,
            kind: self.kind,
            bytes: self.freed(seal),
            life: Lifetime::seconds(2),
            precondition: Precondition::Cas(item.cas?),
        })
    }

    /// A holder that left says nothing about the origin, but for one that came after another such.
    fn freed(&self, seal: &Seal) -> Vec<u8> {
        let (under, digest) = (self.keys.of_kind(self.kind), self.keys.digest());
        let lease = match entry::read(&self.record, under, digest, seal) {
            Ok(Record::Lease(lease)) => Some(lease),
            _ => None,
        };
        let again = lease.is_some_and(|lease| lease.after != After::Nothing);
        let reason = if self.origin_failed || again {
            FreedReason::Failed
        } else {
            FreedReason::Left
        };
        let refreshes_entry = lease.map_or(0, |lease| lease.refreshes_entry);
        let freed = Freed {
            reason,
            refreshes_entry,
        };
        freed.write(under, digest)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{
        super::{Progress, Snapshot, decision::Decision, plan::Plan},
        *,
    };
    use crate::{
        Cache, Key, Policy,
        store::{ItemState, LookupReply},
    };

    /// A lookup has created a placeholder and found no generations.
    #[tokio::test]
    async fn a_placeholder_is_given_back_if_its_call_ends_before_the_generations_are_there() {
        let policy = Policy::ttl(Duration::from_secs(60));
        let (cache, key) = (Cache::memory(), Key::new("minting", &()).unwrap());
        let call = Call::new(cache.shared(), &key, &policy.parts, None);
        let store = &cache.shared().store;
        let placeholder = Write {
            keys: &call.keys,
            kind: KeyKind::Item,
            bytes: Vec::new(),
            life: Lifetime::seconds(2),
            precondition: Precondition::Absent,
        };
        store.write(&[placeholder], VERB_TIMEOUT).await;
        let wanted = [(&call.keys, KeyKind::Item)];
        let item = || async { store.get_with_cas(&wanted, VERB_TIMEOUT).await.pop() };
        let cas = item().await.unwrap().unwrap().unwrap().cas.unwrap();
        let reply = LookupReply {
            near: None,
            seconds_left: None,
            item: ItemState::Won(cas),
            marker: None,
            namespace: None,
            function: None,
        };
        let (mut progress, snapshot) = (Progress::default(), Snapshot::new(&call, &reply));
        let plan = call.plan(&mut progress, &snapshot, Decision::Mint);
        assert!(matches!(plan, Plan::Mint));
        drop(progress);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let left = item().await.unwrap().unwrap().unwrap();
        assert!(!left.bytes.is_empty(), "the placeholder is still there");
    }

    #[test]
    fn leases_of_a_runtime_that_lives_are_given_back_by_it_when_another_one_ends() {
        let policy = Policy::ttl(Duration::from_secs(60));
        let cache = Cache::memory();
        let store = &cache.shared().store;
        let keys = [1, 2].map(|n| Key::new("abandoned", &(n,)).unwrap());
        let calls = keys
            .each_ref()
            .map(|key| Call::new(cache.shared(), key, &policy.parts, None));
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap()
        };
        let (ending, living) = (runtime(), runtime());
        let item = async |call: &Call<'_>| {
            let wanted = [(&call.keys, KeyKind::Item)];
            let item = store.get_with_cas(&wanted, VERB_TIMEOUT).await.pop();
            item.unwrap().unwrap().unwrap()
        };
        for (call, runtime) in calls.iter().zip([&ending, &living]) {
            // Nothing runs between the two, so the first one's task is the only one.
            runtime.block_on(async {
                let placeholder = Write {
                    keys: &call.keys,
                    kind: KeyKind::Item,
                    bytes: Vec::new(),
                    life: Lifetime::seconds(60),
                    precondition: Precondition::Absent,
                };
                store.write(&[placeholder], VERB_TIMEOUT).await;
                let cas = item(call).await.cas;
                drop(ReleaseGuard::armed(call, KeyKind::Item, &[], cas));
            });
        }
        drop(ending);
        living.block_on(async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            for call in &calls {
                assert!(!item(call).await.bytes.is_empty(), "it is still there");
            }
        });
        drop(living);
        assert!(cache.shared().abandoned.take().is_empty());
    }

    #[test]
    fn another_callers_placeholder_is_left() {
        let policy = Policy::ttl(Duration::from_secs(60));
        let (cache, key) = (Cache::memory(), Key::new("minting", &()).unwrap());
        let call = Call::new(cache.shared(), &key, &policy.parts, None);
        let mut guard = ReleaseGuard::armed(&call, KeyKind::Item, &[], Some(7));
        let (cache, held) = guard.0.take().unwrap();
        let item = |cas| Item {
            bytes: bytes::Bytes::new(),
            cas: Some(cas),
        };
        assert!(held.free(&cache.seal, &item(8)).is_none());
        assert!(held.free(&cache.seal, &item(7)).is_some());
    }
}
