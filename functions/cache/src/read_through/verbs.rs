//! Invalidate, expire, put and peek for one key. Every write is a compare-and-swap or an add.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{
    Call, Decision, Fetched, IfLost, Snapshot,
    lease::{ClaimKind, FillReason},
};
use crate::{
    clock,
    entry::Entry,
    near::Answer,
    payload::Payload,
    random,
    store::{
        KeyKind, LookupReply, StoreError, VerbError,
        effect::{Effect, Effected},
        many::{Precondition, Write},
    },
    telemetry::metrics::Counter,
};

/// How often a verb, or a refresh on request, tries. A round is lost only if another caller has
/// written the entry in the meantime.
pub(crate) const MAX_TRIES: u32 = 4;

/// The result of one round of a verb.
#[derive(Debug)]
pub(crate) enum WriteResult {
    /// The entry is written; this is what its servers showed behind it.
    Done(Vec<Answer>),
    /// There is no entry.
    NoEntry,
    /// The item has changed in between, or a generation had to be minted first.
    Again,
    /// The key's name is another function's.
    NameTaken,
}

impl Call<'_> {
    pub(crate) async fn invalidate(&self, limit: Duration) -> Result<Vec<Answer>, VerbError> {
        // Dropped when the exchange has ended, however it has.
        let own = self.cache.near.forgetting(self.key.digest());
        let effected = self.cache.store.effect(&self.keys, Effect::Delete, limit);
        let effected = effected.await;
        drop(own);
        Ok(self.all_shown(effected?))
    }

    pub(super) fn all_shown(&self, effected: Vec<(String, Effected)>) -> Vec<Answer> {
        let shown = |(server, effected): (String, Effected)| self.shown(server, &effected.records);
        effected.into_iter().map(shown).collect()
    }

    pub(crate) async fn peek<T: DeserializeOwned>(&self) -> Option<Fetched<T>> {
        let reply = self.lookup(None, false).await.ok()?;
        let snapshot = Snapshot::new(self, &reply);
        match snapshot.decision_of_peek() {
            Decision::Hit => self.serve(&snapshot, false),
            Decision::ServeStale | Decision::Refresh(IfLost::ServeStale) => {
                self.serve_stale(&snapshot)
            }
            Decision::Bypass => {
                self.refused_verb(&snapshot);
                None
            }
            _ => None,
        }
    }

    /// Writes the entry again, as a stale one. An entry that is stale already is written too: a
    /// refresh of it may have read its origin before, and its fill must be refused.
    pub(crate) async fn expire(&self) -> Result<WriteResult, VerbError> {
        let reply = self.lookup(None, false).await?;
        let snapshot = Snapshot::new(self, &reply);
        let (Some(entry), Some(item)) = (snapshot.entry, snapshot.item) else {
            return Ok(WriteResult::NoEntry);
        };
        let Some(cas) = self.cas_if_unchanged(item).await? else {
            return Ok(WriteResult::Again);
        };
        let expired = entry.fresh_until.min(self.cache.clock.now());
        let discard_at = entry
            .discard_at
            .min(expired + clock::millis(self.policy.stale()));
        self.write(
            &Entry {
                id: random::u64(),
                fresh_until: Entry::EXPIRED,
                discard_at,
                ..entry
            },
            cas,
        )
        .await
    }

    /// Writes a new entry over the present item. If there is none, it first adds a lease: a value
    /// is never stored by an add, which could be executed late, after an invalidation.
    pub(crate) async fn put(
        &self,
        payload: Payload<'_>,
        ttl: Duration,
    ) -> Result<WriteResult, VerbError> {
        let reply = self.lookup(None, false).await?;
        let snapshot = Snapshot::new(self, &reply);
        let generations = match snapshot.generations {
            _ if snapshot.decision(None) == Decision::Bypass => {
                self.refused_verb(&snapshot);
                return Ok(WriteResult::NameTaken);
            }
            Some(generations) if snapshot.decision(None) != Decision::Mint => generations,
            _ => {
                self.mint(&reply).await?;
                return Ok(WriteResult::Again);
            }
        };
        // Given back if this ends before the value is stored.
        let mut held = None;
        let cas = match snapshot.item {
            Some(item) => self.cas_if_unchanged(item).await?,
            None => {
                let claim = |record| ClaimKind::Lease { record };
                let lease = self.new_lease(&snapshot, FillReason::Requested, KeyKind::Item, claim);
                let Some((lease, record)) = lease.and_then(|lease| {
                    let record = lease.claim.record()?.1.to_vec();
                    Some((lease, record))
                }) else {
                    return Ok(WriteResult::Again);
                };
                let write = Write {
                    keys: &self.keys,
                    kind: KeyKind::Item,
                    bytes: record.clone(),
                    life: self.lease_life(),
                    precondition: Precondition::Absent,
                };
                if !self.write_one(write).await? {
                    lease.release.disarm();
                    return Ok(WriteResult::Again);
                }
                held = Some(lease.release);
                self.read_cas(&record).await?
            }
        };
        let Some(cas) = cas else {
            return Ok(WriteResult::Again);
        };
        let created = self.cache.clock.now();
        let fresh_until = self.policy.fresh_until(created, ttl);
        let cost = Duration::ZERO;
        let entry = (self.policy).entry(generations, created, fresh_until, cost, payload);
        let written = self.write(&entry, cas).await?;
        if let Some(held) = held {
            held.disarm();
        }
        Ok(written)
    }

    /// A verb has no outcome that would be counted.
    fn refused_verb(&self, snapshot: &Snapshot<'_>) {
        self.counters.increment(Counter::Refused);
        self.refused(snapshot);
    }

    async fn write(&self, entry: &Entry<'_>, cas: u64) -> Result<WriteResult, VerbError> {
        let bytes = entry.write(self.keys.item(), self.keys.digest(), &self.cache.seal);
        let write = self.write_over(KeyKind::Item, bytes, self.life(self.policy, entry), cas);
        let own = self.cache.near.forgetting(self.key.digest());
        let effect = Effect::Write(write);
        let effected = self
            .cache
            .store
            .effect(&self.keys, effect, self.budget.left());
        let effected = self.budget.spend(effected).await;
        drop(own);
        let effected = effected?;
        let is_done = effected.first().is_some_and(|(_, holder)| holder.done);
        Ok(match is_done {
            true => WriteResult::Done(self.all_shown(effected)),
            false => WriteResult::Again,
        })
    }

    async fn write_one(&self, write: Write<'_>) -> Result<bool, StoreError> {
        let written = self.exchanges().write(&[write]).await.pop();
        written.unwrap_or(Err(StoreError::Protocol))
    }

    async fn mint(&self, reply: &LookupReply) -> Result<(), StoreError> {
        let writes = self.minted(reply);
        let writes: Vec<_> = writes.iter().map(|write| (&self.keys, write)).collect();
        let written = self.exchanges().write_planned(&writes).await;
        written
            .into_iter()
            .try_for_each(|written| written.map(drop))
    }
}
