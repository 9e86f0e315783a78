//! Generations: what a flush deletes. Entries and leases carry the pair of the lookup that led to
//! them.

use super::{HEAD, Millis, Unreadable, checked, field, finish, head, start};
use crate::key::Scope;

/// The generation of one scope on one server: the time and 64 random bits, so that a lost one is
/// never created again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generation([u8; 16]);

/// The generations of a namespace and of a function, as one lookup saw them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Generations {
    pub(crate) namespace: Generation,
    pub(crate) function: Generation,
}

impl Generation {
    #[cfg(test)]
    pub(super) const fn golden(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) fn mint(now: Millis, random: u64) -> Self {
        let mut out = [0; 16];
        out[..8].copy_from_slice(&now.to_be_bytes());
        out[8..].copy_from_slice(&random.to_be_bytes());
        Self(out)
    }

    /// The record under the key of `scope`.
    pub(crate) fn write(self, scope: &Scope) -> Vec<u8> {
        let mut out = start(b'G', scope.digest(), 16);
        out.extend_from_slice(&self.0);
        finish(out, scope.key())
    }

    pub(crate) fn read(bytes: &[u8], scope: &Scope) -> Result<Self, Unreadable> {
        if head(bytes, scope.digest())? != b'G' {
            return Err(Unreadable::Kind);
        }
        checked(bytes, scope.key(), HEAD + 16).map(|body| Self(field(body, HEAD)))
    }
}

impl Generations {
    pub(super) const LEN: usize = 32;

    pub(super) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.namespace.0);
        out.extend_from_slice(&self.function.0);
    }

    pub(super) fn read(bytes: &[u8], at: usize) -> Self {
        Self {
            namespace: Generation(field(bytes, at)),
            function: Generation(field(bytes, at + 16)),
        }
    }
}
