//! The bytes of the meta protocol, without a socket: writes commands, and parses answers from the
//! bytes that have arrived.
//!
//! It only uses flags that memcached 1.6.12 to 1.6.22 know, since ElastiCache nodes run nothing
//! newer. The flags of an answer come in any order and are read as a set. Lengths are limited
//! before memory is reserved for them.

use memchr::memchr;

use super::super::{
    super::StoreError,
    limits::{MAX_ITEM, MAX_LINE},
    refusal,
};

#[derive(Debug, Clone, Copy)]
pub(super) struct Get<'a> {
    pub(super) key: &'a str,
    pub(super) opaque: u32,
    /// Create a placeholder for this many seconds if there is no item. Never 0, which would never
    /// expire.
    pub(super) lease: Option<u32>,
    pub(super) shows: Shows,
}

/// What the answer to a read shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shows {
    Value,
    Cas,
    /// Also how long the server will keep the item.
    CasAndTtl,
}

/// The key and the opaque number in an answer, which identify its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    pub(super) key: &'a [u8],
    pub(super) opaque: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) cas: Option<u64>,
    /// For how many seconds the server keeps the item, if it was asked and does not keep it for ever.
    pub(super) seconds_left: Option<u32>,
    /// This command has created the item.
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

/// An answer, borrowed from the bytes that have arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parsed<'a> {
    Value(Value<'a>, Tag<'a>),
    Status(Status, Option<Tag<'a>>),
}

