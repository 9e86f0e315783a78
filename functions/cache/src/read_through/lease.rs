//! The right to call the origin: what it rests on, and what its record says.

use super::{Call, ReleaseGuard, Snapshot, Stale, decision::ItemKind};
use crate::{
    entry::{After, Generations, LeaseRecord, Token},
    outcome::{Fill, Outcome},
    random,
    store::{KeyKind, Lifetime},
};

/// The right to call the origin and to fill.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) token: Token,
    /// The generations of the lookup that led here, from before the origin call. The fill carries
    /// them.
    pub(super) generations: Generations,
    pub(super) reason: FillReason,
    pub(super) claim: ClaimKind,
    pub(super) stale: Option<Stale>,
    pub(super) release: ReleaseGuard,
}

/// What the right is based on, which decides how a fill is written.
#[derive(Debug)]
pub(super) enum ClaimKind {
    /// The item is this call's lease record.
    Lease { record: Vec<u8> },
    /// Our placeholder is the item, with this cas; the record is written if the origin takes long.
    Placeholder { record: Vec<u8>, cas: u64 },
    /// Our lease record is the marker. The entry has this cas, unless the lookup did not show it.
    Marker { record: Vec<u8>, entry: Option<u64> },
    /// Only the cas of the entry that will be replaced.
    Entry { entry: Option<u64> },
}

impl ClaimKind {
    /// The key of this call's record, and the record.
    pub(super) fn record(&self) -> Option<(KeyKind, &[u8])> {
        match self {
            Self::Lease { record } | Self::Placeholder { record, .. } => {
                Some((KeyKind::Item, record))
            }
            Self::Marker { record, .. } => Some((KeyKind::Marker, record)),
            Self::Entry { .. } => None,
        }
    }

    /// The cas of the entry that a fill replaces, if it replaces one.
    pub(super) fn entry(&mut self) -> Option<&mut Option<u64>> {
        match self {
            Self::Marker { entry, .. } | Self::Entry { entry } => Some(entry),
            Self::Lease { .. } | Self::Placeholder { .. } => None,
        }
    }
}

/// Why the origin is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FillReason {
    Miss,
    Expired,
    Requested,
}

impl FillReason {
    pub(super) fn outcome(self, fill: Fill) -> Outcome {
        match self {
            Self::Miss => Outcome::Miss(fill),
            Self::Expired => Outcome::Expired(fill),
            Self::Requested => Outcome::Refreshed(fill),
        }
    }
}

impl Call<'_> {
    /// The lease if its write succeeds. Its guard is armed: if the answer is lost, the lease is
    /// given back.
    pub(super) fn new_lease(
        &self,
        snapshot: &Snapshot<'_>,
        reason: FillReason,
        kind: KeyKind,
        claim: impl FnOnce(Vec<u8>) -> ClaimKind,
    ) -> Option<Box<Lease>> {
        let generations = snapshot.generations?;
        let refreshes_entry = match kind {
            KeyKind::Marker => snapshot.entry.as_ref()?.id,
            _ => 0,
        };
        let over_entry = kind == KeyKind::Item && matches!(snapshot.kind, ItemKind::Entry(_));
        let after = match reason {
            // An entry that could not be decoded: its successor may not be, either.
            FillReason::Miss if over_entry => After::Failure,
            _ => snapshot.after,
        };
        let token = Token(random::bytes());
        let record = LeaseRecord {
            token,
            generations,
            refreshes_entry,
            after,
        };
        let record = record.write(self.keys.of_kind(kind), self.keys.digest());
        let claim = claim(record);
        let placeholder = match claim {
            ClaimKind::Placeholder { cas, .. } => Some(cas),
            _ => None,
        };
        let release = match claim.record() {
            Some((kind, record)) => ReleaseGuard::armed(self, kind, record, placeholder),
            None => ReleaseGuard::nothing(),
        };
        Some(Box::new(Lease {
            token,
            generations,
            reason,
            claim,
            stale: None,
            release,
        }))
    }

    pub(super) fn lease_seconds(&self) -> u32 {
        // A policy limits a lease to an hour.
        u32::try_from(self.policy.lease.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
    }

    pub(super) fn lease_life(&self) -> Lifetime {
        Lifetime::seconds(self.lease_seconds())
    }
}
