//! The bytes of the meta protocol, without a socket: commands written, answers parsed from whatever has arrived.
//!
//! Only flags that memcached 1.6.12 to 1.6.22 know, since nothing newer runs on ElastiCache nodes. Flags of an answer come in any
//! order and are read as a set. Lengths are bounded before anything is reserved for them.

use bytes::{Buf as _, Bytes, BytesMut};

use super::super::super::StoreError;

/// The longest line of a sane server.
const LINE: usize = 512;
/// The largest item that is read: memcached's own default limit.
const ITEM: usize = 1 << 20;

#[derive(Debug, Clone, Copy)]
pub(super) struct Get<'a> {
    pub(super) key: &'a str,
    pub(super) opaque: u32,
    /// Leave an empty item of this many seconds if nothing is there. Never 0, which would stay for ever.
    pub(super) lease: Option<u32>,
}

/// The key and number that an answer says it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) key: String,
    pub(super) opaque: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) bytes: Bytes,
    pub(super) number: Option<u64>,
    /// This very command left the item there.
    pub(super) won: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Done,
    NotStored,
    Exists,
    NotFound,
    Barrier,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Parsed {
    Value(Value, Tag),
    Status(Status, Option<Tag>),
}

/// A read. Says nothing when nothing is there: the [`barrier`] behind it does.
pub(super) fn get(out: &mut Vec<u8>, get: &Get<'_>) {
    push(out, &["mg ", get.key, " v c k O"]);
    decimal(out, get.opaque.into());
    if let Some(seconds) = get.lease {
        push(out, &[" N"]);
        decimal(out, seconds.max(1).into());
    }
    push(out, &[" q\r\n"]);
}

/// Answered after everything before it.
pub(super) fn barrier(out: &mut Vec<u8>) {
    push(out, &["mn\r\n"]);
}

pub(super) fn add(out: &mut Vec<u8>, key: &str, opaque: u32, exptime: u32, bytes: &[u8]) {
    set(out, key, opaque, exptime, bytes, |out| push(out, &[" ME"]));
}

pub(super) fn swap(
    out: &mut Vec<u8>,
    key: &str,
    opaque: u32,
    exptime: u32,
    number: u64,
    bytes: &[u8],
) {
    set(out, key, opaque, exptime, bytes, |out| {
        push(out, &[" C"]);
        decimal(out, number);
    });
}

fn set(
    out: &mut Vec<u8>,
    key: &str,
    opaque: u32,
    exptime: u32,
    bytes: &[u8],
    mode: impl FnOnce(&mut Vec<u8>),
) {
    push(out, &["ms ", key, " "]);
    decimal(out, bytes.len() as u64);
    push(out, &[" T"]);
    decimal(out, exptime.into());
    mode(out);
    push(out, &[" k O"]);
    decimal(out, opaque.into());
    push(out, &["\r\n"]);
    out.extend_from_slice(bytes);
    push(out, &["\r\n"]);
}

pub(super) fn delete(out: &mut Vec<u8>, key: &str, opaque: u32) {
    push(out, &["md ", key, " k O"]);
    decimal(out, opaque.into());
    push(out, &["\r\n"]);
}

fn push(out: &mut Vec<u8>, parts: &[&str]) {
    parts
        .iter()
        .for_each(|part| out.extend_from_slice(part.as_bytes()));
}

fn decimal(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(number.to_string().as_bytes());
}

/// Takes answers off the front of what has arrived.
pub(super) struct Parser;

impl Parser {
    /// The next answer; `None` while it is not whole. Nothing is taken off until it is.
    pub(super) fn next(input: &mut BytesMut) -> Result<Option<Parsed>, StoreError> {
        let head = &input[..input.len().min(LINE)];
        let Some(end) = head.iter().position(|b| *b == b'\n') else {
            return if input.len() < LINE {
                Ok(None)
            } else {
                Err(StoreError::Protocol)
            };
        };
        let line = head[..end]
            .strip_suffix(b"\r")
            .ok_or(StoreError::Protocol)?;
        let line = std::str::from_utf8(line).map_err(|_| StoreError::Protocol)?;
        let line = Line::parse(line)?;
        let Line::Value {
            length,
            number,
            won,
            tag,
        } = line
        else {
            input.advance(end + 1);
            return Ok(Some(line.into_status()));
        };
        let whole = end + 1 + length + 2;
        if input.len() < whole {
            return Ok(None);
        }
        if input[whole - 2..whole] != *b"\r\n" {
            return Err(StoreError::Protocol);
        }
        input.advance(end + 1);
        let bytes = input.split_to(length).freeze();
        input.advance(2);
        Ok(Some(Parsed::Value(Value { bytes, number, won }, tag)))
    }
}

enum Line {
    Value {
        length: usize,
        number: Option<u64>,
        won: bool,
        tag: Tag,
    },
    Status(Status, Option<Tag>),
}

impl Line {
    fn parse(line: &str) -> Result<Self, StoreError> {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let status = match words.next() {
            Some("VA") => return Self::value(words).ok_or(StoreError::Protocol),
            Some("HD") => Status::Done,
            Some("NS") => Status::NotStored,
            Some("EX") => Status::Exists,
            Some("NF") => Status::NotFound,
            Some("MN") => Status::Barrier,
            Some("SERVER_ERROR") if line.starts_with("SERVER_ERROR object too large") => {
                return Err(StoreError::Oversize);
            }
            _ => return Err(StoreError::Protocol),
        };
        let flags = Flags::parse(words).ok_or(StoreError::Protocol)?;
        Ok(Self::Status(status, flags.tag))
    }

    fn value<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let length = words
            .next()?
            .parse()
            .ok()
            .filter(|length| *length <= ITEM)?;
        let Flags { tag, number, won } = Flags::parse(words)?;
        Some(Self::Value {
            length,
            number,
            won,
            tag: tag?,
        })
    }

    fn into_status(self) -> Parsed {
        match self {
            Self::Status(status, tag) => Parsed::Status(status, tag),
            Self::Value { tag, .. } => Parsed::Status(Status::Done, Some(tag)),
        }
    }
}

struct Flags {
    tag: Option<Tag>,
    number: Option<u64>,
    won: bool,
}

impl Flags {
    fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let (mut key, mut opaque, mut number, mut won) = (None, None, None, false);
        for word in words {
            let (flag, rest) = word.split_at_checked(1)?;
            match flag {
                "k" => key = Some(rest.to_owned()),
                "O" => opaque = Some(rest.parse().ok()?),
                "c" => number = Some(rest.parse().ok()?),
                "W" => won = true,
                // Won by another, stale, and whatever later servers add.
                _ => {}
            }
        }
        let tag = key.zip(opaque).map(|(key, opaque)| Tag { key, opaque });
        Some(Self { tag, number, won })
    }
}

#[cfg(feature = "testing")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
