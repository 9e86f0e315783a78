//! memcached, one server or several: finds the server of a key and sends the command to it.
//!
//! Only this module and those below it open sockets. There is no failover: the same key on two
//! servers could have two values. On an error the caller calls its origin.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::{
    Amend, LookupOptions, LookupReply, StoreError,
    effect::{Effect, Effected},
};
use crate::key::{CacheKeys, ScopeKeys};

mod batching;
mod breaker;
mod classic;
mod command;
mod connect_options;
mod connection;
mod discovery;
mod exchange;
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

use command::{Answer, Command, OwnedEffect, Reply};
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

    /// One exchange with the server of the item of `keys`, which holds all four keys of a call.
    async fn run(
        &self,
        keys: &CacheKeys,
        command: Command,
        limit: Duration,
    ) -> Result<Reply, StoreError> {
        let (servers, left) = match self.0.known() {
            Some(servers) => (servers, limit),
            None => {
                let begun = Instant::now();
                let servers = self.0.servers(limit).await?;
                (servers, limit.saturating_sub(begun.elapsed()))
            }
        };
        let result = servers.holding(keys.item()).run(command, left).await;
        if let Err(StoreError::Refused) = result {
            self.0.mark_suspect();
        }
        result
    }

    /// The name of the server that holds `keys`; `None` while no server is known.
    pub(super) fn holding(&self, keys: &CacheKeys) -> Option<String> {
        Some(self.0.known()?.holding(keys.item()).name.clone())
    }

    /// Mapped and not awaited: the future of an async fn would contain its arguments once more.
    pub(super) fn lookup(
        &self,
        keys: &CacheKeys,
        options: LookupOptions,
        limit: Duration,
    ) -> impl Future<Output = Result<Box<LookupReply>, StoreError>> {
        self.run(keys, Command::Lookup(keys.clone(), options), limit)
            .map(|reply| match reply? {
                Reply::Lookup(reply) => Ok(reply),
                _ => Err(StoreError::Protocol),
            })
    }

    pub(super) async fn effect(
        &self,
        keys: &CacheKeys,
        effect: Effect<'_>,
        limit: Duration,
    ) -> Result<Effected, StoreError> {
        let effect = match effect {
            Effect::Delete => OwnedEffect::Delete(keys.item().to_owned()),
            Effect::Write(write) => OwnedEffect::Write((&write).into()),
        };
        let records = keys.near().map(|scope| scope.key().to_owned()).into();
        effected(
            self.run(keys, Command::Effect(effect, records), limit)
                .await,
        )
    }

    pub(super) async fn flush(
        &self,
        generation: &str,
        scopes: &[&ScopeKeys],
        limit: Duration,
    ) -> Result<Vec<(String, Effected)>, Vec<(String, StoreError)>> {
        let records = scopes.iter().map(|scope| scope.near.key().to_owned());
        let effect = OwnedEffect::Delete(generation.to_owned());
        let replies = self
            .everywhere(Command::Effect(effect, records.collect()), limit)
            .await;
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for (name, reply) in replies {
            match effected(reply) {
                Ok(answer) => done.push((name, answer)),
                Err(error) => failed.push((name, error)),
            }
        }
        if failed.is_empty() {
            Ok(done)
        } else {
            Err(failed)
        }
    }

    /// `server` is one of the list: what has left it keeps its records.
    pub(super) async fn amend(
        &self,
        server: &str,
        amend: Arc<dyn Amend>,
        limit: Duration,
    ) -> Result<bool, StoreError> {
        let servers = self.0.servers(limit).await?;
        let server = servers.all.iter().find(|one| one.name == server);
        let server = server.ok_or(StoreError::Closed)?;
        match server.run(Command::Amend(amend), limit).await? {
            Reply::Stored(stored) => Ok(stored),
            _ => Err(StoreError::Protocol),
        }
    }

    pub(super) fn lists(&self) -> u64 {
        self.0.changes()
    }

    pub(super) async fn ping(&self, limit: Duration) -> Vec<(String, Result<(), StoreError>)> {
        let answers = self.everywhere(Command::Ping, limit).await.into_iter();
        answers
            .map(|(server, answer)| (server, answer.map(|_| ())))
            .collect()
    }

    /// All servers at the same time, each within `limit`.
    async fn everywhere(&self, command: Command, limit: Duration) -> Vec<(String, Answer)> {
        let servers = match self.0.current(limit).await {
            Ok(servers) => servers,
            Err((endpoint, error)) => return vec![(endpoint, Err(error))],
        };
        let refreshed = servers.all.iter().map(|server| {
            let command = command.clone();
            async move {
                let answer = server.run(command, limit).await;
                (server.name.clone(), answer)
            }
        });
        futures_util::future::join_all(refreshed).await
    }
}

fn effected(answer: Answer) -> Result<Effected, StoreError> {
    match answer? {
        Reply::Effected(effected) => Ok(effected),
        _ => Err(StoreError::Protocol),
    }
}
