//! Several items in one exchange a server: the reads together, the writes together, each with an answer of its own.

use std::time::Duration;

use super::{Item, KeyKind, Lifetime, LookupReply, Store, StoreError};
use crate::{key::CacheKeys, store::LookupOptions};

/// One write among several.
#[derive(Debug)]
pub(crate) struct Write<'a> {
    pub(crate) keys: &'a CacheKeys,
    pub(crate) kind: KeyKind,
    pub(crate) bytes: Vec<u8>,
    pub(crate) life: Lifetime,
    pub(crate) precondition: Precondition,
}

/// What must stand there for a write to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precondition {
    Absent,
    /// What has this cas.
    Cas(u64),
}

impl Write<'_> {
    pub(crate) fn key(&self) -> &str {
        self.keys.of_kind(self.kind)
    }
}

/// An answer to each of several, in their order.
pub(crate) type Each<T> = Vec<Result<T, StoreError>>;

impl Store {
    /// As [`Store::lookup`], for items that differ. With a cas for whatever stands there, on both protocols.
    pub(crate) async fn lookup_many(
        &self,
        all_keys: &[&CacheKeys],
        options: LookupOptions,
        limit: Duration,
    ) -> Each<LookupReply> {
        match self {
            Self::Memory(memory) => all_keys
                .iter()
                .map(|keys| Ok(memory.lookup(keys, options)))
                .collect(),
            Self::Memcached(memcached) => memcached.lookup_many(all_keys, options, limit).await,
            #[cfg(test)]
            Self::Simulated(simulated) => {
                let mut reply = Vec::with_capacity(all_keys.len());
                for keys in all_keys {
                    reply.push(simulated.lookup(keys, options, limit).await);
                }
                reply
            }
        }
    }

    /// As [`Store::get_with_cas`].
    pub(crate) async fn get_many_with_cas(
        &self,
        wanted: &[(&CacheKeys, KeyKind)],
        limit: Duration,
    ) -> Each<Option<Item>> {
        match self {
            Self::Memory(memory) => wanted
                .iter()
                .map(|(keys, kind)| Ok(memory.get_with_cas(keys.of_kind(*kind))))
                .collect(),
            Self::Memcached(memcached) => memcached.get_many_with_cas(wanted, limit).await,
            #[cfg(test)]
            Self::Simulated(simulated) => {
                let mut items = Vec::with_capacity(wanted.len());
                for (keys, kind) in wanted {
                    items.push(simulated.get_with_cas(keys, *kind, limit).await);
                }
                items
            }
        }
    }

    /// As [`Store::add`] and [`Store::compare_and_swap`], in one write a server.
    pub(crate) async fn write_many(&self, writes: &[Write<'_>], limit: Duration) -> Each<bool> {
        match self {
            Self::Memory(memory) => writes
                .iter()
                .map(|write| {
                    let (key, bytes, life) = (write.key(), write.bytes.clone(), write.life);
                    Ok(match write.precondition {
                        Precondition::Absent => memory.add(key, bytes, life),
                        Precondition::Cas(cas) => memory.compare_and_swap(key, bytes, life, cas),
                    })
                })
                .collect(),
            Self::Memcached(memcached) => memcached.write_many(writes, limit).await,
            #[cfg(test)]
            Self::Simulated(simulated) => {
                let mut stored = Vec::with_capacity(writes.len());
                for write in writes {
                    let (bytes, life) = (write.bytes.clone(), write.life);
                    stored.push(match write.precondition {
                        Precondition::Absent => {
                            simulated
                                .add(write.keys, write.kind, bytes, life, limit)
                                .await
                        }
                        Precondition::Cas(cas) => {
                            simulated
                                .compare_and_swap(write.keys, write.kind, bytes, life, cas, limit)
                                .await
                        }
                    });
                }
                stored
            }
        }
    }
}
