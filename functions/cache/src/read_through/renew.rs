//! The origin call of a holder, with its lease kept alive beside it.

use std::{pin::pin, time::Duration};

use tokio::sync::Notify;

use super::{Call, ClaimKind, Lease};
use crate::store::{KeyKind, StoreError};

/// How long an origin may take before its empty lease is worth a write of its own.
pub(super) const STAMP_AFTER: Duration = Duration::from_millis(5);

impl Call<'_> {
    /// Awaits the origin. Meanwhile the lease's cas is learned, so that the fill is one round trip, and the lease is renewed.
    /// Answers with the origin's result and the cas of our lease record, if it is known to be still there.
    pub(super) async fn held<R>(
        &self,
        hold: &Lease,
        origin: impl Future<Output = R>,
    ) -> (R, Option<u64>) {
        let (kind, record, placeholder) = match &hold.claim {
            ClaimKind::Lease { record } => (KeyKind::Item, record, None),
            ClaimKind::Placeholder { record, cas } => (KeyKind::Item, record, Some(*cas)),
            ClaimKind::Marker { record, .. } => (KeyKind::Marker, record, None),
            ClaimKind::Entry { .. } => return (origin.await, None),
        };
        let ended = Notify::new();
        let mut keeping = pin!(self.keep(kind, record, placeholder, &ended));
        let mut origin = pin!(origin);
        let result = tokio::select! {
            biased;
            result = &mut origin => result,
            cas = &mut keeping => return (origin.await, cas),
        };
        ended.notify_one();
        // An exchange may be under way. It is awaited rather than broken off: breaking it off would cost the connection.
        let rest = tokio::time::timeout(self.budget.left(), keeping);
        let cas = self.budget.spend(rest).await;
        (result, cas.ok().flatten())
    }

    /// Renews our record every third of its life until `ended`. Never blindly: only while it is still ours. `placeholder` is the cas
    /// of a lease that is empty as yet.
    async fn keep(
        &self,
        kind: KeyKind,
        record: &[u8],
        placeholder: Option<u64>,
        ended: &Notify,
    ) -> Option<u64> {
        let mut cas = placeholder;
        if placeholder.is_none() && kind == KeyKind::Item {
            match self.read_cas_off_path(kind, record).await {
                Ok(None) => return None,
                Ok(learned) => cas = learned,
                Err(_) => {}
            }
        }
        let third = Duration::from_millis(u64::from(self.lease_seconds() - 1) * 1000 / 3);
        // An empty lease says neither whose it is nor under which generations; a quick origin needs neither.
        let mut pause = if placeholder.is_some() {
            STAMP_AFTER
        } else {
            third
        };
        loop {
            let precondition = tokio::time::timeout(pause, ended.notified()).await.is_ok();
            if precondition || self.budget.is_over() {
                return cas;
            }
            pause = third;
            match self.renew(kind, record, cas).await {
                Ok(None) => return None,
                Ok(renewed) => cas = renewed,
                // Perhaps done, perhaps not: learned again before its next use.
                Err(_) => cas = None,
            }
        }
    }

    async fn renew(
        &self,
        kind: KeyKind,
        record: &[u8],
        cas: Option<u64>,
    ) -> Result<Option<u64>, StoreError> {
        let cas = match cas {
            Some(cas) => Some(cas),
            None => self.read_cas_off_path(kind, record).await?,
        };
        let Some(cas) = cas else {
            return Ok(None);
        };
        let (life, limit) = (self.lease_life(), self.budget.off_path());
        let store = &self.cache.store;
        match store
            .compare_and_swap(&self.keys, kind, record.to_vec(), life, cas, limit)
            .await?
        {
            true => self.read_cas_off_path(kind, record).await,
            false => Ok(None),
        }
    }

    /// As [`Call::read_cas`], on time that the origin takes anyway.
    async fn read_cas_off_path(
        &self,
        kind: KeyKind,
        record: &[u8],
    ) -> Result<Option<u64>, StoreError> {
        let there = self
            .cache
            .store
            .get_with_cas(&self.keys, kind, self.budget.off_path())
            .await?;
        Ok(there
            .filter(|item| item.bytes == record)
            .and_then(|item| item.cas))
    }
}
