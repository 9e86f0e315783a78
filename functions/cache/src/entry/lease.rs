//! The lease: who may call the origin. Under an item's key it stands for the item, under a marker for its refresh.

use super::{HEAD, Stamp, Unreadable, checked, field, finish, start};

/// Names one acquisition of a lease: 128 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token(pub(crate) [u8; 16]);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) token: Token,
    pub(crate) stamp: Stamp,
    /// The id of the entry that is being refreshed; 0 in a lease on the item itself.
    pub(crate) subject: u64,
}

const BODY: usize = HEAD + 16 + Stamp::LEN + 8;

impl Lease {
    pub(crate) fn write(&self, key: &str, digest: [u8; 16]) -> Vec<u8> {
        let mut out = start(b'L', digest, BODY - HEAD);
        out.extend_from_slice(&self.token.0);
        self.stamp.write(&mut out);
        out.extend_from_slice(&self.subject.to_be_bytes());
        finish(out, key)
    }

    pub(super) fn read(bytes: &[u8], key: &str) -> Result<Self, Unreadable> {
        let body = checked(bytes, key, BODY)?;
        Ok(Self {
            token: Token(field(body, HEAD)),
            stamp: Stamp::read(body, HEAD + 16),
            subject: u64::from_be_bytes(field(body, BODY - 8)),
        })
    }
}
