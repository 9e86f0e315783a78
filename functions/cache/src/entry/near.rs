//! The record that bounds near copies: for how long a copy may live that a lookup was allowed to
//! make by it.

use std::time::Duration;

use super::{HEAD, Unreadable, checked, field, finish, head, start};
use crate::{key::Scope, policy::NEAR_LONGEST};

/// What is kept under a scope's key on each server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NearRecord {
    /// New for each record that is added: one that was lost and added again is another one.
    pub(crate) lineage: u64,
    /// The longest near of a policy that was allowed to make copies. It only grows.
    pub(crate) near: Duration,
    pub(crate) trust: Trust,
}

/// Whether a verb may believe that no copy lives longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Copies from before this record was added may still be alive.
    Unsettled,
    /// They have all ended.
    Settled,
}

const LINEAGE: usize = HEAD;
const NEAR: usize = LINEAGE + 8;
const SETTLED: usize = NEAR + 4;
const END: usize = SETTLED + 1;

impl NearRecord {
    pub(crate) fn write(self, scope: &Scope) -> Vec<u8> {
        let mut out = start(b'W', scope.digest(), END - HEAD);
        out.extend_from_slice(&self.lineage.to_be_bytes());
        // Rounded up: a policy's `near` that is not whole would never be covered.
        let near = self.near.as_nanos().div_ceil(1_000_000);
        let near = u32::try_from(near).unwrap_or(u32::MAX);
        out.extend_from_slice(&near.to_be_bytes());
        out.push(u8::from(self.trust == Trust::Settled));
        finish(out, scope.key())
    }

    pub(crate) fn read(bytes: &[u8], scope: &Scope) -> Result<Self, Unreadable> {
        if head(bytes, scope.digest())? != b'W' {
            return Err(Unreadable::Kind);
        }
        let body = checked(bytes, scope.key(), END)?;
        let near = Duration::from_millis(u32::from_be_bytes(field(body, NEAR)).into());
        if near > NEAR_LONGEST {
            return Err(Unreadable::Times);
        }
        let trust = match body[SETTLED] {
            0 => Trust::Unsettled,
            1 => Trust::Settled,
            _ => return Err(Unreadable::Format),
        };
        Ok(Self {
            lineage: u64::from_be_bytes(field(body, LINEAGE)),
            near,
            trust,
        })
    }
}
