//! What a verb does on a server, and the records that it reads behind that, in the same write: what
//! bounds the near copies that were made before.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{Store, StoreError, VerbError, many::Write};
use crate::key::{CacheKeys, ScopeKeys};

/// The effect of a verb on one item.
#[derive(Debug)]
pub(crate) enum Effect<'a> {
    /// Removes the item.
    Delete,
    /// Does the write if its precondition holds.
    Write(Write<'a>),
}

/// The answer of one server.
#[derive(Debug, Clone)]
pub(crate) struct Effected {
    /// Whether the item was there and is removed, or whether it is written.
    pub(crate) done: bool,
    /// The records behind it, in the order in which they were asked for.
    pub(crate) records: Vec<Option<Bytes>>,
}

impl Store {
    /// Has the server of `keys` execute `effect`, and read the records of both scopes behind it;
    /// `Ok` only after it has acknowledged. Its answer is the first; behind it are those of servers
    /// by which other clients may still read the item, and which have removed it.
    pub(crate) async fn effect(
        &self,
        keys: &CacheKeys,
        effect: Effect<'_>,
        limit: Duration,
    ) -> Result<Vec<(String, Effected)>, VerbError> {
        match self {
            Self::Memory(memory) => {
                let done = match &effect {
                    Effect::Delete => {
                        memory.delete(keys.item());
                        true
                    }
                    Effect::Write(write) => memory.write(write),
                };
                let records = Vec::new();
                Ok(vec![(String::new(), Effected { done, records })])
            }
            Self::Memcached(memcached) => memcached.effect(keys, effect, limit).await,
            #[cfg(test)]
            Self::Simulated(simulated) => {
                let effected = simulated.effect(keys, effect, limit).await?;
                Ok(vec![(String::new(), effected)])
            }
        }
    }

    /// Removes `generation` from every server, and reads the records of `scopes` behind that. The
    /// error names the servers that did not acknowledge.
    pub(crate) async fn flush(
        &self,
        generation: &str,
        scopes: &[Arc<ScopeKeys>],
        limit: Duration,
    ) -> Result<Vec<(String, Effected)>, Vec<(String, StoreError)>> {
        let records = scopes.iter().map(|scope| scope.near.key().to_owned());
        match self {
            Self::Memory(memory) => {
                memory.delete(generation);
                Ok(Vec::new())
            }
            Self::Memcached(memcached) => {
                memcached.flush(generation, records.collect(), limit).await
            }
            #[cfg(test)]
            Self::Simulated(simulated) => {
                simulated.flush(generation, records.collect(), limit).await
            }
        }
    }
}
