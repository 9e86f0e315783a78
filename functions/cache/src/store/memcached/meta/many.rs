//! Several commands of the meta protocol in one write, and their answers.

use bytes::Buf as _;

use super::{
    super::{
        super::{
            Ask, Item, Looked, StoreError, Stored,
            many::{Each, Over},
        },
        command::OwnedWrite,
        exptime,
        lookup_keys::Asked,
    },
    Meta, Value,
    codec::{self, Status},
};
use crate::key::Address;

impl Meta {
    pub(in super::super) async fn lookups(
        &mut self,
        ats: &[Address],
        ask: Ask,
    ) -> Result<Vec<Looked>, StoreError> {
        let asked = Asked::new(ats, ask);
        let lease = |place| ask.lease.filter(|_| place < asked.items());
        let shown = self.values(&asked.keys, lease).await?;
        Ok(asked.looked(shown))
    }

    pub(in super::super) async fn numbers(
        &mut self,
        keys: &[&str],
    ) -> Result<Vec<Option<Item>>, StoreError> {
        let shown = self.values(keys, |_| None).await?;
        // A server that was started without numbers (-C) can hold no lease.
        let items = shown.into_iter().map(|value| match value {
            Some(Value { item, .. }) if item.number.is_none() => Err(StoreError::Protocol),
            value => Ok(value.map(|value| value.item)),
        });
        items.collect()
    }

    pub(in super::super) async fn writes(
        &mut self,
        writes: &[OwnedWrite],
    ) -> Result<Each<Stored>, StoreError> {
        let first = self.begin(writes.len());
        for (opaque, write) in (first..).zip(writes) {
            let (key, life, out) = (write.key(), exptime::of(write.life), &mut self.output);
            match write.over {
                Over::Nothing => codec::add(out, key, opaque, life, &write.bytes),
                Over::Number(number) => codec::swap(out, key, opaque, life, number, &write.bytes),
            }
        }
        self.send().await?;
        let mut stored = Vec::with_capacity(writes.len());
        for (opaque, write) in (first..).zip(writes) {
            stored.push(match self.stored(write.key(), opaque).await {
                Err(StoreError::Oversize) => Err(StoreError::Oversize),
                result => Ok(result?),
            });
        }
        self.end()?;
        Ok(stored)
    }

    async fn stored(&mut self, key: &str, opaque: u32) -> Result<Stored, StoreError> {
        match self.told(key, opaque).await {
            Ok(Status::Done) => Ok(Stored::Yes),
            Ok(Status::NotStored | Status::Exists | Status::NotFound) => Ok(Stored::No),
            Ok(Status::Barrier) => Err(StoreError::Protocol),
            Err(StoreError::Oversize) => {
                // Said of this item alone: the server has read it to its end, and goes on.
                let line = self.input.iter().position(|byte| *byte == b'\n');
                self.input.advance(line.map_or(0, |end| end + 1));
                Err(StoreError::Oversize)
            }
            Err(error) => Err(error),
        }
    }

    async fn values(
        &mut self,
        keys: &[&str],
        lease: impl Fn(usize) -> Option<u32>,
    ) -> Result<Vec<Option<Value>>, StoreError> {
        let mut stands: Vec<_> = keys.iter().map(|_| None).collect();
        let answer = self.gets(keys, lease, &mut stands).await?;
        let values = stands.into_iter();
        Ok(values.map(|stands| Some(stands?.value(&answer))).collect())
    }
}
