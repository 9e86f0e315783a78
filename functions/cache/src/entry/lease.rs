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
    pub(crate) after: After,
}

/// What the holder before has left. A call waits for one origin call that comes to nothing, and no
/// longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum After {
    #[default]
    Nothing,
    /// It left before its origin had answered.
    Leaving,
    /// Its origin failed.
    Failure,
}

const BODY: usize = HEAD + 16 + Generations::LEN + 8;

impl LeaseRecord {
    pub(crate) fn write(&self, key: &str, digest: [u8; 16]) -> Vec<u8> {
        let mut out = start(b'L', digest, BODY - HEAD);
        out.extend_from_slice(&self.token.0);
        self.generations.write(&mut out);
        out.extend_from_slice(&self.refreshes_entry.to_be_bytes());
        match self.after {
            After::Nothing => {}
            After::Leaving => out.push(1),
            After::Failure => out.push(2),
        }
        finish(out, key)
    }

    pub(super) fn read(bytes: &[u8], key: &str) -> Result<Self, Unreadable> {
        let (body, after) = match checked(bytes, key, BODY) {
            Err(Unreadable::Length) => {
                let body = checked(bytes, key, BODY + 1)?;
                match body[BODY] {
                    1 => (body, After::Leaving),
                    2 => (body, After::Failure),
                    _ => return Err(Unreadable::Kind),
                }
            }
            body => (body?, After::Nothing),
        };
        Ok(Self {
            token: Token(field(body, HEAD)),
            generations: Generations::read(body, HEAD + 16),
            refreshes_entry: u64::from_be_bytes(field(body, BODY - 8)),
            after,
        })
    }
}
