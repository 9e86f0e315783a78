//! Several items in one exchange a server: the reads together, the writes together, each with an answer of its own.

use std::time::Duration;

use super::{Item, Lifetime, Looked, Slot, Store, StoreError, Stored};
use crate::{key::Address, store::Ask};

/// One write among several.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    pub(crate) at: &'a Address,
    pub(crate) slot: Slot,
    pub(crate) bytes: Vec<u8>,
    pub(crate) life: Lifetime,
    pub(crate) over: Over,
}

/// What must stand there for a write to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Nothing,
    /// What has this number.
    Number(u64),
}

impl Write<'_> {
    pub(crate) fn key(&self) -> &str {
        self.at.slot(self.slot)
    }
}

/// An answer to each of several, in their order.
pub(crate) type Each<T> = Vec<Result<T, StoreError>>;

impl Store {
    /// As [`Store::lookup`], for items that differ. With a number for whatever stands there, on both protocols.
    pub(crate) async fn lookup_many(
        &self,
        ats: &[&Address],
        ask: Ask,
        limit: Duration,
    ) -> Each<Looked> {
        match self {
            Self::Memory(memory) => ats.iter().map(|at| Ok(memory.lookup(at, ask))).collect(),
            Self::Memcached(memcached) => memcached.lookup_many(ats, ask, limit).await,
            #[cfg(test)]
            Self::Simulated(simulated) => {
                let mut looked = Vec::with_capacity(ats.len());
                for at in ats {
                    looked.push(simulated.lookup(at, ask, limit).await);
                }
                looked
            }
        }
    }

    /// As [`Store::numbered`].
    pub(crate) async fn numbered_many(
        &self,
        slots: &[(&Address, Slot)],
        limit: Duration,
    ) -> Each<Option<Item>> {
        match self {
            Self::Memory(memory) => slots
                .iter()
                .map(|(at, slot)| Ok(memory.numbered(at.slot(*slot))))
                .collect(),
            Self::Memcached(memcached) => memcached.numbered_many(slots, limit).await,
            #[cfg(test)]
            Self::Simulated(simulated) => {
                let mut items = Vec::with_capacity(slots.len());
                for (at, slot) in slots {
                    items.push(simulated.numbered(at, *slot, limit).await);
                }
                items
            }
        }
    }

    /// As [`Store::add`] and [`Store::swap`], in one write a server.
    pub(crate) async fn write_many(&self, writes: &[Write<'_>], limit: Duration) -> Each<Stored> {
        match self {
            Self::Memory(memory) => writes
                .iter()
                .map(|write| {
                    let (key, bytes, life) = (write.key(), write.bytes.clone(), write.life);
                    Ok(match write.over {
                        Over::Nothing => memory.add(key, bytes, life),
                        Over::Number(number) => memory.swap(key, bytes, life, number),
                    })
                })
                .collect(),
            Self::Memcached(memcached) => memcached.write_many(writes, limit).await,
            #[cfg(test)]
            Self::Simulated(simulated) => {
                let mut stored = Vec::with_capacity(writes.len());
                for write in writes {
                    let (bytes, life) = (write.bytes.clone(), write.life);
                    stored.push(match write.over {
                        Over::Nothing => {
                            simulated
                                .add(write.at, write.slot, bytes, life, limit)
                                .await
                        }
                        Over::Number(number) => {
                            simulated
                                .swap(write.at, write.slot, bytes, life, number, limit)
                                .await
                        }
                    });
                }
                stored
            }
        }
    }
}
