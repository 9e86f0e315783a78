//! A holder that is cancelled or panics gives its lease back if it can do so at once; else the lease runs out by itself.

use std::sync::Arc;

use super::Call;
use crate::{
    budget::VERB_TIMEOUT,
    entry,
    key::Address,
    shared::Inner,
    store::{Lifetime, Slot},
};

/// Armed from before the lease is asked for until nothing is owed any more. Dropped armed, by a cancelled call, a panic, or an
/// acquisition whose answer was lost, it gives back what is held, beside everything else.
#[derive(Debug)]
pub(super) struct Release(Option<Held>);

#[derive(Debug)]
struct Held {
    cache: Arc<Inner>,
    at: Address,
    slot: Slot,
    record: Vec<u8>,
    /// The number of a lease that may still be empty.
    bare: Option<u64>,
}

impl Release {
    /// For a lease `record` under `slot`.
    pub(super) fn armed(call: &Call<'_>, slot: Slot, record: &[u8], bare: Option<u64>) -> Self {
        let (cache, at, record) = (call.cache.clone(), call.at.clone(), record.to_vec());
        Self(Some(Held {
            cache,
            at,
            slot,
            record,
            bare,
        }))
    }

    /// Nothing is held that somebody could wait for.
    pub(super) fn nothing() -> Self {
        Self(None)
    }

    /// What was held is used, given back, or was never had.
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        if let (Some(held), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(held.give_back());
        }
    }
}

impl Held {
    async fn give_back(self) -> Option<()> {
        let store = self.cache.store();
        let there = store
            .numbered(&self.at, self.slot, VERB_TIMEOUT)
            .await
            .ok()??;
        let ours = there.bytes == self.record
            || (there.bytes.is_empty() && there.number == self.bare && self.bare.is_some());
        if !ours {
            return None;
        }
        let (freed, life) = (entry::freed(&self.at), Lifetime::seconds(2));
        // Refused: it is no more ours.
        store
            .swap(
                &self.at,
                self.slot,
                freed,
                life,
                there.number?,
                VERB_TIMEOUT,
            )
            .await
            .ok()?;
        Some(())
    }
}
