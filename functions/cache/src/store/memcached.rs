//! memcached, one server or several: finds the server of a key and sends the command to it.
//!
//! Only this module and those below it open sockets. There is no failover: the same key on two
//! servers could have two values. On an error the caller calls its origin.

use std::{sync::Arc, time::Duration};

use futures_util::future::Either;
use tokio::time::Instant;

use super::{LookupOptions, LookupReply, StoreError};
use crate::key::CacheKeys;

mod batching;
mod breaker;
mod cause;
mod classic;
mod command;
mod connect_options;
mod connection;
mod dialer;
mod discovery;
mod exchange;
mod exptime;
mod handshake;
mod limits;
mod login;
mod lookup_keys;
mod many;
mod meta;
mod pool;
mod refusal;
mod ring;
mod server;
mod socket;
mod tls;
pub use breaker::BreakerState;
pub(crate) use breaker::BreakerWatch;
pub(crate) use connect_options::ConnectOptions;
pub(crate) use handshake::Protocol;
pub(crate) use login::Login;
pub(crate) use socket::Endpoint;
pub(crate) use tls::Tls;

/// For the entry points of fuzzing.
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz {
    pub(crate) use super::{
        classic::validator::fuzz::reply as classic_reply, meta::fuzz as meta_reply,
    };
}

use command::{Command, Reply};
use discovery::Topology;

#[derive(Debug)]
pub(crate) struct Memcached(Topology);

impl Memcached {
    /// `endpoints` is not empty, which the settings ensure. `discover`: the first is that of an
    /// ElastiCache configuration, which lists the servers. Does not connect yet.
    pub(crate) fn new(
        mut endpoints: Vec<Endpoint>,
        discover: bool,
        connect_options: ConnectOptions,
    ) -> Self {
        Self(if discover {
            Topology::discovered(endpoints.swap_remove(0), connect_options)
        } else {
            Topology::fixed(&endpoints, &connect_options)
        })
    }

    /// One exchange with the server of the item of `keys`, which holds all four keys of a call;
    /// `read` takes the reply apart. To be polled at once. Not an async fn, whose future would
    /// contain its arguments, and no chain of futures, each of which would be moved.
    fn run<T>(
        &self,
        keys: &CacheKeys,
        command: Command,
        limit: Duration,
        read: impl FnOnce(Reply) -> Result<T, StoreError>,
    ) -> impl Future<Output = Result<T, StoreError>> {
        let mut begun = match self.0.known() {
            Some(servers) => Either::Left(servers.holding(keys.item()).begin(command, limit)),
            // Boxed: only the very first calls wait for a list.
            None => Either::Right(Box::pin(self.run_when_known(keys, command, limit))),
        };
        async move {
            let answer = match &mut begun {
                Either::Left(begun) => begun.answer().await,
                Either::Right(later) => later.await,
            };
            if let Err(StoreError::Refused) = answer {
                self.0.mark_suspect();
            }
            read(answer?)
        }
    }

    async fn run_when_known(
        &self,
        keys: &CacheKeys,
        command: Command,
        limit: Duration,
    ) -> Result<Reply, StoreError> {
        let begun = Instant::now();
        let servers = self.0.servers(limit).await?;
        let left = limit.saturating_sub(begun.elapsed());
        servers.holding(keys.item()).run(command, left).await
    }

    /// The name of the server that holds `keys`; `None` while no server is known.
    pub(super) fn holding(&self, keys: &CacheKeys) -> Option<String> {
        Some(self.0.known()?.holding(keys.item()).name.clone())
    }

    /// Why the last connect to the server of this name has failed, if it has.
    pub(super) fn cause(&self, server: &str) -> Option<Arc<str>> {
        self.0.cause(server)
    }

    pub(super) fn lookup(
        &self,
        keys: &CacheKeys,
        options: LookupOptions,
        limit: Duration,
    ) -> impl Future<Output = Result<Box<LookupReply>, StoreError>> {
        let command = Command::Lookup(keys.clone(), options);
        self.run(keys, command, limit, |reply| match reply {
            Reply::Lookup(reply) => Ok(reply),
            _ => Err(StoreError::Protocol),
        })
    }

    pub(super) async fn delete(&self, keys: &CacheKeys, limit: Duration) -> Result<(), StoreError> {
        let command = Command::Delete(keys.item().to_owned());
        self.run(keys, command, limit, |_| Ok(())).await
    }

    pub(super) async fn flush(
        &self,
        generation: &str,
        limit: Duration,
    ) -> Result<(), Vec<(String, StoreError)>> {
        let replies = self
            .everywhere(Command::Delete(generation.to_owned()), limit)
            .await;
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

    /// The breaker of each server, by its name.
    pub(super) fn breakers(&self) -> Vec<(String, BreakerState)> {
        let Some(servers) = self.0.known() else {
            return Vec::new();
        };
        let all = servers.all.iter();
        all.map(|server| (server.name.clone(), server.breaker()))
            .collect()
    }

    pub(super) async fn ping(&self, limit: Duration) -> Vec<(String, Result<(), StoreError>)> {
        self.everywhere(Command::Ping, limit).await
    }

    /// All servers at the same time, each within `limit`.
    async fn everywhere(
        &self,
        command: Command,
        limit: Duration,
    ) -> Vec<(String, Result<(), StoreError>)> {
        let servers = match self.0.current(limit).await {
            Ok(servers) => servers,
            Err((endpoint, error)) => return vec![(endpoint, Err(error))],
        };
        let exchanges = servers.all.iter().map(|server| {
            let command = command.clone();
            async move {
                let answer = server.run(command, limit).await;
                (server.name.clone(), answer.map(|_| ()))
            }
        });
        futures_util::future::join_all(exchanges).await
    }
}
