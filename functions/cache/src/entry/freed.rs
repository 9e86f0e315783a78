//! The record that a holder leaves in place of its lease when there is nothing to store. It says
//! why, so that other callers know whether waiting for another holder is of any use.

use super::{HEAD, Unreadable, checked, field, finish, start};

/// Why nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FreedReason {
    /// The holder left before its origin had answered. Says nothing about the origin.
    Left,
    /// The origin failed.
    Failed,
    /// The origin's answer may not be stored.
    NotStored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Freed {
    pub(crate) reason: FreedReason,
    /// The id of the entry whose refresh came to nothing; 0 in a record on the item itself.
    pub(crate) refreshes_entry: u64,
}

const BODY: usize = HEAD + 1 + 8;

impl Freed {
    pub(crate) fn write(&self, key: &str, digest: [u8; 16]) -> Vec<u8> {
        let reason = match self.reason {
            // As releases without reasons write it.
            FreedReason::Left => return finish(start(b'F', digest, 0), key),
            FreedReason::Failed => 1,
            FreedReason::NotStored => 2,
        };
        let mut out = start(b'F', digest, BODY - HEAD);
        out.push(reason);
        out.extend_from_slice(&self.refreshes_entry.to_be_bytes());
        finish(out, key)
    }

    pub(super) fn read(bytes: &[u8], key: &str) -> Result<Self, Unreadable> {
        if checked(bytes, key, HEAD).is_ok() {
            return Ok(Self {
                reason: FreedReason::Left,
                refreshes_entry: 0,
            });
        }
        let body = checked(bytes, key, BODY)?;
        Ok(Self {
            reason: match body[HEAD] {
                1 => FreedReason::Failed,
                2 => FreedReason::NotStored,
                _ => return Err(Unreadable::Kind),
            },
            refreshes_entry: u64::from_be_bytes(field(body, HEAD + 1)),
        })
    }
}
