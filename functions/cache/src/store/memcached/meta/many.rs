//! Several commands of the meta protocol in one write, and their answers.

use bytes::Buf as _;

use super::{
    super::{
        super::{
            Ask, Found, Item, Looked, StoreError, Stored,
            many::{Each, Over, Write},
        },
        exptime,
        many::{Asked, Shown},
    },
    Meta,
    codec::{self, Get, Parsed, Status, Value},
};
use crate::key::Address;

impl Shown for Value {
    fn found(self) -> Found {
        match (self.won, self.number) {
            (true, Some(number)) if self.bytes.is_empty() => Found::Won(number),
            _ => Found::Item(self.item()),
        }
    }

    fn item(&self) -> Item {
        Item {
            bytes: self.bytes.clone(),
            number: self.number,
        }
    }
}

impl Meta {
    pub(in super::super) async fn lookups(
        &mut self,
        ats: &[&Address],
        ask: Ask,
    ) -> Result<Vec<Looked>, StoreError> {
        let asked = Asked::new(ats, ask);
        let lease = |place| ask.lease.filter(|_| place < asked.items());
        let shown = self.gets(&asked.keys, lease).await?;
        Ok(asked.looked(shown))
    }

    pub(in super::super) async fn numbers(
        &mut self,
        keys: &[&str],
    ) -> Result<Vec<Option<Item>>, StoreError> {
        let shown = self.gets(keys, |_| None).await?;
        // A server that was started without numbers (-C) can hold no lease.
        if shown
            .iter()
            .flatten()
            .any(|value| value.number.is_none_or(|number| number == 0))
        {
            return Err(StoreError::Protocol);
        }
        Ok(shown
            .iter()
            .map(|value| value.as_ref().map(Shown::item))
            .collect())
    }

    pub(in super::super) async fn writes(
        &mut self,
        writes: &[&Write<'_>],
    ) -> Result<Each<Stored>, StoreError> {
        let first = self.begin_many(writes.len());
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
        match self.parsed().await {
            Ok(Parsed::Status(status, Some(tag))) if tag.key == key && tag.opaque == opaque => {
                match status {
                    Status::Done => Ok(Stored::Yes),
                    Status::NotStored | Status::Exists | Status::NotFound => Ok(Stored::No),
                    Status::Barrier => Err(self.broken()),
                }
            }
            Ok(_) => Err(self.broken()),
            Err(StoreError::Oversize) => {
                // Said of this item alone: the server has read it to its end, and goes on.
                let line = self.input.iter().position(|byte| *byte == b'\n');
                self.input.advance(line.map_or(0, |end| end + 1));
                Err(StoreError::Oversize)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads `keys` in their order; `lease` says for how many seconds to leave a lease at a place where nothing is.
    async fn gets(
        &mut self,
        keys: &[&str],
        lease: impl Fn(usize) -> Option<u32>,
    ) -> Result<Vec<Option<Value>>, StoreError> {
        let first = self.begin_many(keys.len());
        for ((place, key), opaque) in keys.iter().enumerate().zip(first..) {
            let lease = lease(place);
            codec::get(&mut self.output, &Get { key, opaque, lease });
        }
        codec::barrier(&mut self.output);
        self.send().await?;
        let mut shown: Vec<Option<Value>> = keys.iter().map(|_| None).collect();
        loop {
            match self.parsed().await? {
                Parsed::Value(value, tag) => {
                    let place = tag.opaque.checked_sub(first);
                    let place = place.ok_or_else(|| self.broken())? as usize;
                    match shown.get_mut(place) {
                        Some(free @ None) if keys[place] == tag.key => *free = Some(value),
                        _ => return Err(self.broken()),
                    }
                }
                Parsed::Status(Status::Barrier, _) => break,
                Parsed::Status(..) => return Err(self.broken()),
            }
        }
        self.end()?;
        Ok(shown)
    }

    /// As [`Meta::begin`], with room for the numbers of `commands`.
    fn begin_many(&mut self, commands: usize) -> u32 {
        let first = self.begin();
        let commands = u32::try_from(commands).unwrap_or(u32::MAX >> 1);
        self.opaque = first.saturating_add(commands) & 0x7fff_ffff;
        first
    }
}
