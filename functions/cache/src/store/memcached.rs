//! memcached, one server or several: finds the server of a key and sends the command to it.
//!
//! Only this module and those below it open sockets. There is no failover: the same key on two
//! servers could have two values. On an error the caller calls its origin.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{LookupOptions, LookupReply, StoreError};
use crate::key::CacheKeys;

mod batching;
mod breaker;
mod classic;
mod command;
mod connect_options;
mod connection;
mod discovery;
mod exptime;
mod handshake;
mod limits;
mod lookup_keys;
mod many;
mod meta;
mod pool;
mod ring;
mod server;
mod socket;
mod tls;
pub(crate) use connect_options::ConnectOptions;
pub(crate) use handshake::Protocol;
pub(crate) use socket::Endpoint;
pub(crate) use tls::Tls;

/// For the entry points of fuzzing.
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz {
    pub(crate) use super::{
        classic::validator::fuzz::reply as classic_reply, meta::fuzz as meta_reply,
    };
}

use command::{Command, Delete, Ping};
use discovery::{Servers, Topology};

#[derive(Debug)]
pub(crate) struct Memcached(Topology);

impl Memcached {
    /// `endpoints` is not empty, which the settings ensure. Does not connect yet.
    pub(crate) fn new(endpoints: &[Endpoint], connect_options: &ConnectOptions) -> Self {
        Self(Topology::fixed(endpoints, connect_options))
    }

    /// The servers that the configuration endpoint of an ElastiCache cluster lists.
    pub(crate) fn discovered(endpoint: Endpoint, connect_options: ConnectOptions) -> Self {
        Self(Topology::discovered(endpoint, connect_options))
    }

    /// The servers, and what is left of `limit` if they had to be waited for.
    async fn servers(&self, limit: Duration) -> Result<(Arc<Servers>, Duration), StoreError> {
        if let Some(servers) = self.0.known() {
            return Ok((servers, limit));
        }
        let begun = Instant::now();
        let servers = self.0.servers(limit).await?;
        Ok((servers, limit.saturating_sub(begun.elapsed())))
    }

    fn noted<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Refused) = result {
            self.0.mark_suspect();
        }
        result
    }

    /// The name of the server that holds `keys`; `None` while no server is known.
    pub(super) fn holding(&self, keys: &CacheKeys) -> Option<String> {
        Some(self.0.known()?.holding(keys.item()).name.clone())
    }

    /// On the server where the item is: all four keys are looked up there.
    pub(super) async fn lookup(
        &self,
        keys: &CacheKeys,
        options: LookupOptions,
        limit: Duration,
    ) -> Result<Box<LookupReply>, StoreError> {
        let (servers, left) = self.servers(limit).await?;
        let server = servers.holding(keys.item());
        self.noted(server.lookup(keys, options, left).await)
    }

    pub(super) async fn delete(&self, keys: &CacheKeys, limit: Duration) -> Result<(), StoreError> {
        let (servers, left) = self.servers(limit).await?;
        let server = servers.holding(keys.item());
        self.noted(server.run(&Delete { key: keys.item() }, left).await)
    }

    pub(super) async fn flush(
        &self,
        generation: &str,
        limit: Duration,
    ) -> Result<(), Vec<(String, StoreError)>> {
        let replies = self.everywhere(&Delete { key: generation }, limit).await;
        let failed = replies
            .into_iter()
            .filter_map(|(name, reply)| Some((name, reply.err()?)));
        let failed: Vec<_> = failed.collect();
        if failed.is_empty() {
            Ok(())
        } else {
            Err(failed)
        }
    }

    pub(super) async fn ping(&self, limit: Duration) -> Vec<(String, Result<(), StoreError>)> {
        self.everywhere(&Ping, limit).await
    }

    /// All servers at the same time, each within `limit`.
    async fn everywhere(
        &self,
        command: &impl Command<Reply = ()>,
        limit: Duration,
    ) -> Vec<(String, Result<(), StoreError>)> {
        let servers = match self.0.current(limit).await {
            Ok(servers) => servers,
            Err((endpoint, error)) => return vec![(endpoint, Err(error))],
        };
        let answers = servers.all.iter().map(|server| async move {
            let answer = server.run(command, limit).await;
            (server.name.clone(), answer)
        });
        futures_util::future::join_all(answers).await
    }
}
