//! Storing the origin's answer, if it is to be stored and the right to do so still stands.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::{Call, ClaimKind, Lease, refused};
use crate::{
    clock::{self, Millis},
    entry::{Entry, Generations},
    flight::Leader,
    origin::CacheDirective,
    outcome::{CacheFailure, Fill},
    payload::{self, Payload},
    random,
    store::{KeyKind, Lifetime},
    telemetry::metrics::Counter,
};

impl Call<'_> {
    /// Hands the value to those who wait in this process, and stores it. Answers with what became of it and for how many
    /// seconds it is fresh.
    pub(super) async fn fill<T: Serialize>(
        &self,
        hold: &Lease,
        cas: Option<u64>,
        value: &T,
        cost: Duration,
        directive: CacheDirective,
        flight: &Leader<'_>,
    ) -> (Fill, i64) {
        let created = self.cache.clock.now();
        let payload = match payload::encode(value) {
            Ok(payload) => Bytes::from(payload),
            Err(error) => {
                self.cache.log.unencodable(self.key.name(), &error);
                flight.fail();
                self.discard(hold, cas).await;
                return refused(CacheFailure::Decode);
            }
        };
        let ttl = self.ttl(value, cost, directive);
        flight.complete(payload.clone(), created, ttl);
        let Some(ttl) = ttl else {
            self.discard(hold, cas).await;
            return (Fill::NotStored, 0);
        };
        let compressed = self.compressed(&payload);
        let packed = compressed
            .as_deref()
            .map_or(Payload::Plain(&payload), Payload::Lz4);
        if self.size_error(packed).is_some() {
            let size = packed.bytes().len();
            self.cache.log.oversize(self.key.name(), size);
            self.discard(hold, cas).await;
            return refused(CacheFailure::Oversize);
        }
        let entry = self.entry(hold.generations, ttl, created, cost, packed);
        let fill = self.store(hold, cas, &entry).await;
        if fill == Fill::Failed(CacheFailure::Oversize) {
            // The server says so: the lease is still there.
            self.discard(hold, cas).await;
        }
        let fresh = if fill == Fill::Stored {
            clock::until(self.cache.clock.now(), entry.fresh_until)
        } else {
            0
        };
        (fill, fresh)
    }

    /// `payload` compressed, if the policy asks for that and it helps.
    pub(crate) fn compressed(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let precondition = self.policy.compress_over?;
        (payload.len() > precondition).then(|| payload::compress(payload))?
    }

    /// How long the value may be kept fresh; `None`: it is not to be stored.
    pub(crate) fn ttl<T: Serialize>(
        &self,
        value: &T,
        cost: Duration,
        directive: CacheDirective,
    ) -> Option<Duration> {
        match directive {
            CacheDirective::NoStore => return None,
            CacheDirective::Ttl(ttl) => return Some(ttl),
            CacheDirective::None if cost < self.policy.min_cost => return None,
            CacheDirective::None => {}
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
        generations: Generations,
        ttl: Duration,
        created: Millis,
        cost: Duration,
        payload: Payload<'a>,
    ) -> Entry<'a> {
        let ttl = clock::millis(ttl);
        let most = ttl / 100 * u64::from(self.policy.jitter_percent);
        let fresh = ttl
            - if most == 0 {
                0
            } else {
                random::u64() % (most + 1)
            };
        let fresh_until = created + fresh;
        let discard_at = fresh_until + clock::millis(self.policy.stale());
        let cost = u32::try_from(cost.as_micros()).unwrap_or(u32::MAX);
        let version = self.policy.version;
        Entry {
            id: random::u64(),
            generations,
            created,
            fresh_until,
            discard_at,
            cost,
            version,
            payload,
        }
    }

    async fn store(&self, hold: &Lease, cas: Option<u64>, entry: &Entry<'_>) -> Fill {
        let cas = match &hold.claim {
            ClaimKind::Marker { entry, .. } | ClaimKind::Entry { entry } => Ok(Some(*entry)),
            _ if cas.is_some() => Ok(cas),
            ClaimKind::Lease { record } | ClaimKind::Placeholder { record, .. } => {
                self.read_cas(KeyKind::Item, record).await
            }
        };
        let stored = match cas {
            Ok(Some(cas)) => {
                let record = entry.write(self.keys.item(), self.keys.digest(), &self.cache.seal);
                let bytes = record.len();
                let stored = self
                    .compare_and_swap(KeyKind::Item, record, self.life(entry), cas)
                    .await;
                if stored == Ok(true) {
                    self.counters.bytes(Counter::BytesWritten, bytes);
                }
                stored
            }
            // The lease is lost: to an invalidation, to an eviction, or to another who took it over.
            Ok(None) => Ok(false),
            Err(error) => Err(error),
        };
        match stored {
            Ok(true) => Fill::Stored,
            Ok(false) => Fill::NotStored,
            Err(error) => error.failure().map_or(Fill::NotStored, Fill::Failed),
        }
    }

    /// As long as the entry may yet be served, and with a stale window one lease more: a refresh may be under way at the end.
    pub(crate) fn life(&self, entry: &Entry<'_>) -> Lifetime {
        let served = Duration::from_millis(entry.discard_at.saturating_sub(self.cache.clock.now()));
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
        let call = Call::new(cache.shared(), &key, &policy.parts, None);
        let generation = Generation::mint(0, 0);
        let generations = Generations {
            namespace: generation,
            function: generation,
        };
        let created = cache.shared().clock.now() + 900;
        let entry = Entry {
            discard_at: created - 900,
            ..call.entry(
                generations,
                policy.parts.ttl,
                created,
                Duration::ZERO,
                Payload::Plain(b""),
            )
        };
        assert_eq!(call.life(&entry), Lifetime::at_least(policy.parts.lease));
    }
}
