//! What a policy says of one value: whether it is stored, in which form, and for how long.

use std::time::Duration;

use serde::Serialize;

use crate::{
    clock::{self, Millis},
    entry::{Entry, Generations},
    origin::CacheDirective,
    payload::{self, Payload},
    policy::PolicyParts,
    random,
};

impl PolicyParts {
    /// How long the value is fresh; `None` if it must not be stored.
    pub(crate) fn ttl_of<T: Serialize>(
        &self,
        value: &T,
        cost: Duration,
        directive: CacheDirective,
    ) -> Option<Duration> {
        match directive {
            CacheDirective::NoStore => return None,
            CacheDirective::Ttl(ttl) => return Some(ttl),
            CacheDirective::None | CacheDirective::Policy(_) if cost < self.min_cost => {
                return None;
            }
            CacheDirective::None | CacheDirective::Policy(_) => {}
        }
        if payload::is_none(value) {
            self.negative_ttl
        } else {
            Some(self.ttl)
        }
    }

    /// Until when an entry is fresh: for `ttl` less its jitter.
    pub(crate) fn fresh_until(&self, created: Millis, ttl: Duration) -> Millis {
        let ttl = clock::millis(ttl);
        let most = ttl / 100 * u64::from(self.jitter_percent);
        let fresh = ttl
            - if most == 0 {
                0
            } else {
                random::u64() % (most + 1)
            };
        created + fresh
    }

    /// An entry, with the stale window after the time for which it is fresh.
    pub(crate) fn entry<'a>(
        &self,
        generations: Generations,
        created: Millis,
        fresh_until: Millis,
        cost: Duration,
        payload: Payload<'a>,
    ) -> Entry<'a> {
        let discard_at = fresh_until + clock::millis(self.stale());
        let cost = u32::try_from(cost.as_micros()).unwrap_or(u32::MAX);
        Entry {
            id: random::u64(),
            generations,
            created,
            fresh_until,
            discard_at,
            cost,
            version: self.version,
            payload,
        }
    }

    /// `payload` compressed, if the policy allows it and it becomes shorter.
    pub(crate) fn compressed(&self, payload: &[u8]) -> Option<Vec<u8>> {
        let threshold = self.compress_over?;
        (payload.len() > threshold).then(|| payload::compress(payload))?
    }

    /// The longest encoded value that may be stored, also if it is compressed.
    pub(crate) fn longest(&self) -> usize {
        let plain = self.max_size.saturating_sub(Entry::size(0));
        match self.compress_over {
            Some(_) => plain.max(payload::LONGEST_COMPRESSED),
            None => plain,
        }
    }

    /// Why `payload` is not stored.
    pub(crate) fn size_error(&self, payload: Payload<'_>) -> Option<String> {
        let (size, most) = (Entry::size(payload.bytes().len()), self.max_size);
        (size > most).then(|| format!("its entry has {size} bytes, and max_size is {most}"))
    }
}
