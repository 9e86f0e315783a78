//! Plans what follows for one key from a lookup, alone or among many. It writes nothing itself.

use super::{
    Call, Lease, MAX_MINTS, Owner, PlaceholderAge, ReleaseGuard, Snapshot,
    decision::{Decision, IfLost, ItemKind},
    exchange::PlannedWrite,
    lease::{ClaimKind, FillReason},
    snapshot::Leader,
};
use crate::{
    entry::{Generation, Owners},
    key::Scope,
    origin::is_computed_here,
    outcome::{Bypass, Uncoordinated},
    random,
    store::{Item, KeyKind, Lifetime, LookupReply},
};

/// The state of a key that is kept from one lookup to the next.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// How often its generations were created.
    mints: u32,
    /// The placeholder that a lookup created before its generations were minted.
    won: Option<Box<OwnPlaceholder>>,
    /// The lease that this call has waited for.
    waited_for: Option<Leader>,
    /// Since when another caller's placeholder is there.
    placeholder: Option<PlaceholderAge>,
}

/// A placeholder of this call. It is given back if the call ends before a lease record replaces it.
#[derive(Debug)]
struct OwnPlaceholder {
    cas: u64,
    release: ReleaseGuard,
}

/// The plan for one key.
pub(super) enum Plan<'s> {
    /// The lease is already this call's.
    Lead(Box<Lease>),
    Try(Box<Attempt<'s>>),
    /// Write the generations that are missing, and look up again.
    Mint,
    Wait,
    Again,
    Uncoordinated(Uncoordinated),
}

/// The result of the plan for one key.
#[derive(Debug)]
pub(super) enum ClaimResult {
    Won(Box<Lease>),
    /// Another caller has the lease: wait for it.
    Wait,
    /// Another caller refreshes: serve the stale entry.
    ServeStale,
    /// The item has changed: look up again at once.
    Again,
}

/// A write that acquires the right to call the origin.
pub(super) struct Attempt<'s> {
    pub(super) lease: Box<Lease>,
    over: Option<&'s Item>,
    /// What follows if another caller was faster.
    pub(super) if_lost: ClaimResult,
}

impl Attempt<'_> {
    /// Whether it replaces another caller's item, and not our own placeholder.
    pub(super) fn takes_over(&self, progress: &Progress) -> bool {
        let of_item = matches!(self.lease.claim, ClaimKind::Lease { .. });
        of_item && self.over.is_some_and(|item| !progress.has_won(item))
    }
}

