//! The entry: a value, and all that decides whether it may be served.

use super::{Generations, HEAD, Millis, Seal, Unreadable, field, start};
use crate::payload::Payload;

/// An entry that was read or is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    /// New for each write: a marker contains the id of the entry that it refreshes.
    pub(crate) id: u64,
    pub(crate) generations: Generations,
    /// When the origin answered.
    pub(crate) created: Millis,
    /// Fresh until then.
    pub(crate) fresh_until: Millis,
    /// Not served from then on.
    pub(crate) discard_at: Millis,
    /// How long the origin call took, in microseconds; at most 71 minutes.
    pub(crate) cost: u32,
    pub(crate) version: u32,
    pub(crate) payload: Payload<'a>,
}

/// Flags: the entry carries HMAC-SHA-256 in place of the checksum.
const SIGNED: u8 = 1;
/// Flags: the payload is compressed.
const LZ4: u8 = 2;

const ID: usize = HEAD + 4;
const GENERATIONS: usize = ID + 8;
const CREATED: usize = GENERATIONS + Generations::LEN;
const FRESH_UNTIL: usize = CREATED + 8;
const DISCARD_AT: usize = FRESH_UNTIL + 8;
const COST: usize = DISCARD_AT + 8;
const VERSION: usize = COST + 4;
const LENGTH: usize = VERSION + 4;
const PAYLOAD: usize = LENGTH + 4;

impl<'a> Entry<'a> {
    /// In place of the time until which an entry is fresh: it was expired by a verb, whatever a
    /// reader's clock says. That was before `discard_at` by as much as the policy's stale window.
    pub(crate) const EXPIRED: Millis = 0;

    pub(super) fn read(bytes: &'a [u8], key: &str, seal: &Seal) -> Result<Self, Unreadable> {
        let flags = *bytes.get(HEAD).ok_or(Unreadable::Length)?;
        if (flags & SIGNED != 0) != seal.is_signature() {
            return Err(Unreadable::Signature);
        }
        if flags & !(SIGNED | LZ4) != 0 {
            // Written by a later release, with a flag that this one does not know.
            return Err(Unreadable::Format);
        }
        let body = seal.open(bytes, key)?;
        let payload = body.get(PAYLOAD..).ok_or(Unreadable::Length)?;
        if u32::from_be_bytes(field(body, LENGTH)) as usize != payload.len() {
            return Err(Unreadable::Length);
        }
        let time = |at| Millis::from_be_bytes(field(body, at));
        if time(FRESH_UNTIL) > time(DISCARD_AT) {
            return Err(Unreadable::Times);
        }
        Ok(Self {
            id: u64::from_be_bytes(field(body, ID)),
            generations: Generations::read(body, GENERATIONS),
            created: time(CREATED),
            fresh_until: time(FRESH_UNTIL),
            discard_at: time(DISCARD_AT),
            cost: u32::from_be_bytes(field(body, COST)),
            version: u32::from_be_bytes(field(body, VERSION)),
            payload: if flags & LZ4 == 0 {
                Payload::Plain(payload)
            } else {
                Payload::Lz4(payload)
            },
        })
    }

    pub(crate) fn write(&self, key: &str, digest: [u8; 16], seal: &Seal) -> Vec<u8> {
        let entry = self;
        let (payload, packed) = match entry.payload {
            Payload::Plain(bytes) => (bytes, 0),
            Payload::Lz4(bytes) => (bytes, LZ4),
        };
        let mut out = start(b'V', digest, PAYLOAD - HEAD + payload.len() + 32);
        let signed = if seal.is_signature() { SIGNED } else { 0 };
        out.extend_from_slice(&[signed | packed, 0, 0, 0]);
        out.extend_from_slice(&entry.id.to_be_bytes());
        entry.generations.write(&mut out);
        for time in [entry.created, entry.fresh_until, entry.discard_at] {
            out.extend_from_slice(&time.to_be_bytes());
        }
        // A payload of 4 GiB cannot occur: it is larger than every policy's max_size.
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        for number in [entry.cost, entry.version, length] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(payload);
        seal.close(out, key)
    }

    /// The size of the written entry, in bytes.
    pub(crate) fn size(payload: usize) -> usize {
        PAYLOAD + payload + 32
    }
}
