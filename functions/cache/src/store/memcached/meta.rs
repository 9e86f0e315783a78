//! The meta protocol on one connection: writes whole commands and reads whole answers.
//!
//! A lookup of an absent item creates a placeholder in the same round trip. Every answer carries
//! the key and the opaque number of its command, so that an answer to another command is detected
//! at once.

use std::ops::Range;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    super::{Item, ItemState, LookupOptions, LookupReply, StoreError},
    limits::READ_CHUNK,
    lookup_keys::Found,
    tls::Stream,
};
use crate::key::CacheKeys;

mod codec;
mod effect;
mod largest;
mod many;
#[cfg(feature = "fuzzing")]
pub(crate) use codec::fuzz::reply as fuzz;
use codec::{Get, Parsed, Shows, Status};

#[derive(Debug)]
pub(super) struct Meta {
    stream: Stream,
    /// The buffer for one read. Allocated once: a fresh buffer would have to be zeroed for
    /// each read.
    chunk: Box<[u8]>,
    /// The bytes that have arrived and are not parsed yet.
    input: BytesMut,
    output: Vec<u8>,
    /// The opaque number of the next command.
    opaque: u32,
    clean: bool,
    /// The size of the largest item that the server takes, once it was asked.
    largest: Option<usize>,
}

impl Meta {
    pub(super) fn new(stream: Stream) -> Self {
        let (input, output) = (BytesMut::new(), Vec::new());
        Self {
            stream,
            chunk: vec![0; READ_CHUNK].into(),
            input,
            output,
            opaque: 0,
            clean: true,
            largest: None,
        }
    }

    /// Whether the last answer was complete and valid, and nothing came after it.
    pub(super) fn is_clean(&self) -> bool {
        self.clean
    }

    pub(super) async fn lookup(
        &mut self,
        keys: &CacheKeys,
        options: LookupOptions,
    ) -> Result<Box<LookupReply>, StoreError> {
        let wanted = [
            keys.item(),
            keys.marker(),
            keys.namespace(),
            keys.function(),
        ];
        let without_marker = [keys.item(), keys.namespace(), keys.function()];
        let wanted: &[_] = if options.marker {
            &wanted
        } else {
            &without_marker
        };
        let ask = |place| match place {
            0 => Ask::of_item(options),
            1 if options.marker => Ask::CAS,
            _ => Ask::VALUE,
        };
        let mut spans = [None, None, None, None];
        let answer = self.gets(wanted, ask, &mut spans[..wanted.len()]).await?;
        let [item, mut marker, mut namespace, mut function] =
            spans.map(|spans| Some(spans?.found(&answer)));
        if !options.marker {
            (marker, namespace, function) = (None, marker, namespace);
        }
        let seconds_left = item.as_ref().and_then(|item| item.seconds_left);
        let item = item.map_or(ItemState::Absent, Found::state);
        let plain = |value: Option<Found>| Some(value?.item);
        Ok(Box::new(LookupReply {
            item,
            seconds_left,
            marker: plain(marker),
            namespace: plain(namespace),
            function: plain(function),
            near: None,
        }))
    }

    pub(super) async fn ping(&mut self) -> Result<(), StoreError> {
        self.gets(&[], |_| Ask::VALUE, &mut []).await.map(|_| ())
    }

    /// Reserves the opaque numbers of this many commands. The connection is not clean until
    /// their answers are complete.
    fn begin(&mut self, commands: usize) -> u32 {
        self.clean = false;
        self.output.clear();
        let first = self.opaque;
        let commands = u32::try_from(commands).unwrap_or(u32::MAX >> 1);
        self.opaque = first.saturating_add(commands) & 0x7fff_ffff;
        first
    }

    /// A complete answer, but not to this command.
    fn broken(&mut self) -> StoreError {
        self.clean = false;
        StoreError::Protocol
    }

    /// Reads `keys` in their order, each as `ask` says. The values are ranges of the answer, by
    /// position.
    async fn gets(
        &mut self,
        keys: &[&str],
        ask: impl Fn(usize) -> Ask,
        spans: &mut [Option<ValueSpan>],
    ) -> Result<Bytes, StoreError> {
        let first = self.begin(keys.len());
        for ((place, key), opaque) in keys.iter().enumerate().zip(first..) {
            let Ask { lease, shows } = ask(place);
            let get = Get {
                key,
                opaque,
                lease,
                shows,
            };
            codec::get(&mut self.output, &get);
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
                    match spans.get_mut(place) {
                        Some(free @ None) if keys[place].as_bytes() == tag.key => {
                            *free = Some(ValueSpan::new(&value, read));
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

    /// Reads the status line of the command with this key and opaque number.
    async fn read_status(&mut self, key: &str, opaque: u32) -> Result<Status, StoreError> {
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
        // TLS buffers what was written until it is flushed.
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

    /// The answer is complete; nothing may come after it.
    fn end(&mut self) -> Result<(), StoreError> {
        if !self.input.is_empty() {
            return Err(StoreError::Protocol);
        }
        self.clean = true;
        Ok(())
    }
}

/// How a key is read.
#[derive(Debug, Clone, Copy)]
struct Ask {
    /// If it is absent, create a placeholder for this many seconds.
    lease: Option<u32>,
    shows: Shows,
}

impl Ask {
    /// What may be replaced.
    const CAS: Self = Self {
        lease: None,
        shows: Shows::Cas,
    };
    /// A record. One that is replaced, which is seldom, is read again first.
    const VALUE: Self = Self {
        lease: None,
        shows: Shows::Value,
    };

    /// An item: it may be an entry, whose age the server's clock decides.
    fn of_item(options: LookupOptions) -> Self {
        Self {
            lease: options.lease,
            shows: Shows::CasAndTtl,
        }
    }
}

/// The range of a value in an answer.
#[derive(Debug)]
struct ValueSpan {
    range: Range<usize>,
    cas: Option<u64>,
    seconds_left: Option<u32>,
    won: bool,
}

impl ValueSpan {
    /// `value` and its line end are right before `end`.
    fn new(value: &codec::Value<'_>, end: usize) -> Self {
        let end = end - 2;
        Self {
            range: end - value.bytes.len()..end,
            cas: value.cas,
            seconds_left: value.seconds_left,
            won: value.won,
        }
    }

    fn found(self, answer: &Bytes) -> Found {
        let (bytes, cas) = (answer.slice(self.range), self.cas);
        Found {
            item: Item { bytes, cas },
            seconds_left: self.seconds_left,
            won: self.won,
        }
    }
}
