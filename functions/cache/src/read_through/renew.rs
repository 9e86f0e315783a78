//! The origin call, which renews the leases of its keys meanwhile.

use std::{pin::pin, time::Duration};

use tokio::sync::Notify;

use super::{Call, Lease, exchange::Exchanges, lease::ClaimKind};
use crate::store::StoreError;

/// How long an origin may run before its placeholder is worth a write of its own.
const STAMP_AFTER: Duration = Duration::from_millis(5);

/// A lease that is renewed, and what is known about its record.
pub(super) struct KeptLease<'a> {
    call: &'a Call<'a>,
    lease: &'a Lease,
    cas: RecordCas,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RecordCas {
    Known(u64),
    /// The cas of a placeholder, which is only replaced if the origin takes long.
    Placeholder(u64),
    /// It was not read yet, or could not be read.
    Unknown(StoreError),
    /// The record is no longer there.
    Lost,
}

impl<'a> KeptLease<'a> {
    pub(super) fn new(call: &'a Call<'_>, lease: &'a Lease) -> Self {
        let cas = match lease.claim {
            ClaimKind::Placeholder { cas, .. } => RecordCas::Placeholder(cas),
            ClaimKind::Lease { .. } | ClaimKind::Marker { .. } => {
                RecordCas::Unknown(StoreError::Timeout)
            }
            ClaimKind::Entry { .. } => RecordCas::Lost,
        };
        Self { call, lease, cas }
    }

    /// The cas of the record; `None`: it is no longer there.
    pub(super) fn cas(&self) -> Result<Option<u64>, StoreError> {
        match self.cas {
            RecordCas::Known(cas) | RecordCas::Placeholder(cas) => Ok(Some(cas)),
            RecordCas::Unknown(error) => Err(error),
            RecordCas::Lost => Ok(None),
        }
    }

    /// A marker's fill goes by the entry's cas.
    fn needs_cas(&self, to: To) -> bool {
        match to {
            To::Fill => !matches!(self.lease.claim, ClaimKind::Marker { .. }),
            To::GiveBack | To::Renew => true,
        }
    }
}

/// What the cas of a record is read for.
#[derive(Debug, Clone, Copy)]
pub(super) enum To {
    Fill,
    GiveBack,
    Renew,
}

impl Exchanges<'_> {
    /// Awaits the origin. Meanwhile the cas of the leases is read, so that a fill is one round
    /// trip, and the leases are renewed.
    pub(super) async fn keep_during<R>(
        &self,
        kept: &mut [KeptLease<'_>],
        origin: impl Future<Output = R>,
    ) -> R {
        if kept.is_empty() {
            return origin.await;
        }
        let ended = Notify::new();
        let mut keeping = pin!(self.keep(kept, &ended));
        let mut origin = pin!(origin);
        let result = tokio::select! {
            biased;
            result = &mut origin => result,
            () = &mut keeping => return origin.await,
        };
        ended.notify_one();
        // An exchange may be running. To cancel it would cost the connection.
        let rest = tokio::time::timeout(self.budget.left(), keeping);
        let _ = self.budget.spend(rest).await;
        result
    }

    /// Reads the cas of the records that are not known yet, as far as they are needed.
    pub(super) async fn read_unknown(&self, kept: &mut [KeptLease<'_>], to: To) {
        let reading = self.read(kept, self.budget.left(), to);
        self.budget.spend(reading).await;
    }

    /// Renews each lease every third of its lifetime, and only while it is still this call's.
    async fn keep(&self, kept: &mut [KeptLease<'_>], ended: &Notify) {
        let Some(first) = kept.iter().find(|kept| kept.cas != RecordCas::Lost) else {
            return;
        };
        let third = Duration::from_millis(u64::from(first.call.lease_seconds() - 1) * 1000 / 3);
        let placeholder = |kept: &KeptLease<'_>| matches!(kept.cas, RecordCas::Placeholder(_));
        // A placeholder shows neither its holder nor its generations; a quick origin needs neither.
        let mut pause = if kept.iter().any(placeholder) {
            STAMP_AFTER
        } else {
            third
        };
        let limit = || self.budget.off_path();
        self.read(kept, limit(), To::Fill).await;
        loop {
            let over = tokio::time::timeout(pause, ended.notified()).await.is_ok();
            let lost = kept.iter().all(|kept| kept.cas == RecordCas::Lost);
            if over || lost || self.budget.is_over() {
                return;
            }
            pause = third;
            self.read(kept, limit(), To::Renew).await;
            self.renew(kept, limit()).await;
            self.read(kept, limit(), To::Renew).await;
        }
    }

    /// Writes each record again over its own cas.
    async fn renew(&self, kept: &mut [KeptLease<'_>], limit: Duration) {
        let (mut places, mut writes) = (Vec::new(), Vec::new());
        for (place, kept) in kept.iter_mut().enumerate() {
            if let (Ok(Some(cas)), Some((kind, record))) = (kept.cas(), kept.lease.claim.record()) {
                let (record, life) = (record.to_vec(), kept.call.lease_life());
                writes.push(kept.call.write_over(kind, record, life, cas));
                places.push(place);
                // Without an answer it may be written or not, so it is read again before its next
                // use.
                kept.cas = RecordCas::Unknown(StoreError::Timeout);
            }
        }
        if writes.is_empty() {
            return;
        }
        let written = self.cache.store.write(&writes, limit).await;
        for (place, written) in places.into_iter().zip(written) {
            if written == Ok(false) {
                kept[place].cas = RecordCas::Lost;
            }
        }
    }

    async fn read(&self, kept: &mut [KeptLease<'_>], limit: Duration, to: To) {
        let (mut places, mut wanted) = (Vec::new(), Vec::new());
        for (place, kept) in kept.iter().enumerate() {
            let (call, lease) = (kept.call, kept.lease);
            let unknown = kept.cas().is_err() && kept.needs_cas(to);
            if let Some((kind, record)) = lease.claim.record().filter(|_| unknown) {
                places.push((place, record));
                wanted.push((&call.keys, kind));
            }
        }
        if wanted.is_empty() {
            return;
        }
        let items = self.cache.store.get_with_cas(&wanted, limit).await;
        for ((place, record), item) in places.into_iter().zip(items) {
            kept[place].cas = match item {
                Ok(item) => item
                    .and_then(|item| item.cas_of(record))
                    .map_or(RecordCas::Lost, RecordCas::Known),
                Err(error) => RecordCas::Unknown(error),
            };
        }
    }
}
