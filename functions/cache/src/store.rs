//! Where records stand. A store moves bytes and numbers; it never decodes them and takes no decision.
//!
//! There are two, both real: [`memory`] in this process, and [`memcached`]. An item's number changes with every write of it;
//! a compare-and-swap names the number that it expects. There is no plain "set": see the crate's page on why.

use std::time::Duration;

use bytes::Bytes;

use self::{many::Over, memcached::OwnedWrite};
use crate::key::Address;

pub(crate) mod many;
pub(crate) mod memcached;
pub(crate) mod memory;
#[cfg(test)]
pub(crate) mod simulated;

/// Which of the four keys of an [`Address`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Item,
    Marker,
    Namespace,
    Function,
}

impl Address {
    pub(crate) fn slot(&self, slot: Slot) -> &str {
        match slot {
            Slot::Item => self.item(),
            Slot::Marker => self.marker(),
            Slot::Namespace => self.namespace(),
            Slot::Function => self.function(),
        }
    }
}

/// An item's bytes, and its number where the read showed it (the classic protocol's lookup does not).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) bytes: Bytes,
    pub(crate) number: Option<u64>,
}

/// What a lookup asks for besides the item and the generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ask {
    /// Also the refresh marker: the policy has a stale window.
    pub(crate) marker: bool,
    /// Leave a new lease of this many seconds if the item is absent. Only the meta protocol can; others ignore it.
    pub(crate) lease: Option<u32>,
}

/// What stands under the item's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    Absent,
    /// Absent until this lookup left its lease there, with this number.
    Won(u64),
    Item(Item),
}

/// One lookup's answer. The item was read first and the generations after it, on one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) item: Found,
    pub(crate) marker: Option<Item>,
    pub(crate) namespace: Option<Item>,
    pub(crate) function: Option<Item>,
}

/// The answer to an add or a compare-and-swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Yes,
    /// Something stands there already, something else than expected, or nothing.
    No,
}

/// How long an item lives on its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Until evicted: generations only.
    Forever,
    /// At least this many seconds, at most one more. Never 0, which memcached reads as for ever.
    Seconds(std::num::NonZeroU32),
}

impl Lifetime {
    /// Rounded up to whole seconds; a second is added because memcached's own seconds may end at once.
    pub(crate) fn at_least(time: Duration) -> Self {
        let up = 1 + u64::from(time.subsec_nanos() > 0);
        let seconds = time.as_secs().saturating_add(up);
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        Self::Seconds(std::num::NonZeroU32::new(seconds).unwrap_or(std::num::NonZeroU32::MAX))
    }

    /// Exactly `seconds` on the server's clock: it may end up to one second earlier.
    pub(crate) fn seconds(seconds: u32) -> Self {
        Self::Seconds(std::num::NonZeroU32::new(seconds).unwrap_or(std::num::NonZeroU32::MIN))
    }
}

/// Why an exchange with a store did not happen or was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("no complete answer in time")]
    Timeout,
    #[error("connection refused or unreachable")]
    Refused,
    #[error("connection closed")]
    Closed,
    #[error("an answer that is none")]
    Protocol,
    #[error("too large for the server")]
    Oversize,
    #[error("left alone after repeated failures")]
    Breaker,
}

/// A store. Closed: these two kinds and no others. Every exchange takes the time that it may last at most.
#[derive(Debug)]
pub(crate) enum Store {
    Memory(memory::Memory),
    Memcached(memcached::Memcached),
    #[cfg(test)]
    Simulated(simulated::Simulated),
}

