//! Getting the right to call the origin, keeping it, and giving it back.
//!
//! Every write is an add, or a compare-and-swap with a cas that was read while what stood there was exactly what this call
//! had decided upon. So whatever an invalidation, an expiry, an eviction or another caller did in between, the write is refused.

use std::time::Duration;

use super::{Action, Call, ReleaseGuard, Snapshot, Stale, decision::ItemKind};
use crate::{
    clock::Millis,
    entry::{Freed, FreedReason, Generation, Generations, LeaseRecord, Record, Token},
    outcome::Uncoordinated,
    random,
    store::{Item, KeyKind, Lifetime, LookupReply, StoreError},
    telemetry::metrics::Counter,
};

/// How many seconds a freed lease says that the origin has failed. Who sees it has waited in vain.
const FAILED_S: u32 = 2;
/// How many seconds calls of a key go to the origin as if uncached, after an answer that may not be stored.
const NOT_STORED_S: u32 = 5;
/// For how long a refresh that failed is not tried again, a lease's life at most.
const REFRESH_FAILED: Duration = Duration::from_secs(5);

/// The right to call the origin and to fill.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) token: Token,
    /// The generations of the lookup that led here, before the origin read. The fill carries them.
    pub(super) generations: Generations,
    pub(super) why: FillReason,
    pub(super) claim: ClaimKind,
    pub(super) stale: Option<Stale>,
    pub(super) release: ReleaseGuard,
}

/// What the right rests on, and with it how a fill is written.
#[derive(Debug)]
pub(super) enum ClaimKind {
    /// Our lease record stands under the item's key.
    Lease { record: Vec<u8> },
    /// Our empty lease stands there with this cas; the record is to be written if the origin takes long.
    Placeholder { record: Vec<u8>, cas: u64 },
    /// Our lease record stands under the marker; the entry has this cas, and others are served it until then.
    Marker {
        record: Vec<u8>,
        entry: u64,
        served_until: Millis,
    },
    /// Nothing but the cas of the entry that is to be replaced.
    Entry { entry: u64 },
}

/// Why the origin is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FillReason {
    Miss,
    Expired,
    Requested,
}

/// What an attempt came to.
#[derive(Debug)]
pub(super) enum ClaimResult {
    Won(Box<Lease>),
    /// Somebody was faster: wait for them.
    Lost,
    /// What was decided upon is no more there: look again at once.
    Again,
}

type Attempt = Result<ClaimResult, StoreError>;

