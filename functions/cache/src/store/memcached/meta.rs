//! The meta protocol, one connection: writes a command whole, reads until its answer is whole.
//!
//! A lookup leaves a lease on an absent item in the same round trip, and every answer carries the key and a number of the command
//! that it belongs to, so that an answer out of step is seen at once.

use std::ops::Range;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    super::{Ask, Found, Item, Lifetime, Looked, StoreError, Stored},
    exptime,
    lookup_keys::Shown,
    tls::Stream,
};
use crate::key::Address;

mod codec;
mod many;
#[cfg(feature = "fuzzing")]
pub(crate) use codec::fuzz::reply as fuzz;
use codec::{Get, Parsed, Status};

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
        let keys = [at.item(), at.marker(), at.namespace(), at.function()];
        let without_marker = [at.item(), at.namespace(), at.function()];
        let keys: &[_] = if ask.marker { &keys } else { &without_marker };
        let lease = |place| ask.lease.filter(|_| place == 0);
        let mut stands = [None, None, None, None];
        let answer = self.gets(keys, lease, &mut stands[..keys.len()]).await?;
        let [item, mut marker, mut namespace, mut function] =
            stands.map(|stands| Some(stands?.value(&answer)));
        if !ask.marker {
            (marker, namespace, function) = (None, marker, namespace);
        }
        let item = item.map_or(Found::Absent, Shown::found);
        let plain = |value: Option<Value>| Some(value?.item);
        Ok(Looked {
            item,
            marker: plain(marker),
            namespace: plain(namespace),
            function: plain(function),
        })
    }

    pub(super) async fn numbered(&mut self, key: &str) -> Result<Option<Item>, StoreError> {
        let mut stands = [None];
        let answer = self.gets(&[key], |_| None, &mut stands).await?;
        let [stands] = stands;
        match stands.map(|stands| stands.value(&answer).item) {
            // A server that was started without numbers (-C) can hold no lease.
            Some(Item { number: None, .. }) => Err(StoreError::Protocol),
            item => Ok(item),
        }
    }

    pub(super) async fn add(
        &mut self,
        key: &str,
        bytes: &[u8],
        life: Lifetime,
    ) -> Result<Stored, StoreError> {
        let opaque = self.begin(1);
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
        let opaque = self.begin(1);
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
        let opaque = self.begin(1);
        codec::delete(&mut self.output, key, opaque);
        match self.status(key, opaque).await? {
            Status::Done | Status::NotFound => Ok(()),
            _ => Err(self.broken()),
        }
    }

    /// Removes what has this number. Something else there, or nothing, is as good.
    pub(super) async fn remove(&mut self, key: &str, number: u64) -> Result<(), StoreError> {
        let opaque = self.begin(1);
        codec::remove(&mut self.output, key, opaque, number);
        match self.status(key, opaque).await? {
            Status::Done | Status::Exists | Status::NotFound => Ok(()),
            _ => Err(self.broken()),
        }
    }

    pub(super) async fn ping(&mut self) -> Result<(), StoreError> {
        self.gets(&[], |_| None, &mut []).await.map(|_| ())
    }

    /// Room for the numbers of so many commands. Until their answers are whole, the connection is not clean.
    fn begin(&mut self, commands: usize) -> u32 {
        self.clean = false;
        self.output.clear();
        let first = self.opaque;
        let commands = u32::try_from(commands).unwrap_or(u32::MAX >> 1);
        self.opaque = first.saturating_add(commands) & 0x7fff_ffff;
        first
    }

    /// A whole answer that is none to this command.
    fn broken(&mut self) -> StoreError {
        self.clean = false;
        StoreError::Protocol
    }

    /// Reads `keys` in their order; `lease` says for how many seconds to leave a lease at a place where nothing is. What is there is
    /// told by place, and stands in the answer.
    async fn gets(
        &mut self,
        keys: &[&str],
        lease: impl Fn(usize) -> Option<u32>,
        stands: &mut [Option<Stands>],
    ) -> Result<Bytes, StoreError> {
        let first = self.begin(keys.len());
        for ((place, key), opaque) in keys.iter().enumerate().zip(first..) {
            let lease = lease(place);
            codec::get(&mut self.output, &Get { key, opaque, lease });
        }
        codec::barrier(&mut self.output);
        self.send().await?;
        let mut read = 0;
        loop {
            let Some((parsed, length)) = codec::next(&self.input[read..])? else {
                self.receive().await?;
                continue;
            };
            read += length;
            match parsed {
                Parsed::Value(value, tag) => {
                    let place = tag.opaque.checked_sub(first).ok_or(StoreError::Protocol)?;
                    let place = place as usize;
                    match stands.get_mut(place) {
                        Some(free @ None) if keys[place].as_bytes() == tag.key => {
                            *free = Some(Stands::new(&value, read));
                        }
                        _ => return Err(StoreError::Protocol),
                    }
                }
                Parsed::Status(Status::Barrier, _) => break,
                Parsed::Status(..) => return Err(StoreError::Protocol),
            }
        }
        let answer = self.input.split_to(read).freeze();
        self.end()?;
        Ok(answer)
    }

    /// Sends what was written and reads one status line, which must belong to it.
    async fn status(&mut self, key: &str, opaque: u32) -> Result<Status, StoreError> {
        self.send().await?;
        let status = self.told(key, opaque).await?;
        self.end()?;
        Ok(status)
    }

    /// Reads the status line that answers the command of this key and number.
    async fn told(&mut self, key: &str, opaque: u32) -> Result<Status, StoreError> {
        loop {
            match codec::next(&self.input)? {
                None => self.receive().await?,
                Some((Parsed::Status(status, Some(tag)), length))
                    if tag.key == key.as_bytes() && tag.opaque == opaque =>
                {
                    self.input.advance(length);
                    return Ok(status);
                }
                Some(_) => return Err(StoreError::Protocol),
            }
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

    async fn receive(&mut self) -> Result<(), StoreError> {
        match self.stream.read(&mut self.chunk).await {
            Ok(0) | Err(_) => Err(StoreError::Closed),
            Ok(n) => {
                self.input.extend_from_slice(&self.chunk[..n]);
                Ok(())
            }
        }
    }

    /// The answer is whole; nothing may have come after it.
    fn end(&mut self) -> Result<(), StoreError> {
        if !self.input.is_empty() {
            return Err(StoreError::Protocol);
        }
        self.clean = true;
        Ok(())
    }
}

/// Where in an answer a value stands.
#[derive(Debug)]
struct Stands {
    at: Range<usize>,
    number: Option<u64>,
    won: bool,
}

impl Stands {
    /// `value` and its line end stand before `end`.
    fn new(value: &codec::Value<'_>, end: usize) -> Self {
        let end = end - 2;
        Self {
            at: end - value.bytes.len()..end,
            number: value.number,
            won: value.won,
        }
    }

    fn value(self, answer: &Bytes) -> Value {
        let (bytes, number) = (answer.slice(self.at), self.number);
        Value {
            item: Item { bytes, number },
            won: self.won,
        }
    }
}

/// What stands under a key.
#[derive(Debug)]
struct Value {
    item: Item,
    /// The very command that shows it has left it there.
    won: bool,
}

impl Shown for Value {
    fn found(self) -> Found {
        match self.item.number {
            Some(number) if self.won && self.item.bytes.is_empty() => Found::Won(number),
            _ => Found::Item(self.item),
        }
    }

    fn item(&self) -> Item {
        self.item.clone()
    }
}
