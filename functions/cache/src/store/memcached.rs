//! memcached, one server or several: finds the server of a key and speaks with it.
//!
//! Only below this module are sockets opened. Never another server: on an error the caller goes to its origin, since the same key
//! on two servers would be two truths.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::{Ask, Item, Looked, Slot, StoreError, Stored};
use crate::key::Address;

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
mod lookup_keys;
mod many;
mod meta;
mod pool;
mod ring;
mod server;
mod socket;
mod tls;
pub(super) use command::OwnedWrite;
pub(crate) use connect_options::How;
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

use command::{Command, Reply};
use discovery::Topology;

#[derive(Debug)]
pub(crate) struct Memcached(Topology);

impl Memcached {
    /// `endpoints` is not empty: the settings see to it. Nothing is connected yet.
    pub(crate) fn new(endpoints: &[Endpoint], how: &How) -> Self {
        Self(Topology::fixed(endpoints, how))
    }

    /// As many servers as the configuration endpoint of an ElastiCache cluster tells.
    pub(crate) fn discovered(endpoint: Endpoint, how: How) -> Self {
        Self(Topology::told(endpoint, how))
    }

    /// One exchange with the server where the item of `at` stands: all four keys of an address are looked up there.
    async fn run(
        &self,
        at: &Address,
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
        let result = servers.holding(at.item()).run(command, left).await;
        if let Err(StoreError::Refused) = result {
            self.0.doubt();
        }
        result
    }

    /// The name of the server that holds `at`; `None` while no server is known.
    pub(super) fn holding(&self, at: &Address) -> Option<String> {
        Some(self.0.known()?.holding(at.item()).name.clone())
    }

    /// Mapped and not awaited: an async fn would hold its arguments once more.
    pub(super) fn lookup(
        &self,
        at: &Address,
        ask: Ask,
        limit: Duration,
    ) -> impl Future<Output = Result<Box<Looked>, StoreError>> {
        self.run(at, Command::Lookup(at.clone(), ask), limit)
            .map(|reply| match reply? {
                Reply::Looked(looked) => Ok(looked),
                _ => Err(StoreError::Protocol),
            })
    }

    pub(super) async fn numbered(
        &self,
        at: &Address,
        slot: Slot,
        limit: Duration,
    ) -> Result<Option<Item>, StoreError> {
        let command = Command::Numbered(at.clone(), slot);
        match self.run(at, command, limit).await? {
            Reply::Item(item) => Ok(item),
            _ => Err(StoreError::Protocol),
        }
    }

    /// An add or a compare-and-swap.
    pub(super) async fn write(
        &self,
        write: OwnedWrite,
        limit: Duration,
    ) -> Result<Stored, StoreError> {
        let at = write.at.clone();
        match self.run(&at, Command::Write(write), limit).await? {
            Reply::Stored(stored) => Ok(stored),
            _ => Err(StoreError::Protocol),
        }
    }

    pub(super) async fn delete(&self, at: &Address, limit: Duration) -> Result<(), StoreError> {
        self.run(at, Command::Delete(at.item().to_owned()), limit)
            .await
            .map(|_| ())
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

    pub(super) async fn ping(&self, limit: Duration) -> Vec<(String, Result<(), StoreError>)> {
        self.everywhere(Command::Ping, limit).await
    }

    /// All servers at once, each for `limit` at most.
    async fn everywhere(
        &self,
        command: Command,
        limit: Duration,
    ) -> Vec<(String, Result<(), StoreError>)> {
        let servers = match self.0.current(limit).await {
            Ok(servers) => servers,
            Err((endpoint, error)) => return vec![(endpoint, Err(error))],
        };
        let asked = servers.all.iter().map(|server| {
            let command = command.clone();
            async move {
                let answer = server.run(command, limit).await;
                (server.name.clone(), answer.map(|_| ()))
            }
        });
        futures_util::future::join_all(asked).await
    }
}