impl Call<'_> {
    pub(super) fn decision(&self, progress: &Progress, snapshot: &Snapshot<'_>) -> Decision {
        snapshot.decision(progress.waited_for.as_ref())
    }

    /// What follows from `decision` if neither this lookup nor an earlier one led to a value that
    /// can be served.
    pub(super) fn plan<'s>(
        &self,
        progress: &mut Progress,
        snapshot: &Snapshot<'s>,
        decision: Decision,
    ) -> Plan<'s> {
        progress.placeholder = PlaceholderAge::after(progress.placeholder, snapshot);
        let orphaned = progress.placeholder.is_some_and(|age| age.is_orphaned());
        let ours = progress.is_ours(snapshot);
        match decision {
            Decision::Mint => progress.mint(self, snapshot),
            Decision::Bypass => self.plan_bypass(snapshot),
            Decision::Refresh(if_lost) => self.plan_marker(snapshot, if_lost),
            Decision::Acquire => self.plan_lease(snapshot, FillReason::Miss),
            Decision::Compute => self.plan_placeholder(snapshot, FillReason::Miss),
            Decision::Wait if !orphaned && !ours => {
                if progress.waited_for.is_none() && is_computed_here(self.key.digest()) {
                    self.cache.log.recursion(self.key.name());
                    return Plan::Uncoordinated(Uncoordinated::Waited);
                }
                progress.waited_for = snapshot.leader;
                Plan::Wait
            }
            Decision::Pass => Plan::Uncoordinated(Uncoordinated::NotStorable),
            Decision::GoAlone => Plan::Uncoordinated(Uncoordinated::Waited),
            // What was to be served could not be decoded: a call that has waited goes on alone.
            Decision::Hit | Decision::ServeStale | Decision::ServeOnError if !progress.is_new() => {
                Plan::Uncoordinated(Uncoordinated::Waited)
            }
            Decision::Hit
            | Decision::ServeStale
            | Decision::ServeOnError
            | Decision::TakeOver
            | Decision::Wait => self.plan_take_over(snapshot, FillReason::Miss),
        }
    }

    /// For a new value on request: the right to replace the present item.
    pub(super) fn plan_refresh<'s>(
        &self,
        progress: &mut Progress,
        snapshot: &Snapshot<'s>,
    ) -> Plan<'s> {
        let reason = FillReason::Requested;
        match snapshot.kind {
            _ if snapshot.decision(None) == Decision::Mint => progress.mint(self, snapshot),
            _ if snapshot.decision(None) == Decision::Bypass => self.plan_bypass(snapshot),
            ItemKind::Absent => self.plan_lease(snapshot, reason),
            ItemKind::Entry(_) => {
                let entry = snapshot.item.and_then(|item| item.cas);
                let claim = ClaimKind::Entry { entry };
                self.new_lease(snapshot, reason, KeyKind::Item, |_| claim)
                    .map_or(Plan::Again, Plan::Lead)
            }
            _ => self.plan_take_over(snapshot, reason),
        }
    }

    /// The name is another function's, whose entries these are: nothing is read and nothing
    /// is stored.
    fn plan_bypass<'s>(&self, snapshot: &Snapshot<'s>) -> Plan<'s> {
        // A placeholder that this lookup has created is given back: the name's owner may
        // wait for it.
        drop(self.plan_placeholder(snapshot, FillReason::Miss));
        self.refused(snapshot);
        Plan::Uncoordinated(Uncoordinated::Bypassed(Bypass::Name))
    }

    /// Logs that the name is another function's.
    pub(super) fn refused(&self, snapshot: &Snapshot<'_>) {
        if let (Owner::Stranger(owner), Some(ours)) = (snapshot.owner, self.key.owner()) {
            let owner = String::from_utf8_lossy(owner);
            self.cache.log.name_taken(self.key.name(), &owner, ours);
        }
    }

    /// Tries for the lease of an absent item.
    fn plan_lease<'s>(&self, snapshot: &Snapshot<'s>, reason: FillReason) -> Plan<'s> {
        self.attempt(snapshot, reason, None, ClaimResult::Wait)
    }

    /// Tries to replace the item by a lease.
    fn plan_take_over<'s>(&self, snapshot: &Snapshot<'s>, reason: FillReason) -> Plan<'s> {
        match snapshot.item {
            Some(item) => self.attempt(snapshot, reason, Some(item), ClaimResult::Again),
            None => Plan::Again,
        }
    }

    fn attempt<'s>(
        &self,
        snapshot: &Snapshot<'s>,
        reason: FillReason,
        over: Option<&'s Item>,
        if_lost: ClaimResult,
    ) -> Plan<'s> {
        let claim = |record| ClaimKind::Lease { record };
        match self.new_lease(snapshot, reason, KeyKind::Item, claim) {
            Some(lease) => Plan::Try(Box::new(Attempt {
                lease,
                over,
                if_lost,
            })),
            None => Plan::Again,
        }
    }

    /// The lookup has created a placeholder: its cas is known, and that is enough to fill.
    fn plan_placeholder<'s>(&self, snapshot: &Snapshot<'s>, reason: FillReason) -> Plan<'s> {
        let lease = snapshot.won.and_then(|cas| {
            let claim = |record| ClaimKind::Placeholder { record, cas };
            self.new_lease(snapshot, reason, KeyKind::Item, claim)
        });
        lease.map_or(Plan::Again, Plan::Lead)
    }

    /// Tries for the marker of a stale entry. What makes a fill safe is the entry's cas; the marker
    /// only saves origin calls.
    fn plan_marker<'s>(&self, snapshot: &Snapshot<'s>, if_lost: IfLost) -> Plan<'s> {
        let Some(item) = snapshot.item else {
            return Plan::Again;
        };
        let claim = |record| ClaimKind::Marker {
            record,
            entry: item.cas,
        };
        let lease = self.new_lease(snapshot, FillReason::Expired, KeyKind::Marker, claim);
        let Some(mut lease) = lease else {
            return Plan::Again;
        };
        lease.stale = snapshot.stale(self);
        Plan::Try(Box::new(Attempt {
            lease,
            over: snapshot.marker_item,
            if_lost: match if_lost {
                IfLost::ServeStale => ClaimResult::ServeStale,
                IfLost::Wait => ClaimResult::Wait,
            },
        }))
    }

    pub(super) fn attempted<'s>(&self, attempt: &Attempt<'s>) -> Option<PlannedWrite<'s>> {
        let (kind, record) = attempt.lease.claim.record()?;
        Some(PlannedWrite {
            kind,
            bytes: record.to_vec(),
            life: self.lease_life(),
            over: attempt.over,
        })
    }

    /// The generations that are missing or invalid; an invalid one would keep every entry invisible
    /// for ever. They count only once the next lookup has read them back. A name that has no owner
    /// keeps its generation, and becomes that of this key's function.
    pub(super) fn minted<'s>(&self, reply: &'s LookupReply) -> Vec<PlannedWrite<'s>> {
        let version = self.policy.version;
        let minted = |((kind, scope), item): ((KeyKind, &Scope), &'s Option<Item>)| {
            let read = item.as_ref();
            let read = read.and_then(|item| Generation::read(&item.bytes, scope).ok());
            let claims = self.key.owner().filter(|_| kind == KeyKind::Function);
            let is_claimed = read.is_some_and(|(_, owners)| owners.of(version).is_some());
            if read.is_some() && (claims.is_none() || is_claimed) {
                return None;
            }
            let mint = || Generation::mint(self.cache.clock.now(), random::u64());
            let (generation, owners) = read.unwrap_or_else(|| (mint(), Owners::default()));
            let owners = claims.map(|path| owners.claimed(version, path));
            Some(PlannedWrite {
                kind,
                bytes: generation.write(scope, &owners.unwrap_or_default()),
                life: Lifetime::Forever,
                over: item.as_ref(),
            })
        };
        let scopes = self.keys.generations().zip(reply.generations());
        scopes.filter_map(minted).collect()
    }
}

