//! memcached, one server or several: finds the server of a key and sends the command to it.
//!
//! Only this module and those below it open sockets. There is no failover: the same key on two
//! servers could have two values. On an error the caller calls its origin.

use std::{sync::Arc, time::Duration};

use futures_util::future::Either;
use tokio::time::Instant;

use super::{
    Amend, LookupOptions, LookupReply, StoreError, VerbError,
    effect::{Effect, Effected},
};
use crate::key::CacheKeys;

mod batching;
mod both_clocks;
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
pub(crate) use connect_options::{Between, ConnectOptions};
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

use command::{Command, OwnedEffect, Reply};
use discovery::{Lists, Member, Topology};

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

    /// One exchange with the server of the item of `keys`, which holds all keys of a call;
    /// `read` takes the reply apart. To be polled at once. Not an async fn, whose future would
    /// contain its arguments, and no chain of futures, each of which would be moved.
    fn run<T>(
        &self,
        keys: &CacheKeys,
        command: Command,
        begun: Instant,
        limit: Duration,
        read: impl FnOnce(Reply) -> Result<T, StoreError>,
    ) -> impl Future<Output = Result<T, StoreError>> {
        let mut exchange = match self.0.known() {
            Some(servers) => {
                Either::Left(servers.holding(keys.item()).begin(command, begun, limit))
            }
            // Boxed: only the very first calls wait for a list.
            None => Either::Right(Box::pin(self.run_when_known(keys, command, limit))),
        };
        async move {
            let answer = match &mut exchange {
                Either::Left(exchange) => exchange.answer().await,
                Either::Right(later) => later.await,
            };
            if answer.as_ref().is_err_and(StoreError::may_be_moved) {
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

    /// Tries the server of `keys`, by a recent list, although its breaker is open; `Ok` if it is
    /// not.
    pub(super) async fn reach(&self, keys: &CacheKeys, limit: Duration) -> Result<(), VerbError> {
        let (lists, left) = self.recent(limit).await?;
        match lists.holding(keys.item()).first() {
            Some(member) if member.server.breaker() == BreakerState::Open => {
                let answer = member.server.run(Command::Ping, left).await;
                answer.map(drop).map_err(VerbError::from)
            }
            _ => Ok(()),
        }
    }

    /// The lists for a verb, and what is left of `limit`: at least half, so that the servers that
    /// are known execute the verb also if no list arrives.
    async fn recent(&self, limit: Duration) -> Result<(Lists, Duration), VerbError> {
        let begun = Instant::now();
        let lists = self.0.recent(limit / 2).await?;
        Ok((lists, limit.saturating_sub(begun.elapsed())))
    }

    /// Why the last connect to the server of this name has failed, if it has.
    pub(super) fn cause(&self, server: &str) -> Option<Arc<str>> {
        self.0.cause(server)
    }

    pub(super) fn lookup(
        &self,
        keys: &CacheKeys,
        options: LookupOptions,
        begun: Instant,
        limit: Duration,
    ) -> impl Future<Output = Result<Box<LookupReply>, StoreError>> {
        let command = Command::Lookup(keys.clone(), options);
        self.run(keys, command, begun, limit, |reply| match reply {
            Reply::Lookup(reply) => Ok(reply),
            _ => Err(StoreError::Protocol),
        })
    }

    /// On the server that holds `keys`. Where another one held them until a moment ago, the item is
    /// removed, too.
    pub(super) async fn effect(
        &self,
        keys: &CacheKeys,
        effect: Effect<'_>,
        limit: Duration,
    ) -> Result<Vec<(String, Effected)>, VerbError> {
        let delete = || OwnedEffect::Delete(keys.item().to_owned());
        let effect = match effect {
            Effect::Delete => delete(),
            Effect::Write(write) => OwnedEffect::Write((&write).into()),
        };
        let records: Arc<[String]> = keys.near().map(|scope| scope.key().to_owned()).into();
        let (mut lists, left) = self.recent(limit).await?;
        let effects = std::iter::once(effect).chain(std::iter::repeat_with(delete));
        let exchanges = lists.holding(keys.item()).into_iter().zip(effects);
        let exchanges = exchanges
            .map(|(member, effect)| (member, Command::Effect(effect, records.clone())))
            .collect();
        let effected = self.effected(exchanges, left).await;
        // The servers that are known have done it. Others may hold the key.
        match (effected, lists.outdated.take()) {
            (Ok(_), Some(outdated)) => Err(outdated.into()),
            (Ok(effected), None) => Ok(effected),
            (Err(mut failed), _) => Err(failed.swap_remove(0).into()),
        }
    }

    pub(super) async fn flush(
        &self,
        generation: &str,
        records: Arc<[String]>,
        limit: Duration,
    ) -> Result<Vec<(String, Effected)>, Vec<(String, StoreError)>> {
        let effect = OwnedEffect::Delete(generation.to_owned());
        let command = Command::Effect(effect, records);
        let lists = self.0.current(limit).await.map_err(|failed| vec![failed])?;
        if let Some(outdated) = lists.outdated {
            return Err(vec![outdated]);
        }
        let exchanges = lists.all().into_iter();
        let exchanges = exchanges.map(|member| (member, command.clone())).collect();
        self.effected(exchanges, limit).await
    }

    /// One exchange with each of these servers, all at the same time, each within `limit`. The
    /// error names those that have failed, in their order.
    async fn effected(
        &self,
        exchanges: Vec<(Member, Command)>,
        limit: Duration,
    ) -> Result<Vec<(String, Effected)>, Vec<(String, StoreError)>> {
        let exchanges = exchanges.into_iter().map(|(member, command)| async move {
            let answer = member.server.run(command, limit).await;
            (member, answer)
        });
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for (member, answer) in futures_util::future::join_all(exchanges).await {
            let name = member.server.name.clone();
            match answer {
                Ok(Reply::Effected(effected)) => done.push((name, effected)),
                Ok(_) => failed.push((name, StoreError::Protocol)),
                Err(error) if member.is_gone(&error) => {}
                Err(error) => {
                    if error.may_be_moved() {
                        self.0.mark_suspect();
                    }
                    failed.push((name, error));
                }
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

    /// Whether an item and its generations may be on different servers.
    pub(super) fn spreads_keys(&self) -> bool {
        let known = self.0.known();
        known.is_some_and(|servers| servers.all.iter().any(|server| server.spreads_keys()))
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

    /// All servers at the same time, each within `limit`.
    pub(super) async fn ping(&self, limit: Duration) -> Vec<(String, Result<(), StoreError>)> {
        // At a start it shares the request of the first calls.
        let lists = match self.0.known() {
            Some(_) => self.0.current(limit).await,
            None => self.0.recent(limit).await,
        };
        let lists = match lists {
            Ok(lists) => lists,
            Err((endpoint, error)) => return vec![(endpoint, Err(error))],
        };
        let exchanges = lists.present().into_iter().map(|member| async move {
            let answer = member.server.run(Command::Ping, limit).await;
            (member.server.name.clone(), answer.map(drop))
        });
        let mut answers = futures_util::future::join_all(exchanges).await;
        let outdated = lists.outdated.into_iter();
        answers.extend(outdated.map(|(endpoint, error)| (endpoint, Err(error))));
        answers
    }
}