/// A read. If there is no item it has no answer; the answer to the [`barrier`] after it shows that.
pub(super) fn get(out: &mut Vec<u8>, get: &Get<'_>) {
    let shown = match get.shows {
        Shows::Value => " v k O",
        Shows::Cas => " v c k O",
        Shows::CasAndTtl => " v c t k O",
    };
    push(out, &["mg ", get.key, shown]);
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

pub(super) fn compare_and_swap(
    out: &mut Vec<u8>,
    key: &str,
    opaque: u32,
    exptime: u32,
    cas: u64,
    bytes: &[u8],
) {
    set(out, key, opaque, exptime, bytes, |out| {
        push(out, &[" C"]);
        decimal(out, cas);
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

pub(super) fn remove(out: &mut Vec<u8>, key: &str, opaque: u32, cas: u64) {
    push(out, &["md ", key, " C"]);
    decimal(out, cas);
    push(out, &[" k O"]);
    decimal(out, opaque.into());
    push(out, &["\r\n"]);
}

fn push(out: &mut Vec<u8>, parts: &[&str]) {
    parts
        .iter()
        .for_each(|part| out.extend_from_slice(part.as_bytes()));
}

fn decimal(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The first answer in the bytes that have arrived, and its length; `None` while it is incomplete.
pub(super) fn next(input: &[u8]) -> Result<Option<(Parsed<'_>, usize)>, StoreError> {
    let head = &input[..input.len().min(MAX_LINE)];
    let Some(end) = memchr(b'\n', head) else {
        return if input.len() < MAX_LINE {
            Ok(None)
        } else {
            Err(StoreError::Protocol)
        };
    };
    let line = head[..end]
        .strip_suffix(b"\r")
        .ok_or(StoreError::Protocol)?;
    let (kind, flags) = parse(line)?;
    let (start, length) = match kind {
        Kind::Value(length) => (end + 1, length),
        // The key before a value is compared with that of its command, so this is not asked of it.
        Kind::Status(_) if !line.is_ascii() => return Err(StoreError::Protocol),
        Kind::Status(status) => {
            let parsed = Parsed::Status(status, flags.tag());
            return Ok(Some((parsed, end + 1)));
        }
    };
    let tag = flags.tag().ok_or(StoreError::Protocol)?;
    let Some(bytes) = input.get(start..start + length + 2) else {
        return Ok(None);
    };
    let bytes = bytes.strip_suffix(b"\r\n").ok_or(StoreError::Protocol)?;
    let value = Value {
        bytes,
        cas: flags.cas,
        seconds_left: flags.seconds_left,
        won: flags.won,
    };
    Ok(Some((Parsed::Value(value, tag), start + length + 2)))
}

/// Why the server refuses the item of a command, and the length of that line, if it is the first in
/// the bytes that have arrived. For input that [`next`] does not accept.
pub(super) fn refusal(input: &[u8]) -> Option<(StoreError, usize)> {
    let head = &input[..input.len().min(MAX_LINE)];
    let end = memchr(b'\n', head)?;
    let line = std::str::from_utf8(&head[..end]).ok()?.strip_suffix('\r')?;
    Some((refusal::refusal(line)?, end + 1))
}

/// The first word of an answer.
enum Kind {
    /// The length of the value that follows.
    Value(usize),
    Status(Status),
}

#[derive(Default)]
struct Flags<'a> {
    key: Option<&'a [u8]>,
    opaque: Option<u32>,
    cas: Option<u64>,
    seconds_left: Option<u32>,
    won: bool,
}

fn parse(line: &[u8]) -> Result<(Kind, Flags<'_>), StoreError> {
    // All kinds have two letters, which are cheaper to compare than the end of a word is to find.
    let (kind, rest) = match line {
        [b'V', b'A', b' ', rest @ ..] => {
            let (length, rest) = number(rest).ok_or(StoreError::Protocol)?;
            let length = usize::try_from(length).ok();
            let length = length.filter(|length| *length <= MAX_ITEM);
            (Kind::Value(length.ok_or(StoreError::Protocol)?), rest)
        }
        [b'H', b'D', rest @ ..] => (Kind::Status(Status::Done), rest),
        [b'N', b'S', rest @ ..] => (Kind::Status(Status::NotStored), rest),
        [b'E', b'X', rest @ ..] => (Kind::Status(Status::Exists), rest),
        [b'N', b'F', rest @ ..] => (Kind::Status(Status::NotFound), rest),
        [b'M', b'N', rest @ ..] => (Kind::Status(Status::Barrier), rest),
        _ if line.starts_with(b"SERVER_ERROR object too large") => {
            return Err(StoreError::Oversize);
        }
        _ => return Err(StoreError::Protocol),
    };
    let flags = Flags::parse(rest).ok_or(StoreError::Protocol)?;
    Ok((kind, flags))
}

impl<'a> Flags<'a> {
    fn parse(mut rest: &'a [u8]) -> Option<Self> {
        let mut flags = Self::default();
        while let [b' ', kind, behind @ ..] = rest {
            rest = match kind {
                b' ' => &rest[1..],
                b'k' => {
                    let (key, behind) = word(behind);
                    flags.key = Some(key);
                    behind
                }
                b'O' => {
                    let (opaque, behind) = number(behind)?;
                    flags.opaque = Some(opaque.try_into().ok()?);
                    behind
                }
                // A cas is at least 1; a server that was started without cas sends 0.
                b'c' => {
                    let (cas, behind) = number(behind).filter(|(cas, _)| *cas > 0)?;
                    flags.cas = Some(cas);
                    behind
                }
                // An item that the server keeps for ever has -1.
                b't' => match number(behind) {
                    Some((left, behind)) => {
                        flags.seconds_left = left.try_into().ok();
                        behind
                    }
                    None => word(behind).1,
                },
                // Flags for "won by another", "stale", and those of later servers are ignored.
                other => {
                    flags.won |= *other == b'W';
                    word(behind).1
                }
            };
        }
        matches!(rest, [] | [b' ']).then_some(flags)
    }

    fn tag(&self) -> Option<Tag<'a>> {
        let (key, opaque) = self.key.zip(self.opaque)?;
        Some(Tag { key, opaque })
    }
}

/// The word before the next space, and the rest.
fn word(line: &[u8]) -> (&[u8], &[u8]) {
    line.split_at(memchr(b' ', line).unwrap_or(line.len()))
}

/// A number of decimal digits only, up to the next space, and the rest.
fn number(line: &[u8]) -> Option<(u64, &[u8])> {
    let (mut number, mut length) = (0_u64, 0);
    for byte in line {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        number = number.checked_mul(10)?.checked_add(digit.into())?;
        length += 1;
    }
    let rest = &line[length..];
    let ends = length > 0 && matches!(rest, [] | [b' ', ..]);
    ends.then_some((number, rest))
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
