//! memcached, one server or several: finds the server of a key and speaks with it.
//!
//! Only below this module are sockets opened. Never another server: on an error the caller goes to its origin, since the same key
//! on two servers would be two truths.

use std::time::Duration;

use super::{Ask, Item, Lifetime, Looked, Slot, StoreError, Stored};
use crate::key::Address;

mod breaker;
mod classic;
mod connection;
mod exptime;
mod guard;
mod handshake;
mod meta;
mod pool;
mod ring;
mod server;
mod socket;
pub(crate) use handshake::Protocol;
pub(crate) use socket::Endpoint;

/// For the entry points of fuzzing.
#[cfg(feature = "testing")]
pub(crate) mod fuzz {
    pub(crate) use super::{guard::fuzz::reply as classic_reply, meta::fuzz as meta_reply};
}

use connection::{Command, Reply};
use ring::Ring;
use server::Server;

#[derive(Debug)]
pub(crate) struct Memcached {
    servers: Vec<Server>,
    ring: Ring,
}

impl Memcached {
    /// `endpoints` is not empty: the settings see to it. Nothing is connected yet.
    pub(crate) fn new(endpoints: Vec<Endpoint>, protocol: Protocol) -> Self {
        let ring = Ring::new(&endpoints);
        Self {
            servers: endpoints
                .into_iter()
                .map(|to| Server::new(to, protocol))
                .collect(),
            ring,
        }
    }

    /// All four keys of an address are looked up where its item stands.
    fn server(&self, at: &Address) -> &Server {
        match self.servers.as_slice() {
            [only] => only,
            several => &several[self.ring.place(at.item())],
        }
    }

    pub(super) async fn lookup(
        &self,
        at: &Address,
        ask: Ask,
        limit: Duration,
    ) -> Result<Looked, StoreError> {
        match self.server(at).run(Command::Lookup(at, ask), limit).await? {
            Reply::Looked(looked) => Ok(looked),
            _ => Err(StoreError::Protocol),
        }
    }

    pub(super) async fn numbered(
        &self,
        at: &Address,
        slot: Slot,
        limit: Duration,
    ) -> Result<Option<Item>, StoreError> {
        match self
            .server(at)
            .run(Command::Numbered(at.slot(slot)), limit)
            .await?
        {
            Reply::Item(item) => Ok(item),
            _ => Err(StoreError::Protocol),
        }
    }

    pub(super) async fn add(
        &self,
        at: &Address,
        slot: Slot,
        bytes: &[u8],
        life: Lifetime,
        limit: Duration,
    ) -> Result<Stored, StoreError> {
        match self
            .server(at)
            .run(Command::Add(at.slot(slot), bytes, life), limit)
            .await?
        {
            Reply::Stored(stored) => Ok(stored),
            _ => Err(StoreError::Protocol),
        }
    }

    pub(super) async fn swap(
        &self,
        at: &Address,
        slot: Slot,
        bytes: &[u8],
        life: Lifetime,
        number: u64,
        limit: Duration,
    ) -> Result<Stored, StoreError> {
        let command = Command::Swap(at.slot(slot), bytes, life, number);
        match self.server(at).run(command, limit).await? {
            Reply::Stored(stored) => Ok(stored),
            _ => Err(StoreError::Protocol),
        }
    }

    pub(super) async fn delete(&self, at: &Address, limit: Duration) -> Result<(), StoreError> {
        self.server(at)
            .run(Command::Delete(at.item()), limit)
            .await
            .map(|_| ())
    }

    pub(super) async fn flush(
        &self,
        generation: &str,
        limit: Duration,
    ) -> Result<(), Vec<(String, StoreError)>> {
        let replies = self.everywhere(Command::Delete(generation), limit).await;
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
        command: Command<'_>,
        limit: Duration,
    ) -> Vec<(String, Result<(), StoreError>)> {
        let asked = self.servers.iter().map(|server| async move {
            (
                server.name.clone(),
                server.run(command, limit).await.map(|_| ()),
            )
        });
        futures_util::future::join_all(asked).await
    }
}
