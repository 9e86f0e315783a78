//! A verb's effect and the records behind it, in one write; and a record that is replaced.

use bytes::{Buf as _, Bytes};

use super::{
    super::{
        super::{Amend, Lifetime, StoreError, effect::Effected, many::Precondition},
        command::OwnedEffect,
        exptime,
        limits::TOGETHER,
    },
    Meta,
    codec::{self, Get, Parsed, Shows, Status},
};

impl Meta {
    pub(in super::super) async fn effect(
        &mut self,
        effect: &OwnedEffect,
        records: &[String],
    ) -> Result<Effected, StoreError> {
        if let OwnedEffect::Write(write) = effect
            && !self.takes(write).await?
        {
            return Err(StoreError::Oversize);
        }
        let first = self.begin(1 + records.len());
        match effect {
            OwnedEffect::Delete(key) => codec::delete(&mut self.output, key, first),
            OwnedEffect::Write(write) => self.push_write(
                write.key(),
                write.life,
                write.precondition,
                &write.bytes,
                first,
            ),
        }
        let together = self.output.len() <= TOGETHER;
        let mut done = Ok(false);
        if !together {
            self.send().await?;
            done = self.effected(effect, first).await?;
            self.output.clear();
        }
        for (key, opaque) in records.iter().zip(first + 1..) {
            let get = Get {
                key,
                opaque,
                lease: None,
                shows: Shows::Value,
            };
            codec::get(&mut self.output, &get);
        }
        codec::barrier(&mut self.output);
        self.send().await?;
        if together {
            done = self.effected(effect, first).await?;
        }
        let records = self.read_values(records, first + 1).await?;
        self.end()?;
        done.map(|done| Effected { done, records })
    }

    /// The inner error is about this item alone.
    async fn effected(
        &mut self,
        effect: &OwnedEffect,
        opaque: u32,
    ) -> Result<Result<bool, StoreError>, StoreError> {
        match effect {
            OwnedEffect::Delete(key) => match self.read_status(key, opaque).await? {
                Status::Done => Ok(Ok(true)),
                Status::NotFound => Ok(Ok(false)),
                _ => Err(self.broken()),
            },
            OwnedEffect::Write(write) => self.stored(write.key(), opaque).await,
        }
    }

    pub(in super::super) async fn amend(&mut self, amend: &dyn Amend) -> Result<bool, StoreError> {
        let there = self.get_with_cas(&[amend.key()]).await?.pop().flatten();
        let Some((precondition, bytes)) = amend.replacing(there) else {
            return Ok(false);
        };
        let opaque = self.begin(1);
        self.push_write(amend.key(), Lifetime::Forever, precondition, &bytes, opaque);
        self.send().await?;
        let written = self.stored(amend.key(), opaque).await??;
        self.end()?;
        Ok(written)
    }

    fn push_write(
        &mut self,
        key: &str,
        life: Lifetime,
        precondition: Precondition,
        bytes: &[u8],
        opaque: u32,
    ) {
        let (life, out) = (exptime::to_exptime(life), &mut self.output);
        match precondition {
            Precondition::Absent => codec::add(out, key, opaque, life, bytes),
            Precondition::Cas(cas) => codec::compare_and_swap(out, key, opaque, life, cas, bytes),
        }
    }

    /// The values under `keys` up to the barrier, each at the place of its key.
    async fn read_values(
        &mut self,
        keys: &[String],
        first: u32,
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        let mut found = vec![None; keys.len()];
        loop {
            let Some((parsed, length)) = codec::next(&self.input)? else {
                self.receive().await?;
                continue;
            };
            match parsed {
                Parsed::Value(value, tag) => {
                    let place = tag.opaque.checked_sub(first).ok_or(StoreError::Protocol)?;
                    let place = place as usize;
                    match found.get_mut(place) {
                        Some(free @ None) if keys[place].as_bytes() == tag.key => {
                            *free = Some(Bytes::copy_from_slice(value.bytes));
                        }
                        _ => return Err(StoreError::Protocol),
                    }
                }
                Parsed::Status(Status::Barrier, _) => {
                    self.input.advance(length);
                    return Ok(found);
                }
                Parsed::Status(..) => return Err(StoreError::Protocol),
            }
            self.input.advance(length);
        }
    }
}
