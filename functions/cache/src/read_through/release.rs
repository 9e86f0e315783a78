//! A holder that is cancelled or panics gives its lease back if it can do so at once; else the lease runs out by itself.

use std::sync::Arc;

use super::{Call, Claim, Hold};
use crate::{
    cache::{Inner, VERB},
    entry,
    key::Address,
    store::{Lifetime, Slot},
};

/// Armed while the origin runs. Dropped armed, it gives back what is held, beside everything else.
pub(super) struct Release(Option<Held>);

struct Held {
    cache: Arc<Inner>,
    at: Address,
    slot: Slot,
    record: Vec<u8>,
    /// The number of a lease that may still be empty.
    bare: Option<u64>,
}

impl Release {
    pub(super) fn new(call: &Call<'_>, hold: &Hold) -> Self {
        let (slot, record, bare) = match &hold.claim {
            Claim::Lease { record } => (Slot::Item, record.clone(), None),
            Claim::Bare { record, number } => (Slot::Item, record.clone(), Some(*number)),
            Claim::Marker { record, .. } => (Slot::Marker, record.clone(), None),
            Claim::Entry { .. } => return Self(None),
        };
        let (cache, at) = (call.cache.clone(), call.at.clone());
        Self(Some(Held {
            cache,
            at,
            slot,
            record,
            bare,
        }))
    }

    /// The origin has answered: what is held is somebody's business again.
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
        let there = store.numbered(&self.at, self.slot, VERB).await.ok()??;
        let ours = there.bytes == self.record
            || (there.bytes.is_empty() && there.number == self.bare && self.bare.is_some());
        if !ours {
            return None;
        }
        let (freed, life) = (entry::freed(&self.at), Lifetime::seconds(2));
        // Refused: it is no more ours.
        store
            .swap(&self.at, self.slot, freed, life, there.number?, VERB)
            .await
            .ok()?;
        Some(())
    }
}
