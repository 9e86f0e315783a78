//! The verbs' exchanges: the same register, the same rules for writing it.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::{Call, Fetched, Lost, Release, Seen, Step, decision};
use crate::{
    clock,
    entry::{Entry, Lease, Token},
    payload::Packed,
    random,
    store::{Slot, StoreError, Stored},
};

/// What one round of a verb came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Yes,
    /// No entry stands there.
    Nothing,
    /// What stood there changed meanwhile, or a generation had to be minted first.
    Again,
}

impl Call<'_> {
    pub(crate) async fn invalidate(&self, limit: Duration) -> Result<(), StoreError> {
        self.cache.store().delete(&self.at, limit).await
    }

    pub(crate) async fn peek<T: DeserializeOwned>(&self) -> Option<Fetched<T>> {
        let looked = self.lookup(None).await.ok()?;
        let seen = Seen::new(self, &looked);
        match decision::step(seen.item, seen.marker, seen.stamp.map(|_| ())) {
            Step::Hit => self.serve(&seen, false),
            Step::ServeStale | Step::Refresh(Lost::ServeStale) => self.serve_stale(&seen),
            _ => None,
        }
    }

    /// Writes the entry again, with its freshness over. Also one that is stale already: a refresh of it may have read its origin
    /// before, and must not come out as fresh.
    pub(crate) async fn expire(&self) -> Result<Written, StoreError> {
        let looked = self.lookup(None).await?;
        let seen = Seen::new(self, &looked);
        let (Some(entry), Some(there)) = (seen.entry, seen.there) else {
            return Ok(Written::Nothing);
        };
        let Some(number) = self.number(Slot::Item, there).await? else {
            return Ok(Written::Again);
        };
        let soft = entry.soft.min(self.cache.clock().now());
        let hard = entry.hard.min(soft + clock::millis(self.policy.stale()));
        self.write(
            &Entry {
                id: random::u64(),
                soft,
                hard,
                ..entry
            },
            number,
        )
        .await
    }

    /// Writes a new entry over whatever stands there; over nothing, by way of a lease: a value is never stored by an add, which
    /// could be done late, after an invalidation.
    pub(crate) async fn put(
        &self,
        payload: Packed<'_>,
        ttl: Duration,
    ) -> Result<Written, StoreError> {
        let looked = self.lookup(None).await?;
        let seen = Seen::new(self, &looked);
        let Some(stamp) = seen.stamp else {
            self.mint(&looked).await?;
            return Ok(Written::Again);
        };
        // Given back should this end before the value stands there.
        let mut held = None;
        let number = match (seen.there, seen.won) {
            (Some(there), _) => self.number(Slot::Item, there).await?,
            (None, Some(won)) => Some(won),
            (None, None) => {
                let mine = Lease {
                    token: Token(random::bytes()),
                    stamp,
                    subject: 0,
                };
                let record = mine.write(self.at.item(), self.at.digest());
                let release = Release::armed(self, Slot::Item, &record, None);
                let life = self.lease_life();
                let number = match self.add(Slot::Item, record.clone(), life).await? {
                    Stored::Yes => self.learn(Slot::Item, &record).await?,
                    Stored::No => {
                        release.disarm();
                        return Ok(Written::Again);
                    }
                };
                held = Some(release);
                number
            }
        };
        let Some(number) = number else {
            return Ok(Written::Again);
        };
        let entry = self.entry(
            stamp,
            ttl,
            self.cache.clock().now(),
            Duration::ZERO,
            payload,
        );
        let written = self.write(&entry, number).await?;
        if let Some(held) = held {
            held.disarm();
        }
        Ok(written)
    }

    /// Why `payload` would not be stored.
    pub(crate) fn refuses(&self, payload: Packed<'_>) -> Option<String> {
        let (size, most) = (Entry::size(payload.bytes().len()), self.policy.max_size);
        (size > most).then(|| format!("its entry has {size} bytes, and max_size is {most}"))
    }

    async fn write(&self, entry: &Entry<'_>, number: u64) -> Result<Written, StoreError> {
        let record = entry.write(self.at.item(), self.at.digest(), self.cache.seal());
        match self
            .swap(Slot::Item, record, self.life(entry), number)
            .await?
        {
            Stored::Yes => Ok(Written::Yes),
            Stored::No => Ok(Written::Again),
        }
    }
}
