//! The right to call the origin: what it rests on, how it is given back, and how a call tries for it.
//!
//! Every write is an add, or a compare-and-swap with a cas that was read while the item was exactly
//! what this call had decided upon. So the write is refused after whatever an invalidation, an expiry,
//! an eviction or another caller did in between.

use super::{
    Call, ReleaseGuard, Snapshot, Stale,
    exchange::{Exchanges, PlannedWrite},
    decision::ItemKind,
    plan::{Plan, Progress},
};
use crate::{
    entry::{After, Generations, LeaseRecord, Token},
    outcome::{Fill, Outcome, Uncoordinated},
    random,
    store::{Item, KeyKind, Lifetime, LookupReply, StoreError},
    telemetry::metrics::Counter,
};

/// The right to call the origin and to fill.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) token: Token,
    /// The generations of the lookup that led here, before the origin read. The fill carries them.
    pub(super) generations: Generations,
    pub(super) reason: FillReason,
    pub(super) claim: ClaimKind,
    pub(super) stale: Option<Stale>,
    pub(super) release: ReleaseGuard,
}

impl Lease {
    /// Nothing is owed any more, unless the fill had no answer or the server found it too large: then the
    /// lease may still be there.
    pub(super) fn filled(self, fill: Fill) {
        if !matches!(fill, Fill::Failed(_)) {
            self.release.disarm();
        }
    }
}

/// What the right rests on, and with it how a fill is written.
#[derive(Debug)]
pub(super) enum ClaimKind {
    /// Our lease record is the item.
    Lease { record: Vec<u8> },
    /// Our empty lease is the item, with this cas; the record is written if the origin takes long.
    Placeholder { record: Vec<u8>, cas: u64 },
    /// Our lease record is the marker. The entry has this cas, unless the lookup did not show it.
    Marker { record: Vec<u8>, entry: Option<u64> },
    /// Nothing but the cas of the entry that is to be replaced.
    Entry { entry: Option<u64> },
}

impl ClaimKind {
    /// The key of our record, and the record.
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
    fn entry(&mut self) -> Option<&mut Option<u64>> {
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

/// What the plan for one key came to.
#[derive(Debug)]
pub(super) enum ClaimResult {
    Won(Box<Lease>),
    /// Another caller has the lease: wait for it.
    Wait,
    /// Another caller refreshes: serve the stale entry.
    ServeStale,
    /// The item is no longer what was decided upon: look again at once.
    Again,
}

impl Call<'_> {
    /// Does what the plan for this key alone asks for.
    pub(super) async fn claim<'s>(
        &self,
        progress: &Progress,
        plan: Plan<'s>,
        snapshot: &Snapshot<'s>,
        reply: &'s LookupReply,
    ) -> Result<ClaimResult, Uncoordinated> {
        let writes = self.planned_writes(&plan, reply);
        let writes: Vec<_> = writes.iter().map(|write| (&self.keys, write)).collect();
        let written = self.exchanges().write_planned(&writes).await.pop();
        let mut result = self.claimed(progress, plan, written)?;
        if let ClaimResult::Won(lease) = &mut result
            && let Some(entry @ None) = lease.claim.entry()
        {
            // Before the origin is read: what changes the entry from here on refuses the fill.
            *entry = match snapshot.item {
                Some(item) => self.cas_if_unchanged(item).await?,
                None => None,
            };
            if entry.is_none() {
                return Ok(ClaimResult::Again);
            }
        }
        Ok(result)
    }

    /// What became of `plan`, whose last write had this result.
    pub(super) fn claimed(
        &self,
        progress: &Progress,
        plan: Plan<'_>,
        written: Option<Result<bool, StoreError>>,
    ) -> Result<ClaimResult, Uncoordinated> {
        Ok(match (plan, written) {
            (Plan::Lead(lease), _) => ClaimResult::Won(lease),
            (Plan::Uncoordinated(why), _) => return Err(why),
            // A lease that may have been written is given back: its guard is armed.
            (_, Some(Err(error))) => return Err(error.into()),
            (Plan::Try(attempt), Some(Ok(true))) => {
                if attempt.takes_over(progress) {
                    self.counters.increment(Counter::LeaseTakenOver);
                }
                ClaimResult::Won(attempt.lease)
            }
            (Plan::Try(attempt), _) => {
                attempt.lease.release.disarm();
                attempt.if_lost
            }
            (Plan::Mint | Plan::Again, _) => ClaimResult::Again,
            (Plan::Wait, _) => ClaimResult::Wait,
        })
    }

    /// A lease as it is if its write succeeds. Its guard is armed: if the answer is lost, the lease is
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

    /// The cas of an item that a lookup showed, if it is still there byte for byte.
    pub(super) async fn cas_if_unchanged(&self, item: &Item) -> Result<Option<u64>, StoreError> {
        match item.cas {
            Some(cas) => Ok(Some(cas)),
            None => self.read_cas(&item.bytes).await,
        }
    }

    /// The cas of the item, if it holds these bytes.
    pub(super) async fn read_cas(&self, bytes: &[u8]) -> Result<Option<u64>, StoreError> {
        let wanted = [(&self.keys, KeyKind::Item)];
        let item = self.exchanges().get_with_cas(&wanted).await.pop();
        let item = item.unwrap_or(Err(StoreError::Protocol))?;
        Ok(item.and_then(|item| item.cas_of(bytes)))
    }

    pub(super) fn exchanges(&self) -> Exchanges<'_> {
        Exchanges {
            cache: self.cache,
            budget: &self.budget,
        }
    }

    pub(super) fn lease_seconds(&self) -> u32 {
        // The policy ends a lease at an hour.
        u32::try_from(self.policy.lease.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
    }

    pub(super) fn lease_life(&self) -> Lifetime {
        Lifetime::seconds(self.lease_seconds())
    }

    /// What `plan` writes for this key.
    pub(super) fn planned_writes<'s>(
        &self,
        plan: &Plan<'s>,
        reply: &'s LookupReply,
    ) -> Vec<PlannedWrite<'s>> {
        match plan {
            Plan::Mint => self.minted(reply),
            Plan::Try(attempt) => self.attempted(attempt).into_iter().collect(),
            _ => Vec::new(),
        }
    }
}
