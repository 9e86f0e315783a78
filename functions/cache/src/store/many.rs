//! Several items in one exchange with each server: the reads together, the writes together, each
//! with its own answer.

use std::time::Duration;

use super::{Item, KeyKind, Lifetime, LookupReply, Store, StoreError};
use crate::{key::CacheKeys, store::LookupOptions};

/// One of several writes.
#[derive(Debug, Clone)]
pub(crate) struct Write<'a> {
    pub(crate) keys: &'a CacheKeys,
    pub(crate) kind: KeyKind,
    pub(crate) bytes: Vec<u8>,
    pub(crate) life: Lifetime,
    pub(crate) precondition: Precondition,
}

/// The condition of a write.
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

/// The answers to several requests, in their order.
pub(crate) type Each<T> = Vec<Result<T, StoreError>>;

impl Store {
    /// As [`Store::lookup`], for different items. With the cas of every item, on both protocols.
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
            Self::Simulated(simulated) => simulated.lookup_many(all_keys, options, limit).await,
        }
    }

    /// Reads items with their cas.
    pub(crate) async fn get_with_cas(
        &self,
        wanted: &[(&CacheKeys, KeyKind)],
        limit: Duration,
    ) -> Each<Option<Item>> {
        match self {
            Self::Memory(memory) => wanted
                .iter()
                .map(|(keys, kind)| Ok(memory.get_with_cas(keys.of_kind(*kind))))
                .collect(),
            Self::Memcached(memcached) => memcached.get_with_cas(wanted, limit).await,
            #[cfg(test)]
            Self::Simulated(simulated) => simulated.get_with_cas(wanted, limit).await,
        }
    }

    /// Does each write whose precondition holds; whether it did.
    pub(crate) async fn write(&self, writes: &[Write<'_>], limit: Duration) -> Each<bool> {
        match self {
            Self::Memory(memory) => writes.iter().map(|write| Ok(memory.write(write))).collect(),
            Self::Memcached(memcached) => memcached.write(writes, limit).await,
            #[cfg(test)]
            Self::Simulated(simulated) => simulated.write(writes, limit).await,
        }
    }
}
