//! The lease: the right to call the origin. Under an item's key it is the lease of the item, under
//! a marker that of its refresh.

use super::{Generations, HEAD, Unreadable, checked, field, finish, start};

/// Identifies one acquisition of a lease: 128 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token(pub(crate) [u8; 16]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeaseRecord {
    pub(crate) token: Token,
    pub(crate) generations: Generations,
    /// The id of the entry that is being refreshed; 0 in a lease on the item itself.
    pub(crate) refreshes_entry: u64,
}

const BODY: usize = HEAD + 16 + Generations::LEN + 8;

impl LeaseRecord {
    pub(crate) fn write(&self, key: &str, digest: [u8; 16]) -> Vec<u8> {
        let mut out = start(b'L', digest, BODY - HEAD);
        out.extend_from_slice(&self.token.0);
        self.generations.write(&mut out);
        out.extend_from_slice(&self.refreshes_entry.to_be_bytes());
        finish(out, key)
    }

    pub(super) fn read(bytes: &[u8], key: &str) -> Result<Self, Unreadable> {
        let body = checked(bytes, key, BODY)?;
        Ok(Self {
            token: Token(field(body, HEAD)),
            generations: Generations::read(body, HEAD + 16),
            refreshes_entry: u64::from_be_bytes(field(body, BODY - 8)),
        })
    }
}