impl Progress {
    /// Whether it has not waited for any lease yet.
    pub(super) fn is_new(&self) -> bool {
        self.waited_for.is_none()
    }

    /// Whether the item is the placeholder that an earlier lookup of this call created.
    pub(super) fn is_ours(&self, snapshot: &Snapshot<'_>) -> bool {
        snapshot.kind == ItemKind::Placeholder
            && snapshot.item.is_some_and(|item| self.has_won(item))
    }

    fn has_won(&self, item: &Item) -> bool {
        let ours = self.won.as_ref().map(|ours| ours.cas);
        item.cas.is_some() && item.cas == ours
    }

    /// A lease record has replaced our placeholder, if there was one.
    pub(super) fn replaced(&mut self) {
        if let Some(ours) = self.won.take() {
            ours.release.disarm();
        }
    }

    /// A placeholder of ours may be there already. It is replaced by a lease record before the
    /// origin is called: the server may have restarted in between and given the same cas to another
    /// caller's placeholder.
    fn mint<'s>(&mut self, call: &Call<'_>, snapshot: &Snapshot<'_>) -> Plan<'s> {
        if let Some(cas) = snapshot.won {
            // One that was created before is gone, or this lookup had not created another.
            self.replaced();
            let release = ReleaseGuard::armed(call, KeyKind::Item, &[], Some(cas));
            self.won = Some(Box::new(OwnPlaceholder { cas, release }));
        }
        self.mints += 1;
        if self.mints > MAX_MINTS {
            Plan::Uncoordinated(Uncoordinated::Waited)
        } else {
            Plan::Mint
        }
    }
}
