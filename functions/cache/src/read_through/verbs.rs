//! The verbs' exchanges: the same register, the same rules for writing it.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{Call, Decision, Fetched, IfLost, ReleaseGuard, Snapshot, decision};
use crate::{
    clock,
    entry::{After, Entry, LeaseRecord, Token},
    payload::Payload,
    random,
    store::{KeyKind, StoreError},
};

/// What one round of a verb came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteResult {
    Done,
    /// No entry stands there.
    NoEntry,
    /// What stood there changed meanwhile, or a generation had to be minted first.
    Again,
}

impl Call<'_> {
    pub(crate) async fn invalidate(&self, limit: Duration) -> Result<(), StoreError> {
        self.cache.store.delete(&self.keys, limit).await
    }

    pub(crate) async fn peek<T: DeserializeOwned>(&self) -> Option<Fetched<T>> {
        let reply = self.lookup(None).await.ok()?;
        let snapshot = Snapshot::new(self, &reply);
        match decision::decide(
            snapshot.kind,
            snapshot.marker,
            snapshot.generations.is_some(),
            Waited::No,
        ) {
            Decision::Hit => self.serve(&snapshot, false),
            Decision::ServeStale | Decision::Refresh(IfLost::ServeStale) => {
                self.serve_stale(&snapshot)
            }
            _ => None,
        }
    }

    /// Writes the entry again, with its freshness over. Also one that is stale already: a refresh of it may have read its origin
    /// before, and must not come out as fresh.
    pub(crate) async fn expire(&self) -> Result<WriteResult, StoreError> {
        let reply = self.lookup(None).await?;
        let snapshot = Snapshot::new(self, &reply);
        let (Some(entry), Some(there)) = (snapshot.entry, snapshot.item) else {
            return Ok(WriteResult::NoEntry);
        };
        let Some(cas) = self.cas_if_unchanged(KeyKind::Item, there).await? else {
            return Ok(WriteResult::Again);
        };
        let fresh_until = entry.fresh_until.min(self.cache.clock.now());
        let discard_at = entry
            .discard_at
            .min(fresh_until + clock::millis(self.policy.stale()));
        self.write(
            &Entry {
                id: random::u64(),
                fresh_until,
                discard_at,
                ..entry
            },
            cas,
        )
        .await
    }

    /// Writes a new entry over whatever stands there; over nothing, by way of a lease: a value is never stored by an add, which
    /// could be done late, after an invalidation.
    pub(crate) async fn put(
        &self,
        payload: Payload<'_>,
        ttl: Duration,
    ) -> Result<WriteResult, StoreError> {
        let reply = self.lookup(None).await?;
        let snapshot = Snapshot::new(self, &reply);
        let Some(generations) = snapshot.generations else {
            self.mint(&reply).await?;
            return Ok(WriteResult::Again);
        };
        // Given back should this end before the value stands there.
        let mut held = None;
        let cas = match (snapshot.item, snapshot.won) {
            (Some(there), _) => self.cas_if_unchanged(KeyKind::Item, there).await?,
            (None, Some(won)) => Some(won),
            (None, None) => {
                let mine = LeaseRecord {
                    token: Token(random::bytes()),
                    generations,
                    refreshes_entry: 0,
                    after: After::Nothing,
                };
                let record = mine.write(self.keys.item(), self.keys.digest());
                let release = ReleaseGuard::armed(self, KeyKind::Item, &record, None);
                let life = self.lease_life();
                let cas = match self.add(KeyKind::Item, record.clone(), life).await? {
                    true => self.read_cas(KeyKind::Item, &record).await?,
                    false => {
                        release.disarm();
                        return Ok(WriteResult::Again);
                    }
                };
                held = Some(release);
                cas
            }
        };
        let Some(cas) = cas else {
            return Ok(WriteResult::Again);
        };
        let entry = self.entry(
            generations,
            ttl,
            self.cache.clock.now(),
            Duration::ZERO,
            payload,
        );
        let written = self.write(&entry, cas).await?;
        if let Some(held) = held {
            held.disarm();
        }
        Ok(written)
    }

    /// Why `payload` would not be stored.
    pub(crate) fn size_error(&self, payload: Payload<'_>) -> Option<String> {
        let (size, most) = (Entry::size(payload.bytes().len()), self.policy.max_size);
        (size > most).then(|| format!("its entry has {size} bytes, and max_size is {most}"))
    }

    async fn write(&self, entry: &Entry<'_>, cas: u64) -> Result<WriteResult, StoreError> {
        let record = entry.write(self.keys.item(), self.keys.digest(), &self.cache.seal);
        match self
            .compare_and_swap(KeyKind::Item, record, self.life(entry), cas)
            .await?
        {
            true => Ok(WriteResult::Done),
            false => Ok(WriteResult::Again),
        }
    }
}
