//! Many leases kept alive beside one origin call.

use std::{pin::pin, time::Duration};

use tokio::sync::Notify;

use super::{
    super::{claim::ClaimKind, renew::STAMP_AFTER},
    BatchCall, OriginKey,
};
use crate::{
    key::CacheKeys,
    store::{
        KeyKind, Lifetime,
        many::{Precondition, Write},
    },
};

/// One key's record, and what is known of it.
pub(super) struct Kept<'a> {
    keys: &'a CacheKeys,
    life: Lifetime,
    record: Option<(KeyKind, &'a [u8])>,
    cas: KnownCas,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KnownCas {
    Known(u64),
    /// The cas of a lease that may be empty as yet, and is not written unless the origin takes long.
    Placeholder(u64),
    ToRead,
    /// The record is no more there, or there never was one.
    Lost,
}

impl<'a> Kept<'a> {
    pub(super) fn new<A>(called: &'a OriginKey<'_, A>) -> Self {
        let claim = called.hold().map(|hold| &hold.claim);
        let (record, cas) = match claim {
            Some(ClaimKind::Lease { record }) => (Some((KeyKind::Item, record)), KnownCas::ToRead),
            Some(ClaimKind::Placeholder { record, cas }) => {
                (Some((KeyKind::Item, record)), KnownCas::Placeholder(*cas))
            }
            Some(ClaimKind::Marker { record, .. }) => {
                (Some((KeyKind::Marker, record)), KnownCas::ToRead)
            }
            Some(ClaimKind::Entry { .. }) | None => (None, KnownCas::Lost),
        };
        Self {
            keys: &called.key.call.keys,
            life: called.key.call.lease_life(),
            record: record.map(|(kind, record)| (kind, record.as_slice())),
            cas,
        }
    }
}

impl BatchCall<'_> {
    /// Awaits the origin. Meanwhile the leases' cas values are learned and the leases renewed, in one exchange a server.
    pub(super) async fn held<R>(
        &self,
        kept: &mut [Kept<'_>],
        origin: impl Future<Output = R>,
    ) -> R {
        let ended = Notify::new();
        let mut keeping = pin!(self.keep(kept, &ended));
        let mut origin = pin!(origin);
        let result = tokio::select! {
            biased;
            result = &mut origin => result,
            () = &mut keeping => return origin.await,
        };
        ended.notify_one();
        // An exchange may be under way. It is awaited rather than broken off: breaking it off would cost the connection.
        let rest = tokio::time::timeout(self.budget.left(), keeping);
        let _ = self.budget.spend(rest).await;
        result
    }

    /// The cas values of the records, of those that are still there.
    pub(super) async fn cas_values(&self, mut kept: Vec<Kept<'_>>) -> Vec<Option<u64>> {
        let left = self.budget.left();
        self.budget.spend(self.read_cas(&mut kept, left)).await;
        let known = kept.iter().map(|kept| match kept.cas {
            KnownCas::Known(cas) | KnownCas::Placeholder(cas) => Some(cas),
            KnownCas::ToRead | KnownCas::Lost => None,
        });
        known.collect()
    }

    async fn keep(&self, kept: &mut [Kept<'_>], ended: &Notify) {
        let Some(any) = kept.iter().find(|kept| kept.record.is_some()) else {
            return;
        };
        let Lifetime::Seconds(seconds) = any.life else {
            return;
        };
        let third = Duration::from_millis(u64::from(seconds.get() - 1) * 1000 / 3);
        let is_bare = |kept: &Kept<'_>| matches!(kept.cas, KnownCas::Placeholder(_));
        let mut pause = if kept.iter().any(is_bare) {
            STAMP_AFTER
        } else {
            third
        };
        self.read_cas(kept, self.budget.off_path()).await;
        loop {
            let precondition = tokio::time::timeout(pause, ended.notified()).await.is_ok();
            if precondition || self.budget.is_over() {
                return;
            }
            pause = third;
            self.read_cas(kept, self.budget.off_path()).await;
            self.renew(kept).await;
            self.read_cas(kept, self.budget.off_path()).await;
        }
    }

    /// Writes each record again over its own cas. Never blindly.
    async fn renew(&self, kept: &mut [Kept<'_>]) {
        let (mut places, mut writes) = (Vec::new(), Vec::new());
        for (place, kept) in kept.iter_mut().enumerate() {
            let (KnownCas::Known(cas) | KnownCas::Placeholder(cas)) = kept.cas else {
                continue;
            };
            let Some((kind, record)) = kept.record else {
                continue;
            };
            // Perhaps done, perhaps not: learned again before its next use.
            kept.cas = KnownCas::ToRead;
            places.push(place);
            writes.push(Write {
                keys: kept.keys,
                kind,
                bytes: record.to_vec(),
                life: kept.life,
                precondition: Precondition::Cas(cas),
            });
        }
        if writes.is_empty() {
            return;
        }
        let store = &self.cache.store;
        let stored = store.write_many(&writes, self.budget.off_path()).await;
        for (place, stored) in places.into_iter().zip(stored) {
            if stored == Ok(false) {
                kept[place].cas = KnownCas::Lost;
            }
        }
    }

    async fn read_cas(&self, kept: &mut [Kept<'_>], limit: Duration) {
        let wanted = kept.iter().enumerate().filter_map(|(place, kept)| {
            let (kind, _) = kept.record.filter(|_| kept.cas == KnownCas::ToRead)?;
            Some((place, (kept.keys, kind)))
        });
        let (places, wanted): (Vec<_>, Vec<_>) = wanted.unzip();
        if wanted.is_empty() {
            return;
        }
        let items = self.cache.store.get_many_with_cas(&wanted, limit).await;
        for (place, item) in places.into_iter().zip(items) {
            let kept = &mut kept[place];
            let record = kept.record.map(|(_, record)| record);
            kept.cas = match item {
                Ok(Some(item)) if Some(&*item.bytes) == record => {
                    item.cas.map_or(KnownCas::Lost, KnownCas::Known)
                }
                Ok(_) => KnownCas::Lost,
                Err(_) => KnownCas::ToRead,
            };
        }
    }
}
