//! Many leases kept alive beside one origin call.

use std::{pin::pin, time::Duration};

use tokio::sync::Notify;

use super::{
    super::{claim::Claim, renew::BARE},
    Called, Many,
};
use crate::{
    key::Address,
    store::{
        Lifetime, Slot, Stored,
        many::{Over, Write},
    },
};

/// One key's record, and what is known of it.
pub(super) struct Kept<'a> {
    at: &'a Address,
    life: Lifetime,
    record: Option<(Slot, &'a [u8])>,
    number: Number,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Known(u64),
    /// The number of a lease that may be empty as yet, and is not written unless the origin takes long.
    Bare(u64),
    ToLearn,
    /// The record is no more there, or there never was one.
    Lost,
}

impl<'a> Kept<'a> {
    pub(super) fn new<A>(called: &'a Called<'_, A>) -> Self {
        let claim = called.hold().map(|hold| &hold.claim);
        let (record, number) = match claim {
            Some(Claim::Lease { record }) => (Some((Slot::Item, record)), Number::ToLearn),
            Some(Claim::Bare { record, number }) => {
                (Some((Slot::Item, record)), Number::Bare(*number))
            }
            Some(Claim::Marker { record, .. }) => (Some((Slot::Marker, record)), Number::ToLearn),
            Some(Claim::Entry { .. }) | None => (None, Number::Lost),
        };
        Self {
            at: &called.one.call.at,
            life: called.one.call.lease_life(),
            record: record.map(|(slot, record)| (slot, record.as_slice())),
            number,
        }
    }
}

impl Many<'_> {
    /// Awaits the origin. Meanwhile the leases' numbers are learned and the leases renewed, in one exchange a server.
    pub(super) async fn held<R>(
        &self,
        kept: &mut [Kept<'_>],
        origin: impl Future<Output = R>,
    ) -> R {
        let ended = Notify::new();
        let mut keeping = pin!(self.keep(kept, &ended));
        let mut origin = pin!(origin);
        let result = tokio::select! {
            biased;
            result = &mut origin => result,
            () = &mut keeping => return origin.await,
        };
        ended.notify_one();
        // An exchange may be under way. It is awaited rather than broken off: breaking it off would cost the connection.
        let rest = tokio::time::timeout(self.budget.left(), keeping);
        let _ = self.budget.spend(rest).await;
        result
    }

    /// The numbers of the records, of those that are still there.
    pub(super) async fn numbers(&self, mut kept: Vec<Kept<'_>>) -> Vec<Option<u64>> {
        let left = self.budget.left();
        self.budget.spend(self.learn(&mut kept, left)).await;
        let known = kept.iter().map(|kept| match kept.number {
            Number::Known(number) | Number::Bare(number) => Some(number),
            Number::ToLearn | Number::Lost => None,
        });
        known.collect()
    }

    async fn keep(&self, kept: &mut [Kept<'_>], ended: &Notify) {
        let Some(any) = kept.iter().find(|kept| kept.record.is_some()) else {
            return;
        };
        let Lifetime::Seconds(seconds) = any.life else {
            return;
        };
        let third = Duration::from_millis(u64::from(seconds.get() - 1) * 1000 / 3);
        let is_bare = |kept: &Kept<'_>| matches!(kept.number, Number::Bare(_));
        let mut pause = if kept.iter().any(is_bare) {
            BARE
        } else {
            third
        };
        self.learn(kept, self.budget.beside()).await;
        loop {
            let over = tokio::time::timeout(pause, ended.notified()).await.is_ok();
            if over || self.budget.is_over() {
                return;
            }
            pause = third;
            self.learn(kept, self.budget.beside()).await;
            self.renew(kept).await;
            self.learn(kept, self.budget.beside()).await;
        }
    }

    /// Writes each record again over its own number. Never blindly.
    async fn renew(&self, kept: &mut [Kept<'_>]) {
        let (mut places, mut writes) = (Vec::new(), Vec::new());
        for (place, kept) in kept.iter_mut().enumerate() {
            let (Number::Known(number) | Number::Bare(number)) = kept.number else {
                continue;
            };
            let Some((slot, record)) = kept.record else {
                continue;
            };
            // Perhaps done, perhaps not: learned again before its next use.
            kept.number = Number::ToLearn;
            places.push(place);
            writes.push(Write {
                at: kept.at,
                slot,
                bytes: record.to_vec(),
                life: kept.life,
                over: Over::Number(number),
            });
        }
        if writes.is_empty() {
            return;
        }
        let store = self.cache.store();
        let stored = store.write_many(&writes, self.budget.beside()).await;
        for (place, stored) in places.into_iter().zip(stored) {
            if stored == Ok(Stored::No) {
                kept[place].number = Number::Lost;
            }
        }
    }

    async fn learn(&self, kept: &mut [Kept<'_>], limit: Duration) {
        let wanted = kept.iter().enumerate().filter_map(|(place, kept)| {
            let (slot, _) = kept.record.filter(|_| kept.number == Number::ToLearn)?;
            Some((place, (kept.at, slot)))
        });
        let (places, slots): (Vec<_>, Vec<_>) = wanted.unzip();
        if slots.is_empty() {
            return;
        }
        let items = self.cache.store().numbered_many(&slots, limit).await;
        for (place, item) in places.into_iter().zip(items) {
            let kept = &mut kept[place];
            let record = kept.record.map(|(_, record)| record);
            kept.number = match item {
                Ok(Some(item)) if Some(&*item.bytes) == record => {
                    item.number.map_or(Number::Lost, Number::Known)
                }
                Ok(_) => Number::Lost,
                Err(_) => Number::ToLearn,
            };
        }
    }
}
