//! Storing the origin's answer, if it is to be stored and the right to do so still stands.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::{Call, Claim, Hold, refused};
use crate::{
    clock::{self, Millis},
    entry::{Entry, Stamp},
    flight::Pilot,
    origin::Said,
    outcome::{Fill, Trouble},
    payload::{self, Packed},
    random,
    store::{Lifetime, Slot, Stored},
    telemetry::metrics::Count,
};

impl Call<'_> {
    /// Hands the value to those who wait in this process, and stores it. Answers with what became of it and for how many
    /// seconds it is fresh.
    pub(super) async fn fill<T: Serialize>(
        &self,
        hold: &Hold,
        number: Option<u64>,
        value: &T,
        cost: Duration,
        said: Said,
        flight: &Pilot<'_>,
    ) -> (Fill, i64) {
        let created = self.cache.clock().now();
        let payload = match payload::encode(value) {
            Ok(payload) => Bytes::from(payload),
            Err(error) => {
                self.cache.log().unencodable(self.key.name(), &error);
                self.leave_empty(hold, number).await;
                return refused(Trouble::Decode);
            }
        };
        let ttl = self.ttl(value, cost, said);
        flight.land(payload.clone(), created, ttl);
        let Some(ttl) = ttl else {
            self.leave_empty(hold, number).await;
            return (Fill::NotStored, 0);
        };
        let shorter = self.shorter(&payload);
        let packed = shorter
            .as_deref()
            .map_or(Packed::Plain(&payload), Packed::Lz4);
        if self.refuses(packed).is_some() {
            let size = packed.bytes().len();
            self.cache.log().oversize(self.key.name(), size);
            self.leave_empty(hold, number).await;
            return refused(Trouble::Oversize);
        }
        let entry = self.entry(hold.stamp, ttl, created, cost, packed);
        let fill = self.store(hold, number, &entry).await;
        let fresh = if fill == Fill::Stored {
            clock::until(self.cache.clock().now(), entry.soft)
        } else {
            0
        };
        (fill, fresh)
    }

    /// `payload` compressed, if the policy asks for that and it helps.
    pub(crate) fn shorter(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let over = self.policy.compress_over?;
        (payload.len() > over).then(|| payload::pack(payload))?
    }

    /// How long the value may be kept fresh; `None`: it is not to be stored.
    pub(crate) fn ttl<T: Serialize>(
        &self,
        value: &T,
        cost: Duration,
        said: Said,
    ) -> Option<Duration> {
        match said {
            Said::NoStore => return None,
            Said::Ttl(ttl) => return Some(ttl),
            Said::Nothing if cost < self.policy.min_cost => return None,
            Said::Nothing => {}
        }
        if payload::is_none(value) {
            self.policy.negative_ttl
        } else {
            Some(self.policy.ttl)
        }
    }

    /// `ttl` less its jitter, and the stale window behind it.
    pub(crate) fn entry<'a>(
        &self,
        stamp: Stamp,
        ttl: Duration,
        created: Millis,
        cost: Duration,
        payload: Packed<'a>,
    ) -> Entry<'a> {
        let ttl = clock::millis(ttl);
        let most = ttl / 100 * u64::from(self.policy.jitter_percent);
        let fresh = ttl
            - if most == 0 {
                0
            } else {
                random::u64() % (most + 1)
            };
        let soft = created + fresh;
        let hard = soft + clock::millis(self.policy.stale());
        let cost = u32::try_from(cost.as_micros()).unwrap_or(u32::MAX);
        let version = self.policy.version;
        Entry {
            id: random::u64(),
            stamp,
            created,
            soft,
            hard,
            cost,
            version,
            payload,
        }
    }

    async fn store(&self, hold: &Hold, number: Option<u64>, entry: &Entry<'_>) -> Fill {
        let number = match &hold.claim {
            Claim::Marker { entry, .. } | Claim::Entry { entry } => Ok(Some(*entry)),
            _ if number.is_some() => Ok(number),
            Claim::Lease { record } | Claim::Bare { record, .. } => {
                self.learn(Slot::Item, record).await
            }
        };
        let stored = match number {
            Ok(Some(number)) => {
                let record = entry.write(self.at.item(), self.at.digest(), self.cache.seal());
                let bytes = record.len();
                let stored = self
                    .swap(Slot::Item, record, self.life(entry), number)
                    .await;
                if stored == Ok(Stored::Yes) {
                    self.counters.bytes(Count::BytesWritten, bytes);
                }
                stored
            }
            // The lease is lost: to an invalidation, to an eviction, or to another who took it over.
            Ok(None) => Ok(Stored::No),
            Err(error) => Err(error),
        };
        match stored {
            Ok(Stored::Yes) => Fill::Stored,
            Ok(Stored::No) => Fill::NotStored,
            Err(error) => error.trouble().map_or(Fill::NotStored, Fill::Failed),
        }
    }

    /// As long as the entry may yet be served, and with a stale window one lease more: a refresh may be under way at the end.
    pub(crate) fn life(&self, entry: &Entry<'_>) -> Lifetime {
        let served = Duration::from_millis(entry.hard.saturating_sub(self.cache.clock().now()));
        let grace = if self.policy.stale().is_zero() {
            Duration::ZERO
        } else {
            self.policy.lease
        };
        Lifetime::at_least(served + grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cache, Key, Policy, entry::Generation};

    #[test]
    fn an_entry_of_a_faster_clock_that_is_over_already_lives_as_long_as_one_that_is_just_over() {
        let policy =
            Policy::ttl(Duration::from_secs(60)).stale_while_revalidate(Duration::from_millis(1));
        let (cache, key) = (Cache::memory(), Key::new("life", &()).unwrap());
        let call = Call::new(cache.inner(), &key, &policy.parts, None);
        let generation = Generation::mint(0, 0);
        let stamp = Stamp {
            namespace: generation,
            function: generation,
        };
        let created = cache.inner().clock().now() + 900;
        let entry = Entry {
            hard: created - 900,
            ..call.entry(
                stamp,
                policy.parts.ttl,
                created,
                Duration::ZERO,
                Packed::Plain(b""),
            )
        };
        assert_eq!(call.life(&entry), Lifetime::at_least(policy.parts.lease));
    }
}