impl Store {
    /// Reads the item, the marker if asked for, and the two generations, in this order. Boxed: it passes through many hands.
    pub(crate) async fn lookup(
        &self,
        at: &Address,
        ask: Ask,
        limit: Duration,
    ) -> Result<Box<Looked>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(Box::new(memory.lookup(at, ask))),
            Self::Memcached(memcached) => memcached.lookup(at, ask, limit).await,
            #[cfg(test)]
            Self::Simulated(simulated) => simulated.lookup(at, ask, limit).await.map(Box::new),
        }
    }

    /// Reads one item with its number.
    pub(crate) async fn numbered(
        &self,
        at: &Address,
        slot: Slot,
        limit: Duration,
    ) -> Result<Option<Item>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.numbered(at.slot(slot))),
            Self::Memcached(memcached) => memcached.numbered(at, slot, limit).await,
            #[cfg(test)]
            Self::Simulated(simulated) => simulated.numbered(at, slot, limit).await,
        }
    }

    /// Stores if nothing stands there.
    pub(crate) async fn add(
        &self,
        at: &Address,
        slot: Slot,
        bytes: Vec<u8>,
        life: Lifetime,
        limit: Duration,
    ) -> Result<Stored, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.add(at.slot(slot), bytes, life)),
            Self::Memcached(memcached) => {
                let write = OwnedWrite {
                    at: at.clone(),
                    slot,
                    bytes,
                    life,
                    over: Over::Nothing,
                };
                memcached.write(write, limit).await
            }
            #[cfg(test)]
            Self::Simulated(simulated) => simulated.add(at, slot, bytes, life, limit).await,
        }
    }

    /// Stores if what stands there still has this number.
    pub(crate) async fn swap(
        &self,
        at: &Address,
        slot: Slot,
        bytes: Vec<u8>,
        life: Lifetime,
        number: u64,
        limit: Duration,
    ) -> Result<Stored, StoreError> {
        match self {
            Self::Memory(memory) => Ok(memory.swap(at.slot(slot), bytes, life, number)),
            Self::Memcached(memcached) => {
                let write = OwnedWrite {
                    at: at.clone(),
                    slot,
                    bytes,
                    life,
                    over: Over::Number(number),
                };
                memcached.write(write, limit).await
            }
            #[cfg(test)]
            Self::Simulated(simulated) => {
                simulated.swap(at, slot, bytes, life, number, limit).await
            }
        }
    }

    /// Removes the item; `Ok` only after the server said so.
    pub(crate) async fn delete(&self, at: &Address, limit: Duration) -> Result<(), StoreError> {
        match self {
            Self::Memory(memory) => {
                memory.delete(at.item());
                Ok(())
            }
            Self::Memcached(memcached) => memcached.delete(at, limit).await,
            #[cfg(test)]
            Self::Simulated(simulated) => simulated.delete(at.item(), limit).await,
        }
    }

    /// Removes a generation from every server. Names the servers that did not say so.
    pub(crate) async fn flush(
        &self,
        generation: &str,
        limit: Duration,
    ) -> Result<(), Vec<(String, StoreError)>> {
        match self {
            Self::Memory(memory) => {
                memory.delete(generation);
                Ok(())
            }
            Self::Memcached(memcached) => memcached.flush(generation, limit).await,
            #[cfg(test)]
            Self::Simulated(simulated) => {
                let deleted = simulated.delete(generation, limit).await;
                deleted.map_err(|error| vec![("simulated".to_owned(), error)])
            }
        }
    }

    /// The name of the server that holds `at`, if there are servers and they are known.
    pub(crate) fn holding(&self, at: &Address) -> Option<String> {
        match self {
            Self::Memory(_) => None,
            Self::Memcached(memcached) => memcached.holding(at),
            #[cfg(test)]
            Self::Simulated(_) => None,
        }
    }

    /// Asks every server whether it is there.
    pub(crate) async fn ping(&self, limit: Duration) -> Vec<(String, Result<(), StoreError>)> {
        match self {
            Self::Memory(_) => vec![("memory".to_owned(), Ok(()))],
            Self::Memcached(memcached) => memcached.ping(limit).await,
            #[cfg(test)]
            Self::Simulated(_) => Vec::new(),
        }
    }
}
