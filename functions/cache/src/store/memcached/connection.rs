//! One connection with its protocol: takes a command, gives its reply.

use super::{
    super::{Ask, Item, Lifetime, Looked, StoreError, Stored},
    classic::Classic,
    socket::{Endpoint, Socket},
};
use crate::key::Address;

#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    classic: Classic,
    used: bool,
}

/// One exchange with a server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command<'a> {
    Lookup(&'a Address, Ask),
    Numbered(&'a str),
    Add(&'a str, &'a [u8], Lifetime),
    Swap(&'a str, &'a [u8], Lifetime, u64),
    Delete(&'a str),
    Ping,
}

impl Command<'_> {
    /// Whether sending it twice is the same as sending it once.
    pub(super) fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Add(..) | Self::Swap(..))
    }
}

#[derive(Debug)]
pub(super) enum Reply {
    Looked(Looked),
    Item(Option<Item>),
    Stored(Stored),
    Done,
}

impl Connection {
    pub(super) async fn open(to: &Endpoint) -> Result<Self, StoreError> {
        let socket = Socket::connect(to).await.map_err(|_| StoreError::Refused)?;
        Ok(Self {
            classic: Classic::new(socket.clone()),
            socket,
            used: false,
        })
    }

    pub(super) async fn run(&mut self, command: Command<'_>) -> Result<Reply, StoreError> {
        let classic = &mut self.classic;
        match command {
            Command::Lookup(at, ask) => classic.lookup(at, ask).await.map(Reply::Looked),
            Command::Numbered(key) => classic.numbered(key).await.map(Reply::Item),
            Command::Add(key, bytes, life) => {
                classic.add(key, bytes, life).await.map(Reply::Stored)
            }
            Command::Swap(key, bytes, life, number) => classic
                .swap(key, bytes, life, number)
                .await
                .map(Reply::Stored),
            Command::Delete(key) => classic.delete(key).await.map(|()| Reply::Done),
            Command::Ping => classic.version().await.map(|()| Reply::Done),
        }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.socket.is_quiet()
    }

    pub(super) fn is_clean(&self) -> bool {
        self.classic.is_clean()
    }

    /// Whether it has served an exchange before: its peer may have gone away meanwhile.
    pub(super) fn used(&self) -> bool {
        self.used
    }

    pub(super) fn mark_used(&mut self) {
        self.used = true;
    }
}
