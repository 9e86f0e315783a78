//! One connection with its protocol.

use super::{
    super::{
        Item, LookupOptions, LookupReply, StoreError,
        many::{Each, Write},
    },
    classic::Classic,
    connect_options::ConnectOptions,
    handshake::{Protocol, handshake},
    meta::Meta,
    socket::{Endpoint, Socket},
    tls::Stream,
};
use crate::key::CacheKeys;

#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    driver: Driver,
    used: bool,
}

#[derive(Debug)]
enum Driver {
    Classic(Box<Classic>),
    Meta(Box<Meta>),
}

macro_rules! by_protocol {
    ($connection:ident, $exchange:ident($($argument:expr),*)) => {
        match &mut $connection.driver {
            Driver::Classic(classic) => classic.$exchange($($argument),*).await,
            Driver::Meta(meta) => meta.$exchange($($argument),*).await,
        }
    };
}

impl Connection {
    pub(super) async fn open(
        to: &Endpoint,
        connect_options: &ConnectOptions,
    ) -> Result<Self, StoreError> {
        let socket = Socket::connect(to).await.map_err(|_| StoreError::Refused)?;
        let stream = Stream::new(connect_options.tls.as_ref(), to, socket.clone()).await;
        // The certificate is not trusted, or the server does not support TLS.
        let mut stream = stream.map_err(|_| StoreError::Refused)?;
        let driver = match handshake(&mut stream, connect_options.protocol).await? {
            Protocol::Meta => Driver::Meta(Box::new(Meta::new(stream))),
            Protocol::Classic | Protocol::Auto => Driver::Classic(Box::new(Classic::new(stream))),
        };
        Ok(Self {
            socket,
            driver,
            used: false,
        })
    }

    /// Boxed: it passes through many hands.
    pub(super) async fn lookup(
        &mut self,
        keys: &CacheKeys,
        options: LookupOptions,
    ) -> Result<Box<LookupReply>, StoreError> {
        Ok(Box::new(by_protocol!(self, lookup(keys, options))?))
    }

    pub(super) async fn lookup_many(
        &mut self,
        all_keys: &[&CacheKeys],
        options: LookupOptions,
    ) -> Result<Vec<LookupReply>, StoreError> {
        by_protocol!(self, lookup_many(all_keys, options))
    }

    pub(super) async fn get_with_cas(
        &mut self,
        keys: &[&str],
    ) -> Result<Vec<Option<Item>>, StoreError> {
        by_protocol!(self, get_with_cas(keys))
    }

    pub(super) async fn write(&mut self, writes: &[&Write<'_>]) -> Result<Each<bool>, StoreError> {
        by_protocol!(self, write(writes))
    }

    pub(super) async fn delete(&mut self, key: &str) -> Result<(), StoreError> {
        by_protocol!(self, delete(key))
    }

    pub(super) async fn ping(&mut self) -> Result<(), StoreError> {
        by_protocol!(self, ping())
    }

    pub(super) fn is_idle_and_open(&self) -> bool {
        self.socket.is_idle_and_open()
    }

    pub(super) fn is_clean(&self) -> bool {
        match &self.driver {
            Driver::Classic(classic) => classic.is_clean(),
            Driver::Meta(meta) => meta.is_clean(),
        }
    }

    /// Whether it has served an exchange before, so that its peer may be lost.
    pub(super) fn used(&self) -> bool {
        self.used
    }

    pub(super) fn mark_used(&mut self) {
        self.used = true;
    }
}