impl Call<'_> {
    /// Mints the missing generations. They count only once they are read back, by the next lookup.
    pub(super) async fn mint(&self, reply: &LookupReply) -> Attempt {
        let [namespace, function] = self.keys.scopes();
        let scopes = [
            (KeyKind::Namespace, &reply.namespace, namespace),
            (KeyKind::Function, &reply.function, function),
        ];
        for (kind, there, scope) in scopes {
            let record = Generation::mint(self.cache.clock.now(), random::u64()).write(scope);
            match there {
                None => {
                    self.add(kind, record, Lifetime::Forever).await?;
                }
                Some(item) if Generation::read(&item.bytes, scope).is_ok() => {}
                // Not a generation of ours: replaced, or every entry would stay invisible for ever.
                Some(item) => {
                    if let Some(cas) = self.cas_if_unchanged(kind, item).await? {
                        self.compare_and_swap(kind, record, Lifetime::Forever, cas)
                            .await?;
                    }
                }
            }
        }
        Ok(ClaimResult::Again)
    }

    /// Tries for the lease of an absent item.
    pub(super) async fn acquire(&self, snapshot: &Snapshot<'_>, why: FillReason) -> Attempt {
        let Some(mine) = self.lease(snapshot, 0) else {
            return Ok(ClaimResult::Again);
        };
        let record = mine.write(self.keys.item(), self.keys.digest());
        let release = ReleaseGuard::armed(self, KeyKind::Item, &record, None);
        let life = self.lease_life();
        match self.add(KeyKind::Item, record.clone(), life).await? {
            true => Ok(won(&mine, why, ClaimKind::Lease { record }, release)),
            false => {
                release.disarm();
                Ok(ClaimResult::Lost)
            }
        }
    }

    /// The lookup itself left a lease there, empty as yet: its cas is known, and that is enough to fill.
    pub(super) fn won_placeholder(&self, snapshot: &Snapshot<'_>, why: FillReason) -> ClaimResult {
        let Some((mine, cas)) = self.lease(snapshot, 0).zip(snapshot.won) else {
            return ClaimResult::Again;
        };
        let record = mine.write(self.keys.item(), self.keys.digest());
        let release = ReleaseGuard::armed(self, KeyKind::Item, &record, Some(cas));
        won(&mine, why, ClaimKind::Placeholder { record, cas }, release)
    }

    /// Mints, with an empty lease of ours already there. It must be stamped before the origin is called: the server may have
    /// restarted in between and given the same cas to somebody else's lease.
    pub(super) async fn mint_for(&self, reply: &LookupReply, placeholder: Option<u64>) -> Attempt {
        let Some(cas) = placeholder else {
            return self.mint(reply).await;
        };
        // Who leaves meanwhile gives the placeholder back.
        let release = ReleaseGuard::armed(self, KeyKind::Item, &[], placeholder);
        self.mint(reply).await?;
        let reply = self.lookup(None).await?;
        let snapshot = Snapshot::new(self, &reply);
        let tried = self.lease_over(&snapshot, cas, FillReason::Miss).await?;
        release.disarm();
        Ok(tried)
    }

    /// Replaces what stands under the item's key by our lease, if it still is what the lookup saw.
    pub(super) async fn take_over(&self, snapshot: &Snapshot<'_>, why: FillReason) -> Attempt {
        let Some(there) = snapshot.item else {
            return Ok(ClaimResult::Again);
        };
        let Some(cas) = self.cas_if_unchanged(KeyKind::Item, there).await? else {
            return Ok(ClaimResult::Again);
        };
        let tried = self.lease_over(snapshot, cas, why).await?;
        if matches!(tried, ClaimResult::Won(_)) {
            self.counters.increment(Counter::LeaseTakenOver);
        }
        Ok(tried)
    }

    async fn lease_over(&self, snapshot: &Snapshot<'_>, cas: u64, why: FillReason) -> Attempt {
        let Some(mine) = self.lease(snapshot, 0) else {
            return Ok(ClaimResult::Again);
        };
        let record = mine.write(self.keys.item(), self.keys.digest());
        let release = ReleaseGuard::armed(self, KeyKind::Item, &record, None);
        let life = self.lease_life();
        match self
            .compare_and_swap(KeyKind::Item, record.clone(), life, cas)
            .await?
        {
            true => Ok(won(&mine, why, ClaimKind::Lease { record }, release)),
            false => {
                release.disarm();
                Ok(ClaimResult::Again)
            }
        }
    }

    /// Tries for the marker of a stale entry. Safety is the entry's cas; the marker only saves origin calls.
    pub(super) async fn claim_refresh(&self, snapshot: &Snapshot<'_>) -> Attempt {
        let Some((entry, there)) = snapshot.entry.as_ref().zip(snapshot.item) else {
            return Ok(ClaimResult::Again);
        };
        let Some(mine) = self.lease(snapshot, entry.id) else {
            return Ok(ClaimResult::Again);
        };
        let served_until = self.served_until(entry);
        let record = mine.write(self.keys.marker(), self.keys.digest());
        let release = ReleaseGuard::armed(self, KeyKind::Marker, &record, None);
        let stored = match snapshot.marker_item {
            None => {
                self.add(KeyKind::Marker, record.clone(), self.lease_life())
                    .await?
            }
            Some(dead) => match self.cas_if_unchanged(KeyKind::Marker, dead).await? {
                None => false,
                Some(cas) => {
                    self.compare_and_swap(KeyKind::Marker, record.clone(), self.lease_life(), cas)
                        .await?
                }
            },
        };
        if !stored {
            release.disarm();
            return Ok(ClaimResult::Lost);
        }
        // Before the origin is read: what changes the entry from here on refuses the fill.
        let Some(entry) = self.cas_if_unchanged(KeyKind::Item, there).await? else {
            return Ok(ClaimResult::Again);
        };
        let claim = ClaimKind::Marker {
            record,
            entry,
            served_until,
        };
        let (
            LeaseRecord {
                token, generations, ..
            },
            stale,
        ) = (mine, snapshot.stale(self));
        Ok(ClaimResult::Won(Box::new(Lease {
            token,
            generations,
            why: FillReason::Expired,
            claim,
            stale,
            release,
        })))
    }

    /// For a refresh on request: whatever stands there, the right to replace it.
    pub(super) async fn claim_for_refresh<T>(&self) -> Action<T> {
        // As often as the verbs try: each round lost means that somebody else has just written.
        for _ in 0..4 {
            let tried = match self.lookup(None).await {
                Ok(reply) => self.claim_over(&reply).await,
                Err(error) => Err(error),
            };
            match tried {
                Ok(ClaimResult::Won(hold)) => return Action::Lead(hold),
                Ok(ClaimResult::Lost | ClaimResult::Again) => {}
                Err(error) => return Action::Uncoordinated(error.into()),
            }
        }
        Action::Uncoordinated(Uncoordinated::Waited)
    }

    async fn claim_over(&self, reply: &LookupReply) -> Attempt {
        let snapshot = Snapshot::new(self, reply);
        if snapshot.generations.is_none() {
            return self.mint(reply).await;
        }
        match (snapshot.kind, snapshot.item) {
            (ItemKind::Absent, _) => self.acquire(&snapshot, FillReason::Requested).await,
            (ItemKind::Won, _) => Ok(self.won_placeholder(&snapshot, FillReason::Requested)),
            (ItemKind::Entry(_), Some(there)) => {
                let cas = self.cas_if_unchanged(KeyKind::Item, there).await?;
                let Some((mine, entry)) = self.lease(&snapshot, 0).zip(cas) else {
                    return Ok(ClaimResult::Again);
                };
                Ok(won(
                    &mine,
                    FillReason::Requested,
                    ClaimKind::Entry { entry },
                    ReleaseGuard::nothing(),
                ))
            }
            _ => self.take_over(&snapshot, FillReason::Requested).await,
        }
    }

    /// Leaves the origin to others: it failed. A stale entry stays, and its marker says for a while that the refresh has failed:
    /// the pause between two attempts, in which the entry is served to all who may have it.
    pub(super) async fn give_back(&self, hold: &Lease, cas: Option<u64>) {
        let (kind, record) = match &hold.claim {
            ClaimKind::Lease { record } | ClaimKind::Placeholder { record, .. } => {
                (KeyKind::Item, record)
            }
            ClaimKind::Marker { record, .. } => (KeyKind::Marker, record),
            ClaimKind::Entry { .. } => return,
        };
        let cas = match cas {
            Some(cas) => Some(cas),
            None => self.read_cas(kind, record).await.unwrap_or(None),
        };
        self.free(kind, cas, self.failed(kind, record)).await;
    }

    /// The origin's answer is not to be stored, so nothing older may stay either.
    pub(super) async fn discard(&self, hold: &Lease, cas: Option<u64>) {
        let cas = match &hold.claim {
            ClaimKind::Marker { entry, .. } | ClaimKind::Entry { entry } => Some(*entry),
            ClaimKind::Lease { record } | ClaimKind::Placeholder { record, .. } => match cas {
                Some(cas) => Some(cas),
                None => self.read_cas(KeyKind::Item, record).await.unwrap_or(None),
            },
        };
        self.free(KeyKind::Item, cas, self.not_stored()).await;
    }

    async fn free(&self, kind: KeyKind, cas: Option<u64>, (freed, life): (Vec<u8>, Lifetime)) {
        if let Some(cas) = cas {
            // Refused: it is no more ours. No answer: a lease ends by itself.
            let _ = self.compare_and_swap(kind, freed, life, cas).await;
        }
    }

    /// What is left in place of our lease `record` after a failure of the origin, and for how long.
    pub(super) fn failed(&self, kind: KeyKind, record: &[u8]) -> (Vec<u8>, Lifetime) {
        let under = self.keys.of_kind(kind);
        let refreshes_entry = match self.read(record, under) {
            Ok(Record::Lease(lease)) => lease.refreshes_entry,
            _ => 0,
        };
        let reason = FreedReason::Failed;
        let life = if refreshes_entry == 0 {
            Lifetime::seconds(FAILED_S)
        } else {
            Lifetime::at_least(self.policy.lease.min(REFRESH_FAILED))
        };
        let freed = Freed {
            reason,
            refreshes_entry,
        };
        (freed.write(under, self.keys.digest()), life)
    }

    /// What is left in place of a lease, or of an entry, when the origin's answer is not stored.
    pub(super) fn not_stored(&self) -> (Vec<u8>, Lifetime) {
        let freed = Freed {
            reason: FreedReason::NotStored,
            refreshes_entry: 0,
        };
        let record = freed.write(self.keys.item(), self.keys.digest());
        (record, Lifetime::seconds(NOT_STORED_S))
    }

    /// The cas of our own record; `None` if it is no more there.
    pub(super) async fn read_cas(
        &self,
        kind: KeyKind,
        record: &[u8],
    ) -> Result<Option<u64>, StoreError> {
        let exchange = self
            .cache
            .store
            .get_with_cas(&self.keys, kind, self.budget.left());
        let there = self.budget.spend(exchange).await?;
        Ok(there
            .filter(|item| item.bytes == record)
            .and_then(|item| item.cas))
    }

    /// The cas of what a lookup saw, if it is still there byte for byte.
    pub(super) async fn cas_if_unchanged(
        &self,
        kind: KeyKind,
        saw: &Item,
    ) -> Result<Option<u64>, StoreError> {
        match saw.cas {
            Some(cas) => Ok(Some(cas)),
            None => self.read_cas(kind, &saw.bytes).await,
        }
    }

    pub(super) fn lease(
        &self,
        snapshot: &Snapshot<'_>,
        refreshes_entry: u64,
    ) -> Option<LeaseRecord> {
        Some(LeaseRecord {
            token: Token(random::bytes()),
            generations: snapshot.generations?,
            refreshes_entry,
            after: snapshot.after,
        })
    }

    pub(super) fn lease_seconds(&self) -> u32 {
        // The policy ends a lease at an hour.
        u32::try_from(self.policy.lease.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
    }

    pub(super) fn lease_life(&self) -> Lifetime {
        Lifetime::seconds(self.lease_seconds())
    }

    pub(super) async fn add(
        &self,
        kind: KeyKind,
        record: Vec<u8>,
        life: Lifetime,
    ) -> Result<bool, StoreError> {
        let left = self.budget.left();
        self.budget
            .spend(self.cache.store.add(&self.keys, kind, record, life, left))
            .await
    }

    pub(super) async fn compare_and_swap(
        &self,
        kind: KeyKind,
        record: Vec<u8>,
        life: Lifetime,
        cas: u64,
    ) -> Result<bool, StoreError> {
        let left = self.budget.left();
        let exchange = self
            .cache
            .store
            .compare_and_swap(&self.keys, kind, record, life, cas, left);
        self.budget.spend(exchange).await
    }
}

fn won(
    mine: &LeaseRecord,
    why: FillReason,
    claim: ClaimKind,
    release: ReleaseGuard,
) -> ClaimResult {
    let LeaseRecord {
        token, generations, ..
    } = *mine;
    ClaimResult::Won(Box::new(Lease {
        token,
        generations,
        why,
        claim,
        stale: None,
        release,
    }))
}
