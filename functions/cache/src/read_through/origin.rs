//! The origin call of a holder, with its lease kept alive beside it.

use std::{pin::pin, time::Duration};

use tokio::sync::Notify;

use super::{Call, Claim, Hold};
use crate::store::{Slot, StoreError, Stored};

impl Call<'_> {
    /// Awaits the origin. Meanwhile the lease's number is learned, so that the fill is one round trip, and the lease is renewed.
    /// Answers with the origin's result and the number of our lease record, if it is known to be still there.
    pub(super) async fn held<R>(
        &self,
        hold: &Hold,
        origin: impl Future<Output = R>,
    ) -> (R, Option<u64>) {
        let (slot, record, known) = match &hold.claim {
            Claim::Lease { record, number } => (Slot::Item, record, *number),
            Claim::Marker { record, .. } => (Slot::Marker, record, None),
            Claim::Entry { .. } => return (origin.await, None),
        };
        let ended = Notify::new();
        let mut keeping = pin!(self.keep(slot, record, known, &ended));
        let mut origin = pin!(origin);
        let result = tokio::select! {
            biased;
            result = &mut origin => result,
            number = &mut keeping => return (origin.await, number),
        };
        ended.notify_one();
        // An exchange may be under way. It is awaited rather than broken off: breaking it off would cost the connection.
        let rest = async { Ok(tokio::time::timeout(self.budget.left(), keeping).await) };
        let number = self.budget.spend(rest).await;
        (result, number.ok().and_then(Result::ok).flatten())
    }

    /// Renews our record every third of its life until `ended`. Never blindly: only while it is still ours.
    async fn keep(
        &self,
        slot: Slot,
        record: &[u8],
        known: Option<u64>,
        ended: &Notify,
    ) -> Option<u64> {
        let mut number = known;
        if number.is_none() && slot == Slot::Item {
            match self.learn_beside(slot, record).await {
                Ok(None) => return None,
                Ok(learned) => number = learned,
                Err(_) => {}
            }
        }
        let third = Duration::from_millis(u64::from(self.lease_seconds() - 1) * 1000 / 3);
        loop {
            let over = tokio::time::timeout(third, ended.notified()).await.is_ok();
            if over || self.budget.is_over() {
                return number;
            }
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
