//! The bytes of the meta protocol, without a socket: commands written, answers parsed from whatever has arrived.
//!
//! Only flags that memcached 1.6.12 to 1.6.22 know, since nothing newer runs on ElastiCache nodes. Flags of an answer come in any
//! order and are read as a set. Lengths are bounded before anything is reserved for them.

use std::ops::Range;

use bytes::{Buf as _, Bytes, BytesMut};
use memchr::memchr;

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
    pub(super) key: Bytes,
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

fn decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Takes answers off the front of what has arrived.
pub(super) struct Parser;

impl Parser {
    /// The next answer; `None` while it is not whole. Nothing is taken off until it is.
    pub(super) fn next(input: &mut BytesMut) -> Result<Option<Parsed>, StoreError> {
        let head = &input[..input.len().min(LINE)];
        let Some(end) = memchr(b'\n', head) else {
            return if input.len() < LINE {
                Ok(None)
            } else {
                Err(StoreError::Protocol)
            };
        };
        let line = head[..end]
            .strip_suffix(b"\r")
            .ok_or(StoreError::Protocol)?;
        let Line { kind, flags } = Line::parse(line)?;
        let (key, opaque) = (flags.key.clone(), flags.opaque);
        let (number, won) = (flags.number, flags.won);
        let tag = |line: Bytes| {
            Some(Tag {
                key: line.slice(key?),
                opaque: opaque?,
            })
        };
        let length = match kind {
            Kind::Value(length) => length,
            Kind::Status(status) => {
                let line = input.split_to(end + 1).freeze();
                return Ok(Some(Parsed::Status(status, tag(line))));
            }
        };
        let whole = end + 1 + length + 2;
        if input.len() < whole {
            return Ok(None);
        }
        if input[whole - 2..whole] != *b"\r\n" {
            return Err(StoreError::Protocol);
        }
        let tag = tag(input.split_to(end + 1).freeze()).ok_or(StoreError::Protocol)?;
        let bytes = input.split_to(length).freeze();
        input.advance(2);
        Ok(Some(Parsed::Value(Value { bytes, number, won }, tag)))
    }
}

/// The first line of an answer.
struct Line {
    kind: Kind,
    flags: Flags,
}

enum Kind {
    /// So many bytes follow.
    Value(usize),
    Status(Status),
}

#[derive(Default)]
struct Flags {
    /// Where in the line the key stands.
    key: Option<Range<usize>>,
    opaque: Option<u32>,
    number: Option<u64>,
    won: bool,
}

impl Line {
    fn parse(line: &[u8]) -> Result<Self, StoreError> {
        if !line.is_ascii() {
            return Err(StoreError::Protocol);
        }
        let mut words = Words { line, at: 0 };
        let status = match words.next().map(|word| &line[word]) {
            Some(b"VA") => {
                let length = words.next().and_then(|word| decimals(&line[word]));
                let length = length.and_then(|length| usize::try_from(length).ok());
                let length = length.filter(|length| *length <= ITEM);
                let kind = Kind::Value(length.ok_or(StoreError::Protocol)?);
                let flags = Flags::parse(words).filter(Flags::are_tagged);
                let flags = flags.ok_or(StoreError::Protocol)?;
                return Ok(Self { kind, flags });
            }
            Some(b"HD") => Status::Done,
            Some(b"NS") => Status::NotStored,
            Some(b"EX") => Status::Exists,
            Some(b"NF") => Status::NotFound,
            Some(b"MN") => Status::Barrier,
            Some(b"SERVER_ERROR") if line.starts_with(b"SERVER_ERROR object too large") => {
                return Err(StoreError::Oversize);
            }
            _ => return Err(StoreError::Protocol),
        };
        let (kind, flags) = (Kind::Status(status), Flags::parse(words));
        let flags = flags.ok_or(StoreError::Protocol)?;
        Ok(Self { kind, flags })
    }
}

impl Flags {
    fn parse(words: Words<'_>) -> Option<Self> {
        let (line, mut flags) = (words.line, Self::default());
        for word in words {
            let rest = word.start + 1..word.end;
            match line[word.start] {
                b'k' => flags.key = Some(rest),
                b'O' => flags.opaque = Some(decimals(&line[rest])?.try_into().ok()?),
                // Counted from 1; a server that was started without numbers says 0.
                b'c' => flags.number = Some(decimals(&line[rest]).filter(|number| *number > 0)?),
                b'W' => flags.won = true,
                // Won by another, stale, and whatever later servers add.
                _ => {}
            }
        }
        Some(flags)
    }

    fn are_tagged(&self) -> bool {
        self.key.is_some() && self.opaque.is_some()
    }
}

/// Where the words of a line stand; none is empty.
struct Words<'a> {
    line: &'a [u8],
    at: usize,
}

impl Iterator for Words<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let rest = self.line.get(self.at..)?;
        let start = self.at + rest.iter().position(|b| *b != b' ')?;
        let length = memchr(b' ', &self.line[start..]);
        let end = length.map_or(self.line.len(), |length| start + length);
        self.at = end;
        Some(start..end)
    }
}

/// A number of decimal digits only.
fn decimals(digits: &[u8]) -> Option<u64> {
    let digit = |number: u64, digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        number.checked_mul(10)?.checked_add(digit.into())
    };
    (!digits.is_empty()).then(|| digits.iter().try_fold(0, digit))?
}

#[cfg(feature = "testing")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
