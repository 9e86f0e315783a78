//! Stores the origin's answer, or gives the lease back: planned for each key, written together.

use std::{any::type_name, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{Call, Lease, exchange::Exchanges, lease::ClaimKind};
use crate::{
    clock::{self, Millis},
    entry::{Entry, Freed, FreedReason, Generations, Record},
    flight::Leader,
    origin::CacheDirective,
    outcome::{CacheFailure, Fill},
    payload::{self, Payload, ReadBack, WriteError},
    policy::PolicyParts,
    store::{
        KeyKind, Lifetime, StoreError,
        effect::Effect,
        many::{Each, Precondition, Write},
    },
    telemetry::metrics::{Counter, Counters},
};

/// How many seconds a freed lease says that the origin has failed.
const FAILED_S: u32 = 2;
/// How many seconds calls of a key go to the origin as if uncached, after an answer that may not be
/// stored.
const NOT_STORED_S: u32 = 5;
/// Says that the answer may not be stored.
const NOT_STORED: Freed = Freed {
    reason: FreedReason::NotStored,
    refreshes_entry: 0,
};
/// For how long a refresh that failed is not tried again, a lease's life at most.
const REFRESH_FAILED: Duration = Duration::from_secs(5);

/// What the origin has answered, for one key or for many.
pub(super) struct Answer {
    pub(super) directive: CacheDirective,
    pub(super) created: Millis,
    pub(super) cost: Duration,
}

/// The write that a key needs after the origin's call.
pub(super) struct PendingWrite<'a> {
    write: Option<Write<'a>>,
    counters: &'a Counters,
    /// The result if the write succeeds, or the result without a write.
    fill: Fill,
    ttl_left: i64,
    held: Held,
}

/// Whether the lease of a key may still be there after its write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    No,
    /// Its record could not be read, or the write had no answer.
    Unknown,
}

impl Held {
    fn after<T>(answer: Result<T, StoreError>) -> Self {
        match answer {
            Ok(_) => Self::No,
            Err(_) => Self::Unknown,
        }
    }
}

/// What became of the write of a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    pub(super) fill: Fill,
    /// For how many seconds the value is fresh.
    pub(super) ttl_left: i64,
    held: Held,
}

impl Written {
    /// The lease ends here, unless it may still be there: then it is given back.
    pub(super) fn end(self, lease: Lease) {
        if self.held == Held::No {
            lease.release.disarm();
        }
    }
}

impl PendingWrite<'_> {
    pub(super) fn result(&self) -> Written {
        Written {
            fill: self.fill,
            ttl_left: self.ttl_left,
            held: self.held,
        }
    }
}

