//! The meta protocol, one connection: writes a command whole, reads until its answer is whole.
//!
//! A lookup leaves a lease on an absent item in the same round trip, and every answer carries the key and a number of the command
//! that it belongs to, so that an answer out of step is seen at once.

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    super::{Ask, Found, Item, Lifetime, Looked, StoreError, Stored},
    exptime,
    tls::Stream,
};
use crate::key::Address;

mod codec;
mod many;
#[cfg(feature = "testing")]
pub(crate) use codec::fuzz::reply as fuzz;
use codec::{Get, Parsed, Parser, Status, Value};

/// What one read asks the socket for; a larger answer takes several.
const CHUNK: usize = 16 << 10;

#[derive(Debug)]
pub(super) struct Meta {
    stream: Stream,
    /// What one read brings. Made once: a buffer without content would be wiped before each read.
    chunk: Box<[u8]>,
    /// What has arrived and was not parsed yet.
    input: BytesMut,
    output: Vec<u8>,
    /// The number of the next command.
    opaque: u32,
    clean: bool,
}

impl Meta {
    pub(super) fn new(stream: Stream) -> Self {
        let (input, output) = (BytesMut::new(), Vec::new());
        Self {
            stream,
            chunk: vec![0; CHUNK].into(),
            input,
            output,
            opaque: 0,
            clean: true,
        }
    }

    /// Whether the last answer was whole, believed, and nothing came after it.
    pub(super) fn is_clean(&self) -> bool {
        self.clean
    }

    pub(super) async fn lookup(&mut self, at: &Address, ask: Ask) -> Result<Looked, StoreError> {
        let marker = ask.marker.then_some(at.marker());
        let first = self.begin();
        let keys = [
            Some(at.item()),
            marker,
            Some(at.namespace()),
            Some(at.function()),
        ];
        for (place, key) in (0..).zip(keys) {
            if let Some(key) = key {
                let lease = if place == 0 { ask.lease } else { None };
                codec::get(
                    &mut self.output,
                    &Get {
                        key,
                        opaque: first + place,
                        lease,
                    },
                );
            }
        }
        codec::barrier(&mut self.output);
        let mut found = [None, None, None, None];
        self.values(first, &keys, |place, value| found[place] = Some(value))
            .await?;
        let [item, marker, namespace, function] = found;
        let plain = |value: Value| Item {
            bytes: value.bytes,
            number: value.number,
        };
        let item = match item {
            None => Found::Absent,
            Some(Value {
                won: true,
                bytes,
                number: Some(number),
            }) if bytes.is_empty() => Found::Won(number),
            Some(value) => Found::Item(plain(value)),
        };
        let (marker, namespace) = (marker.map(plain), namespace.map(plain));
        Ok(Looked {
            item,
            marker,
            namespace,
            function: function.map(plain),
        })
    }

    pub(super) async fn numbered(&mut self, key: &str) -> Result<Option<Item>, StoreError> {
        let opaque = self.begin();
        codec::get(
            &mut self.output,
            &Get {
                key,
                opaque,
                lease: None,
            },
        );
        codec::barrier(&mut self.output);
        let mut found = None;
        self.values(opaque, &[Some(key)], |_, value| found = Some(value))
            .await?;
        match found {
            None => Ok(None),
            // A server that was started without numbers (-C) can hold no lease.
            Some(Value {
                number: None | Some(0),
                ..
            }) => Err(StoreError::Protocol),
            Some(Value { bytes, number, .. }) => Ok(Some(Item { bytes, number })),
        }
    }

    pub(super) async fn add(
        &mut self,
        key: &str,
        bytes: &[u8],
        life: Lifetime,
    ) -> Result<Stored, StoreError> {
        let opaque = self.begin();
        codec::add(&mut self.output, key, opaque, exptime::of(life), bytes);
        match self.status(key, opaque).await? {
            Status::Done => Ok(Stored::Yes),
            Status::NotStored => Ok(Stored::No),
            _ => Err(self.broken()),
        }
    }

    pub(super) async fn swap(
        &mut self,
        key: &str,
        bytes: &[u8],
        life: Lifetime,
        number: u64,
    ) -> Result<Stored, StoreError> {
        let opaque = self.begin();
        codec::swap(
            &mut self.output,
            key,
            opaque,
            exptime::of(life),
            number,
            bytes,
        );
        match self.status(key, opaque).await? {
            Status::Done => Ok(Stored::Yes),
            Status::Exists | Status::NotFound => Ok(Stored::No),
            _ => Err(self.broken()),
        }
    }

    pub(super) async fn delete(&mut self, key: &str) -> Result<(), StoreError> {
        let opaque = self.begin();
        codec::delete(&mut self.output, key, opaque);
        match self.status(key, opaque).await? {
            Status::Done | Status::NotFound => Ok(()),
            _ => Err(self.broken()),
        }
    }

    pub(super) async fn ping(&mut self) -> Result<(), StoreError> {
        self.begin();
        codec::barrier(&mut self.output);
        self.values(0, &[], |_, _| {}).await
    }

    /// Until the answer is whole, the connection is not clean. Room for the numbers of one lookup's four commands.
    fn begin(&mut self) -> u32 {
        self.clean = false;
        self.output.clear();
        let first = self.opaque;
        self.opaque = (first + 4) & 0x7fff_ffff;
        first
    }

    fn broken(&mut self) -> StoreError {
        self.clean = false;
        StoreError::Protocol
    }

    /// Sends what was written and reads values until the barrier's answer.
    async fn values(
        &mut self,
        first: u32,
        keys: &[Option<&str>],
        mut take: impl FnMut(usize, Value),
    ) -> Result<(), StoreError> {
        self.send().await?;
        let mut seen = 0_u32;
        loop {
            match self.parsed().await? {
                Parsed::Value(value, tag) => {
                    let place =
                        tag.opaque.checked_sub(first).ok_or_else(|| self.broken())? as usize;
                    let asked = keys.get(place).copied().flatten();
                    if asked.is_none_or(|key| key != tag.key) || seen & (1 << place) != 0 {
                        return Err(self.broken());
                    }
                    seen |= 1 << place;
                    take(place, value);
                }
                Parsed::Status(Status::Barrier, _) => return self.end(),
                Parsed::Status(..) => return Err(self.broken()),
            }
        }
    }

    /// Sends what was written and reads one status line, which must belong to it.
    async fn status(&mut self, key: &str, opaque: u32) -> Result<Status, StoreError> {
        self.send().await?;
        match self.parsed().await? {
            Parsed::Status(status, Some(tag)) if tag.key == key && tag.opaque == opaque => {
                self.end()?;
                Ok(status)
            }
            _ => Err(self.broken()),
        }
    }

    async fn send(&mut self) -> Result<(), StoreError> {
        // TLS holds back what was written until it is told to send it.
        let sent = async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|_| StoreError::Closed)
    }

    async fn parsed(&mut self) -> Result<Parsed, StoreError> {
        loop {
            if let Some(parsed) = Parser::next(&mut self.input)? {
                return Ok(parsed);
            }
            match self.stream.read(&mut self.chunk).await {
                Ok(0) | Err(_) => return Err(StoreError::Closed),
                Ok(n) => self.input.extend_from_slice(&self.chunk[..n]),
            }
        }
    }

    fn end(&mut self) -> Result<(), StoreError> {
        if !self.input.is_empty() {
            return Err(self.broken());
        }
        self.clean = true;
        Ok(())
    }
}
