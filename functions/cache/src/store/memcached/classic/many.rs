//! Several commands of the classic protocol in one write. memcache-async reads an answer after each
//! command and returns the cas of one key at a time, so these are written and read here. Any other
//! answer breaks the connection.

use std::collections::HashMap;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{
    super::{
        super::{
            Item, LookupOptions, LookupReply, StoreError,
            many::{Each, Precondition},
        },
        command::OwnedWrite,
        exptime,
        limits::{MAX_LINE, MAX_REQUEST_LINE, READ_CHUNK},
        lookup_keys::{Found, LookupKeys},
        refusal::refusal,
    },
    Classic,
    shared_stream::SharedStream,
    value_line::ValueLine,
};
use crate::key::CacheKeys;

impl Classic {
    pub(in super::super) async fn lookup_many(
        &mut self,
        all_keys: &[CacheKeys],
        options: LookupOptions,
    ) -> Result<Vec<LookupReply>, StoreError> {
        let lookup_keys = LookupKeys::new(all_keys, options);
        let found = self.gets(&lookup_keys.keys).await?;
        Ok(lookup_keys.reply(found))
    }

    pub(in super::super) async fn get_with_cas(
        &mut self,
        keys: &[&str],
    ) -> Result<Vec<Option<Item>>, StoreError> {
        if let [key] = keys {
            return Ok(vec![self.get_one(key).await?]);
        }
        let found = self.gets(keys).await?;
        Ok(found.into_iter().map(|found| Some(found?.item)).collect())
    }

    pub(in super::super) async fn write(
        &mut self,
        writes: &[OwnedWrite],
    ) -> Result<Each<bool>, StoreError> {
        if let [write] = writes {
            return Ok(vec![Ok(self.write_one(write).await?)]);
        }
        let mut out = Vec::new();
        for write in writes {
            let (key, life, length) = (
                write.key(),
                exptime::to_exptime(write.life),
                write.bytes.len(),
            );
            let head = match write.precondition {
                Precondition::Absent => format!("add {key} 0 {life} {length}\r\n"),
                Precondition::Cas(cas) => format!("cas {key} 0 {life} {length} {cas}\r\n"),
            };
            out.extend_from_slice(head.as_bytes());
            out.extend_from_slice(&write.bytes);
            out.extend_from_slice(b"\r\n");
        }
        let mut answers = self.send(&out).await?;
        let mut written = Vec::with_capacity(writes.len());
        for write in writes {
            let line = answers.line().await?;
            written.push(stored(write.precondition, &line)?);
        }
        answers.end()?;
        self.validator.lock().mark_complete();
        Ok(written)
    }

    /// `gets`, as often as its line would become too long: the server works in order, and answers
    /// each in the order of its keys.
    async fn gets(&mut self, keys: &[&str]) -> Result<Vec<Option<Found>>, StoreError> {
        let (mut out, mut lines, mut line) = (Vec::new(), 0, 0);
        for key in keys {
            if line == 0 || line + 1 + key.len() + 2 > MAX_REQUEST_LINE {
                if line > 0 {
                    out.extend_from_slice(b"\r\n");
                }
                out.extend_from_slice(b"gets");
                (lines, line) = (lines + 1, 4);
            }
            out.push(b' ');
            out.extend_from_slice(key.as_bytes());
            line += 1 + key.len();
        }
        out.extend_from_slice(b"\r\n");
        let places: HashMap<_, _> = keys.iter().copied().zip(0..).collect();
        let mut found: Vec<_> = keys.iter().map(|_| None).collect();
        let mut answers = self.send(&out).await?;
        while lines > 0 {
            let line = answers.line().await?;
            if line == "END" {
                lines -= 1;
                continue;
            }
            let value = ValueLine::parse(&line).ok_or(StoreError::Protocol)?;
            let place: usize = *places.get(value.key).ok_or(StoreError::Protocol)?;
            // A server that was started without cas (-C) cannot keep a lease.
            let cas = value.cas.filter(|cas| *cas != 0);
            if cas.is_none() {
                return Err(StoreError::Protocol);
            }
            let bytes = answers.value(value.length).await?;
            let one = Found {
                item: Item { bytes, cas },
                seconds_left: None,
                won: false,
            };
            if found[place].replace(one).is_some() {
                return Err(StoreError::Protocol);
            }
        }
        answers.end()?;
        self.validator.lock().mark_complete();
        Ok(found)
    }

    /// The connection is not clean until the answers are read to their end.
    pub(super) async fn send(&mut self, out: &[u8]) -> Result<Answers<'_>, StoreError> {
        self.validator.lock().begin(super::Expect::Nothing);
        let sent = async {
            self.shared_stream.write_all(out).await?;
            self.shared_stream.flush().await
        };
        sent.await.map_err(|_| StoreError::Closed)?;
        let input = BytesMut::with_capacity(READ_CHUNK);
        Ok(Answers {
            shared_stream: &mut self.shared_stream,
            input,
        })
    }
}

/// Whether the item was stored; the inner error is about this item alone.
pub(super) fn stored(
    precondition: Precondition,
    line: &str,
) -> Result<Result<bool, StoreError>, StoreError> {
    Ok(match (precondition, line) {
        (_, "STORED") => Ok(true),
        (Precondition::Absent, "NOT_STORED") => Ok(false),
        (Precondition::Cas(_), "EXISTS" | "NOT_FOUND") => Ok(false),
        (_, line) => Err(refusal(line).ok_or(StoreError::Protocol)?),
    })
}

pub(super) struct Answers<'a> {
    shared_stream: &'a mut SharedStream,
    input: BytesMut,
}

impl Answers<'_> {
    pub(super) async fn line(&mut self) -> Result<String, StoreError> {
        loop {
            let head = &self.input[..self.input.len().min(MAX_LINE)];
            if let Some(end) = head.iter().position(|byte| *byte == b'\n') {
                let line = self.input.split_to(end + 1);
                let line = line.strip_suffix(b"\r\n").ok_or(StoreError::Protocol)?;
                return String::from_utf8(line.to_vec()).map_err(|_| StoreError::Protocol);
            }
            if head.len() == MAX_LINE {
                return Err(StoreError::Protocol);
            }
            self.more().await?;
        }
    }

    pub(super) async fn value(&mut self, length: usize) -> Result<Bytes, StoreError> {
        while self.input.len() < length + 2 {
            self.more().await?;
        }
        let bytes = self.input.split_to(length).freeze();
        if self.input[..2] != *b"\r\n" {
            return Err(StoreError::Protocol);
        }
        self.input.advance(2);
        Ok(bytes)
    }

    async fn more(&mut self) -> Result<(), StoreError> {
        self.input.reserve(READ_CHUNK);
        match self.shared_stream.read_buf(&mut self.input).await {
            Ok(0) | Err(_) => Err(StoreError::Closed),
            Ok(_) => Ok(()),
        }
    }

    pub(super) fn end(&self) -> Result<(), StoreError> {
        if self.input.is_empty() {
            Ok(())
        } else {
            Err(StoreError::Protocol)
        }
    }
}