impl Call<'_> {
    /// Stores no value. `write` gives the lease back, if that is still there.
    pub(super) fn unfilled<'a>(
        &'a self,
        write: Result<Option<Write<'a>>, StoreError>,
        fill: Fill,
    ) -> PendingWrite<'a> {
        PendingWrite {
            held: Held::after(write.as_ref().map_err(|error| *error)),
            write: write.unwrap_or(None),
            counters: &self.counters,
            fill,
            ttl_left: 0,
        }
    }

    /// The fill, with the cas of our lease. Gives the value to the callers that wait in
    /// this process.
    pub(super) fn plan_fill<T: Serialize + DeserializeOwned>(
        &self,
        lease: &Lease,
        cas: Result<Option<u64>, StoreError>,
        value: &T,
        answer: &Answer,
        flight: &Leader<'_>,
    ) -> PendingWrite<'_> {
        let discard = |fill| self.unfilled(self.plan_discard(lease, cas), fill);
        let policy = answer.directive.policy(self.policy);
        let ttl = policy.ttl_of(value, answer.cost, answer.directive);
        let payload = match self.encoded(value, &policy, ttl, flight.is_watched()) {
            Ok(payload) => payload,
            Err(failure) => {
                flight.fail();
                return discard(Fill::Failed(failure));
            }
        };
        let fresh_until = ttl.map(|ttl| policy.fresh_until(answer.created, ttl));
        flight.complete(payload.clone(), answer.created, fresh_until);
        let Some(fresh_until) = fresh_until else {
            return discard(Fill::NotStored);
        };
        let compressed = policy.compressed(&payload);
        let payload = compressed
            .as_deref()
            .map_or(Payload::Plain(&payload), Payload::Lz4);
        if policy.size_error(payload).is_some() {
            let size = payload.bytes().len();
            self.cache.log.oversize(self.key.name(), size);
            return discard(Fill::Failed(CacheFailure::Oversize));
        }
        let cas = match lease.claim {
            ClaimKind::Marker { entry, .. } | ClaimKind::Entry { entry } => Ok(entry),
            ClaimKind::Lease { .. } | ClaimKind::Placeholder { .. } => cas,
        };
        let cas = match cas {
            Ok(Some(cas)) => cas,
            // The lease is lost, and with it the right to fill.
            Ok(None) => return self.unfilled(Ok(None), Fill::NotStored),
            Err(error) => return self.unfilled(Err(error), failed(error)),
        };
        let entry = policy.entry(
            self.stamp(lease),
            answer.created,
            fresh_until,
            answer.cost,
            payload,
        );
        let bytes = entry.write(self.keys.item(), self.keys.digest(), &self.cache.seal);
        let life = self.life(&policy, &entry);
        PendingWrite {
            write: Some(self.write_over(KeyKind::Item, bytes, life, cas)),
            counters: &self.counters,
            fill: Fill::Stored,
            ttl_left: clock::until(self.cache.clock.now(), entry.fresh_until),
            held: Held::No,
        }
    }

    /// The generations from before the origin's call. One that is read after it may be from after
    /// the flush that was to remove the value.
    fn stamp(&self, lease: &Lease) -> Generations {
        #[cfg(test)]
        if let Some(late) = super::simulation::generations_at_fill(self) {
            return late;
        }
        lease.generations
    }

    /// Releases the lease after an origin error. A stale entry stays, and its marker says for a
    /// while that the refresh has failed: the pause between two attempts, in which the entry is
    /// served to all who may have it.
    pub(super) fn plan_give_back(
        &self,
        lease: &Lease,
        cas: Result<Option<u64>, StoreError>,
    ) -> Result<Option<Write<'_>>, StoreError> {
        let Some((kind, record)) = lease.claim.record() else {
            return Ok(None);
        };
        let refreshes_entry = match self.read(record, self.keys.of_kind(kind)) {
            Ok(Record::Lease(lease)) => lease.refreshes_entry,
            _ => 0,
        };
        let life = match kind {
            KeyKind::Marker => Lifetime::at_least(self.policy.lease.min(REFRESH_FAILED)),
            _ => Lifetime::seconds(FAILED_S),
        };
        let freed = Freed {
            reason: FreedReason::Failed,
            refreshes_entry,
        };
        let cas = cas?;
        Ok(cas.map(|cas| self.freed(kind, freed, life, cas)))
    }

    /// The origin's answer must not be stored, so an older one must not stay either.
    pub(super) fn plan_discard(
        &self,
        lease: &Lease,
        cas: Result<Option<u64>, StoreError>,
    ) -> Result<Option<Write<'_>>, StoreError> {
        let cas = match lease.claim {
            ClaimKind::Lease { .. } | ClaimKind::Placeholder { .. } => cas?,
            ClaimKind::Marker { entry, .. } | ClaimKind::Entry { entry } => entry,
        };
        let life = Lifetime::seconds(NOT_STORED_S);
        Ok(cas.map(|cas| self.freed(KeyKind::Item, NOT_STORED, life, cas)))
    }

    fn freed(&self, kind: KeyKind, freed: Freed, life: Lifetime, cas: u64) -> Write<'_> {
        let bytes = freed.write(self.keys.of_kind(kind), self.keys.digest());
        self.write_over(kind, bytes, life, cas)
    }

    /// The bytes of a value, if they can be stored and read back. The callers that wait in this
    /// process take it at any length.
    pub(super) fn encoded<T: Serialize + DeserializeOwned>(
        &self,
        value: &T,
        policy: &PolicyParts,
        ttl: Option<Duration>,
        watched: bool,
    ) -> Result<Bytes, CacheFailure> {
        let limit = if watched {
            usize::MAX
        } else {
            policy.longest()
        };
        let (log, name) = (&self.cache.log, self.key.name());
        let payload = payload::encode(value, limit).map_err(|error| match error {
            WriteError::TooLong(limit) => {
                log.oversize(name, limit.saturating_add(1));
                CacheFailure::Oversize
            }
            WriteError::Refused(reason) => {
                log.unencodable(name, &reason);
                CacheFailure::Decode
            }
        })?;
        if ttl.is_some()
            && let ReadBack::No { reason, first } = ReadBack::of(value, &payload)
        {
            if first {
                log.not_read_back(name, type_name::<T>(), &reason);
            }
            return Err(CacheFailure::Decode);
        }
        Ok(payload.into())
    }

    /// As long as the entry may be served; with a stale window one lease longer, because a
    /// refresh may still run at the end.
    pub(crate) fn life(&self, policy: &PolicyParts, entry: &Entry<'_>) -> Lifetime {
        let served = Duration::from_millis(entry.discard_at.saturating_sub(self.cache.clock.now()));
        let grace = if policy.stale().is_zero() {
            Duration::ZERO
        } else {
            policy.lease
        };
        Lifetime::at_least(served + grace)
    }
}

