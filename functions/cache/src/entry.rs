//! The records that are stored under the keys of a server, byte for byte.
//!
//! A record says its kind and format, the key to which it belongs, the generations under which it
//! was made, how long it is valid, and has a check over all of it. Values are only bytes here. The
//! page `guide::how_it_works` explains what each record is for.
//!
//! ```text
//! every record   kind 1 · "ld" 2 · format 1 (now 2) · key digest 16 · body · check 8 or 32
//! V entry        flags 1 · zero 3 · id 8 · generations 32 · created 8 · fresh until 8
//!                discard at 8 · cost 4 · version 4 · length 4 · payload
//! L lease        token 16 · generations 32 · id of the refreshed entry 8 · what went before 1,
//!                if that came to nothing
//! F freed lease  nothing, or reason 1 · id of the entry whose refresh came to nothing 8
//! G generation   time 8 · random 8 · of a function also its owners: (version 4 · length 1 · path)…
//! W near bound   lineage 8 · near 4 (milliseconds) · settled 1
//! ```
//! Numbers are big-endian; times are milliseconds since 1970; cost is in microseconds. Flags are 1
//! for a signed and 2 for a compressed entry. The check is xxh3 or HMAC-SHA-256, and covers the
//! memcached key, too.

use crate::clock::Millis;

mod freed;
mod generation;
mod lease;
mod near;
mod seal;
mod value;
pub(crate) use freed::{Freed, FreedReason};
pub(crate) use generation::{Generation, Generations, Owners};
pub(crate) use lease::{After, LeaseRecord, Token};
pub(crate) use near::{NearRecord, Trust};
pub(crate) use seal::Seal;
pub(crate) use value::Entry;

const FORMAT: u8 = 2;
const HEAD: usize = 20;
const CHECK: usize = 8;

/// The record under the key of an item or of a marker.
#[derive(Debug)]
pub(crate) enum Record<'a> {
    Entry(Entry<'a>),
    Lease(LeaseRecord),
    Freed(Freed),
}

/// Why bytes are not a record of this key. Each of them is a miss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("too short or too long")]
    Length,
    #[error("not a record of this library")]
    Kind,
    #[error("an unknown format")]
    Format,
    #[error("the record of another key")]
    OtherKey,
    #[error("the check does not match")]
    Check,
    #[error("not signed as expected")]
    Signature,
    #[error("fresh for longer than it may be served")]
    Times,
}

/// Decodes the record under `key`, which is the key of an item or of its marker.
pub(crate) fn read<'a>(
    bytes: &'a [u8],
    key: &str,
    digest: [u8; 16],
    seal: &Seal,
) -> Result<Record<'a>, Unreadable> {
    let kind = head(bytes, digest)?;
    match kind {
        b'V' => Entry::read(bytes, key, seal).map(Record::Entry),
        b'L' => LeaseRecord::read(bytes, key).map(Record::Lease),
        b'F' => Freed::read(bytes, key).map(Record::Freed),
        _ => Err(Unreadable::Kind),
    }
}

/// Whether these are the bytes of an entry, which may be evicted, and not of another record.
pub(crate) fn is_value(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'V')
}

fn start(kind: u8, digest: [u8; 16], room: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD + room + CHECK);
    out.extend_from_slice(&[kind, b'l', b'd', FORMAT]);
    out.extend_from_slice(&digest);
    out
}

fn finish(mut out: Vec<u8>, key: &str) -> Vec<u8> {
    let check = checksum(&out, key);
    out.extend_from_slice(&check);
    out
}

fn head(bytes: &[u8], digest: [u8; 16]) -> Result<u8, Unreadable> {
    let head = bytes.get(..HEAD).ok_or(Unreadable::Length)?;
    if head[1..3] != *b"ld" {
        return Err(Unreadable::Kind);
    }
    if head[3] != FORMAT {
        return Err(Unreadable::Format);
    }
    if head[4..] != digest {
        return Err(Unreadable::OtherKey);
    }
    Ok(head[0])
}

/// The `body` bytes of an unsigned record, without its check.
fn checked<'a>(bytes: &'a [u8], key: &str, body: usize) -> Result<&'a [u8], Unreadable> {
    if bytes.len() != body + CHECK {
        return Err(Unreadable::Length);
    }
    let (body, check) = bytes.split_at(body);
    if checksum(body, key) != *check {
        return Err(Unreadable::Check);
    }
    Ok(body)
}

/// Protects against cut, mixed and misrouted bytes. [`Seal`] protects against forged ones.
fn checksum(body: &[u8], key: &str) -> [u8; CHECK] {
    use twox_hash::XxHash3_64 as Xxh3;
    Xxh3::oneshot_with_seed(Xxh3::oneshot(key.as_bytes()), body).to_be_bytes()
}

/// The `N` bytes at `at`. Callers have checked the length.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
