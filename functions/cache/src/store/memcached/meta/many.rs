//! Several commands of the meta protocol in one write, and their answers.

use bytes::Buf as _;

use super::{
    super::{
        super::{
            Item, LookupOptions, LookupReply, StoreError,
            many::{Each, Precondition},
        },
        command::OwnedWrite,
        exptime,
        lookup_keys::{Found, Kind, LookupKeys},
    },
    Ask, Meta,
    codec::{self, Status},
};
use crate::key::CacheKeys;

impl Meta {
    pub(in super::super) async fn lookup_many(
        &mut self,
        all_keys: &[CacheKeys],
        options: LookupOptions,
    ) -> Result<Vec<LookupReply>, StoreError> {
        let lookup_keys = LookupKeys::new(all_keys, options);
        let ask = |place| match lookup_keys.kind(place) {
            Kind::Item => Ask::of_item(options),
            Kind::Marker => Ask::CAS,
            Kind::Record => Ask::VALUE,
        };
        let values = self.values(&lookup_keys.keys, ask).await?;
        Ok(lookup_keys.reply(values))
    }

    pub(in super::super) async fn get_with_cas(
        &mut self,
        keys: &[&str],
    ) -> Result<Vec<Option<Item>>, StoreError> {
        let values = self.values(keys, |_| Ask::CAS).await?;
        // A server that was started without cas (-C) cannot keep a lease.
        let items = values.into_iter().map(|value| match value {
            Some(Found { item, .. }) if item.cas.is_none() => Err(StoreError::Protocol),
            value => Ok(value.map(|value| value.item)),
        });
        items.collect()
    }

    pub(in super::super) async fn write(
        &mut self,
        writes: &[OwnedWrite],
    ) -> Result<Each<bool>, StoreError> {
        let mut taken = Vec::with_capacity(writes.len());
        for write in writes {
            taken.push(self.takes(write).await?);
        }
        if !taken.contains(&true) {
            return Ok(writes.iter().map(|_| Err(StoreError::Oversize)).collect());
        }
        let first = self.begin(writes.len());
        let sent = || (first..).zip(writes.iter().zip(&taken));
        for (opaque, (write, taken)) in sent() {
            if !taken {
                continue;
            }
            let (key, life, out) = (
                write.key(),
                exptime::to_exptime(write.life),
                &mut self.output,
            );
            match write.precondition {
                Precondition::Absent => codec::add(out, key, opaque, life, &write.bytes),
                Precondition::Cas(cas) => {
                    codec::compare_and_swap(out, key, opaque, life, cas, &write.bytes)
                }
            }
        }
        self.send().await?;
        let mut stored = Vec::with_capacity(writes.len());
        for (opaque, (write, taken)) in sent() {
            stored.push(match taken {
                true => self.stored(write.key(), opaque).await?,
                false => Err(StoreError::Oversize),
            });
        }
        self.end()?;
        Ok(stored)
    }

    /// Removes what has these cas values. Something else there, or nothing, is as good.
    pub(in super::super) async fn remove(
        &mut self,
        all: &[(CacheKeys, u64)],
    ) -> Result<(), StoreError> {
        let first = self.begin(all.len());
        for (opaque, (keys, cas)) in (first..).zip(all) {
            codec::remove(&mut self.output, keys.item(), opaque, *cas);
        }
        self.send().await?;
        for (opaque, (keys, _)) in (first..).zip(all) {
            match self.read_status(keys.item(), opaque).await? {
                Status::Done | Status::Exists | Status::NotFound => {}
                _ => return Err(StoreError::Protocol),
            }
        }
        self.end()
    }

    /// Whether the item was stored; the inner error is about this item alone.
    pub(super) async fn stored(
        &mut self,
        key: &str,
        opaque: u32,
    ) -> Result<Result<bool, StoreError>, StoreError> {
        match self.read_status(key, opaque).await {
            Ok(Status::Done) => Ok(Ok(true)),
            Ok(Status::NotStored | Status::Exists | Status::NotFound) => Ok(Ok(false)),
            Ok(Status::Barrier) => Err(StoreError::Protocol),
            Err(error) => {
                let (refusal, length) = codec::refusal(&self.input).ok_or(error)?;
                self.input.advance(length);
                Ok(Err(refusal))
            }
        }
    }

    async fn values(
        &mut self,
        keys: &[&str],
        ask: impl Fn(usize) -> Ask,
    ) -> Result<Vec<Option<Found>>, StoreError> {
        let mut spans: Vec<_> = keys.iter().map(|_| None).collect();
        let answer = self.gets(keys, ask, &mut spans).await?;
        let values = spans.into_iter();
        Ok(values.map(|spans| Some(spans?.found(&answer))).collect())
    }
}