impl Call<'_> {
    /// The same for a refresh on request, which is a verb: its write reads behind it what bounds
    /// the near copies of the old value.
    pub(super) async fn write_refresh(&self, pending: &mut [PendingWrite<'_>]) {
        let (places, writes) = planned(pending);
        let mut written = Vec::with_capacity(writes.len());
        for write in &writes {
            let effect = Effect::Write(write.clone());
            let effected = self
                .cache
                .store
                .effect(&self.keys, effect, self.budget.left());
            let effected = self.budget.spend(effected).await;
            written.push(match effected {
                Ok(effected) => {
                    let done = effected.first().is_some_and(|(_, holder)| holder.done);
                    if done {
                        let _ = self.behind_fill.set(self.all_shown(effected));
                    }
                    Ok(done)
                }
                Err(failed) => Err(failed.error),
            });
        }
        self.exchanges()
            .written(pending, places, &writes, written)
            .await;
    }
}

fn planned<'a>(pending: &mut [PendingWrite<'a>]) -> (Vec<usize>, Vec<Write<'a>>) {
    let places = pending.iter_mut().enumerate();
    places
        .filter_map(|(place, pending)| Some((place, pending.write.take()?)))
        .unzip()
}

impl Exchanges<'_> {
    /// Executes the pending writes; records fills that were refused or failed.
    pub(super) async fn write_pending(&self, pending: &mut [PendingWrite<'_>]) {
        let (places, writes) = planned(pending);
        let written = self.write(&writes).await;
        self.written(pending, places, &writes, written).await;
    }

    /// What becomes of the pending writes at `places`, each by its result.
    async fn written(
        &self,
        pending: &mut [PendingWrite<'_>],
        places: Vec<usize>,
        writes: &[Write<'_>],
        written: Each<bool>,
    ) {
        let mut too_large = Vec::new();
        for ((place, written), write) in places.into_iter().zip(written).zip(writes) {
            let pending = &mut pending[place];
            // If it is refused, the lease is no longer ours.
            pending.held = Held::after(written);
            if pending.fill != Fill::Stored {
                continue;
            }
            if written == Ok(true) {
                let bytes = write.bytes.len();
                pending.counters.bytes(Counter::BytesWritten, bytes);
            } else {
                pending.fill = written.err().map_or(Fill::NotStored, failed);
                pending.ttl_left = 0;
                if written == Err(StoreError::Oversize) {
                    too_large.push((place, write));
                }
            }
        }
        self.discard(pending, &too_large).await;
    }

    /// The server takes no item of this size: callers are not to queue for the next such answer. A
    /// server may have removed the item under the key when it refused the fill, so the record that
    /// says so is written over our lease, or else added.
    async fn discard(&self, pending: &mut [PendingWrite<'_>], too_large: &[(usize, &Write<'_>)]) {
        let mut writes = Vec::with_capacity(2 * too_large.len());
        for (_, fill) in too_large {
            for precondition in [fill.precondition, Precondition::Absent] {
                writes.push(Write {
                    keys: fill.keys,
                    kind: fill.kind,
                    bytes: NOT_STORED.write(fill.key(), fill.keys.digest()),
                    life: Lifetime::seconds(NOT_STORED_S),
                    precondition,
                });
            }
        }
        let written = self.write(&writes).await;
        for ((place, _), written) in too_large.iter().zip(written.chunks(2)) {
            let written = written.iter().copied().collect::<Result<Vec<_>, _>>();
            pending[*place].held = Held::after(written);
        }
    }
}

fn failed(error: StoreError) -> Fill {
    error.failure().map_or(Fill::NotStored, Fill::Failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Cache, Key, Policy,
        entry::{Generation, Generations},
    };

    #[test]
    fn an_entry_of_a_faster_clock_that_is_over_already_lives_as_long_as_one_that_is_just_over() {
        let policy =
            Policy::ttl(Duration::from_secs(60)).stale_while_revalidate(Duration::from_millis(1));
        let (cache, key) = (Cache::memory(), Key::new("life", &()).unwrap());
        let call = Call::new(cache.shared(), &key, &policy.parts, None);
        let generation = Generation::mint(0, 0);
        let generations = Generations {
            namespace: generation,
            function: generation,
        };
        let created = cache.shared().clock.now() + 900;
        let entry = Entry {
            discard_at: created - 900,
            ..policy.parts.entry(
                generations,
                created,
                policy.parts.fresh_until(created, policy.parts.ttl),
                Duration::ZERO,
                Payload::Plain(b""),
            )
        };
        assert_eq!(
            call.life(&policy.parts, &entry),
            Lifetime::at_least(policy.parts.lease)
        );
    }
}
