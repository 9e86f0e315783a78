//! A holder that is cancelled or panics gives its lease back if it can do so at once. Otherwise the
//! lease expires.

use std::sync::Arc;

use super::Call;
use crate::{
    budget::VERB_TIMEOUT,
    entry::{self, After, Freed, FreedReason, Record},
    key::CacheKeys,
    shared::Shared,
    store::{
        KeyKind, Lifetime,
        many::{Precondition, Write},
    },
};

/// Armed from before the lease is requested until it is used or given back. If it is dropped while
/// armed, by a cancelled call, a panic, or an acquisition whose answer was lost, it gives the lease
/// back in a task of its own.
#[derive(Debug)]
pub(super) struct ReleaseGuard(Option<HeldLease>);

#[derive(Debug)]
struct HeldLease {
    cache: Arc<Shared>,
    keys: CacheKeys,
    kind: KeyKind,
    record: Vec<u8>,
    /// The cas of a lease that may still be a placeholder.
    placeholder: Option<u64>,
    panicking: bool,
}

impl ReleaseGuard {
    /// For a lease `record` under `kind`.
    pub(super) fn armed(
        call: &Call<'_>,
        kind: KeyKind,
        record: &[u8],
        placeholder: Option<u64>,
    ) -> Self {
        let (cache, keys, record) = (call.cache.clone(), call.keys.clone(), record.to_vec());
        Self(Some(HeldLease {
            cache,
            keys,
            kind,
            record,
            placeholder,
            panicking: false,
        }))
    }

    /// Holds nothing.
    pub(super) fn nothing() -> Self {
        Self(None)
    }

    /// The lease was used, given back, or never acquired.
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for ReleaseGuard {
    fn drop(&mut self) {
        if let (Some(mut held), Ok(runtime)) =
            (self.0.take(), tokio::runtime::Handle::try_current())
        {
            held.panicking = std::thread::panicking();
            runtime.spawn(held.give_back());
        }
    }
}

impl HeldLease {
    /// A holder that left says nothing about the origin, but for one that came after another such.
    fn freed(&self) -> Vec<u8> {
        let (under, digest) = (self.keys.of_kind(self.kind), self.keys.digest());
        let lease = match entry::read(&self.record, under, digest, &self.cache.seal) {
            Ok(Record::Lease(lease)) => Some(lease),
            _ => None,
        };
        let again = lease.is_some_and(|lease| lease.after != After::Nothing);
        let reason = if self.panicking || again {
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

    async fn give_back(self) -> Option<()> {
        let store = &self.cache.store;
        let wanted = [(&self.keys, self.kind)];
        let items = store.get_with_cas(&wanted, VERB_TIMEOUT).await;
        let item = items.into_iter().next()?.ok()??;
        let empty = item.bytes.is_empty() && self.placeholder.is_some();
        if item.bytes != self.record && !(empty && item.cas == self.placeholder) {
            return None;
        }
        let write = Write {
            keys: &self.keys,
            kind: self.kind,
            bytes: self.freed(),
            life: Lifetime::seconds(2),
            precondition: Precondition::Cas(item.cas?),
        };
        // If it is refused, the lease is no longer held.
        store.write(&[write], VERB_TIMEOUT).await;
        Some(())
    }
}
