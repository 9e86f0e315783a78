//! The origin call of a holder, with its lease kept alive beside it.

use std::{pin::pin, time::Duration};

use tokio::sync::Notify;

use super::{Call, Claim, Hold};
use crate::store::{Slot, StoreError, Stored};

/// How long an origin may take before its empty lease is worth a write of its own.
pub(super) const BARE: Duration = Duration::from_millis(5);

impl Call<'_> {
    /// Awaits the origin. Meanwhile the lease's number is learned, so that the fill is one round trip, and the lease is renewed.
    /// Answers with the origin's result and the number of our lease record, if it is known to be still there.
    pub(super) async fn held<R>(
        &self,
        hold: &Hold,
        origin: impl Future<Output = R>,
    ) -> (R, Option<u64>) {
        let (slot, record, bare) = match &hold.claim {
            Claim::Lease { record } => (Slot::Item, record, None),
            Claim::Bare { record, number } => (Slot::Item, record, Some(*number)),
            Claim::Marker { record, .. } => (Slot::Marker, record, None),
            Claim::Entry { .. } => return (origin.await, None),
        };
        let ended = Notify::new();
        let mut keeping = pin!(self.keep(slot, record, bare, &ended));
        let mut origin = pin!(origin);
        let result = tokio::select! {
            biased;
            result = &mut origin => result,
            number = &mut keeping => return (origin.await, number),
        };
        ended.notify_one();
        // An exchange may be under way. It is awaited rather than broken off: breaking it off would cost the connection.
        let rest = tokio::time::timeout(self.budget.left(), keeping);
        let number = self.budget.spend(rest).await;
        (result, number.ok().flatten())
    }

    /// Renews our record every third of its life until `ended`. Never blindly: only while it is still ours. `bare` is the number
    /// of a lease that is empty as yet.
    async fn keep(
        &self,
        slot: Slot,
        record: &[u8],
        bare: Option<u64>,
        ended: &Notify,
    ) -> Option<u64> {
        let mut number = bare;
        if bare.is_none() && slot == Slot::Item {
            match self.learn_beside(slot, record).await {
                Ok(None) => return None,
                Ok(learned) => number = learned,
                Err(_) => {}
            }
        }
        let third = Duration::from_millis(u64::from(self.lease_seconds() - 1) * 1000 / 3);
        // An empty lease says neither whose it is nor under which generations; a quick origin needs neither.
        let mut pause = if bare.is_some() { BARE } else { third };
        loop {
            let over = tokio::time::timeout(pause, ended.notified()).await.is_ok();
            if over || self.budget.is_over() {
                return number;
            }
            pause = third;
            match self.renew(slot, record, number).await {
                Ok(None) => return None,
                Ok(renewed) => number = renewed,
                // Perhaps done, perhaps not: learned again before its next use.
                Err(_) => number = None,
            }
        }
    }

    async fn renew(
        &self,
        slot: Slot,
        record: &[u8],
        number: Option<u64>,
    ) -> Result<Option<u64>, StoreError> {
        let number = match number {
            Some(number) => Some(number),
            None => self.learn_beside(slot, record).await?,
        };
        let Some(number) = number else {
            return Ok(None);
        };
        let (life, limit) = (self.lease_life(), self.budget.beside());
        let store = self.cache.store();
        match store
            .swap(&self.at, slot, record.to_vec(), life, number, limit)
            .await?
        {
            Stored::Yes => self.learn_beside(slot, record).await,
            Stored::No => Ok(None),
        }
    }

    /// As [`Call::learn`], on time that the origin takes anyway.
    async fn learn_beside(&self, slot: Slot, record: &[u8]) -> Result<Option<u64>, StoreError> {
        let there = self
            .cache
            .store()
            .numbered(&self.at, slot, self.budget.beside())
            .await?;
        Ok(there
            .filter(|item| item.bytes == record)
            .and_then(|item| item.number))
    }
}
