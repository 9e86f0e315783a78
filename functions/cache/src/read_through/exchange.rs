//! Planned writes and the exchanges that execute them, for one key or for many: one with each
//! server.

use super::{Call, Shared};
use crate::{
    budget::Budget,
    key::CacheKeys,
    store::{
        Item, KeyKind, Lifetime, StoreError,
        many::{Each, Precondition, Write},
    },
};

/// The store, and the budget that its exchanges are charged to.
#[derive(Clone, Copy)]
pub(super) struct Exchanges<'a> {
    pub(super) cache: &'a Shared,
    pub(super) budget: &'a Budget,
}

/// A write that a lookup has led to.
#[derive(Debug)]
pub(super) struct PlannedWrite<'s> {
    pub(super) kind: KeyKind,
    pub(super) bytes: Vec<u8>,
    pub(super) life: Lifetime,
    /// The item that the lookup has read, which must still be there.
    pub(super) over: Option<&'s Item>,
}

impl Exchanges<'_> {
    pub(super) async fn get_with_cas(
        &self,
        wanted: &[(&CacheKeys, KeyKind)],
    ) -> Each<Option<Item>> {
        let exchange = self.cache.store.get_with_cas(wanted, self.budget.left());
        self.budget.spend(exchange).await
    }

    pub(super) async fn write(&self, writes: &[Write<'_>]) -> Each<bool> {
        if writes.is_empty() {
            return Vec::new();
        }
        let exchange = self.cache.store.write(writes, self.budget.left());
        self.budget.spend(exchange).await
    }

    /// Executes these writes. The classic protocol's lookup of one key returns no cas: it is read
    /// first, and only counts if the bytes are those of the lookup.
    pub(super) async fn write_planned(
        &self,
        planned: &[(&CacheKeys, &PlannedWrite<'_>)],
    ) -> Each<bool> {
        let unread = |write: &PlannedWrite<'_>| write.over.is_some_and(|item| item.cas.is_none());
        let wanted: Vec<_> = planned
            .iter()
            .filter(|(_, write)| unread(write))
            .map(|(keys, write)| (*keys, write.kind))
            .collect();
        let mut read = Vec::new().into_iter();
        if !wanted.is_empty() {
            read = self.get_with_cas(&wanted).await.into_iter();
        }
        let mut results: Each<bool> = planned.iter().map(|_| Ok(false)).collect();
        let (mut places, mut writes) = (Vec::new(), Vec::new());
        for (place, (keys, write)) in planned.iter().enumerate() {
            let precondition = match write.over {
                None => Ok(Some(Precondition::Absent)),
                Some(Item { cas: Some(cas), .. }) => Ok(Some(Precondition::Cas(*cas))),
                Some(item) => read
                    .next()
                    .unwrap_or(Err(StoreError::Protocol))
                    .map(|found| {
                        let cas = found.and_then(|found| found.cas_of(&item.bytes));
                        cas.map(Precondition::Cas)
                    }),
            };
            match precondition {
                Err(error) => results[place] = Err(error),
                Ok(None) => {}
                Ok(Some(precondition)) => {
                    places.push(place);
                    writes.push(Write {
                        keys,
                        kind: write.kind,
                        bytes: write.bytes.clone(),
                        life: write.life,
                        precondition,
                    });
                }
            }
        }
        for (place, written) in places.into_iter().zip(self.write(&writes).await) {
            results[place] = written;
        }
        results
    }
}

impl Item {
    /// Its cas, if it holds these bytes.
    pub(super) fn cas_of(&self, bytes: &[u8]) -> Option<u64> {
        self.cas.filter(|_| self.bytes == bytes)
    }
}

impl Call<'_> {
    pub(super) fn exchanges(&self) -> Exchanges<'_> {
        Exchanges {
            cache: self.cache,
            budget: &self.budget,
        }
    }

    /// The cas of an item that a lookup has read, if it is still there byte for byte.
    pub(super) async fn cas_if_unchanged(&self, item: &Item) -> Result<Option<u64>, StoreError> {
        match item.cas {
            Some(cas) => Ok(Some(cas)),
            None => self.read_cas(&item.bytes).await,
        }
    }

    /// The cas of the item, if it holds these bytes.
    pub(super) async fn read_cas(&self, bytes: &[u8]) -> Result<Option<u64>, StoreError> {
        let wanted = [(&self.keys, KeyKind::Item)];
        let item = self.exchanges().get_with_cas(&wanted).await.pop();
        let item = item.unwrap_or(Err(StoreError::Protocol))?;
        Ok(item.and_then(|item| item.cas_of(bytes)))
    }

    /// A write that replaces the item with this cas.
    pub(super) fn write_over(
        &self,
        kind: KeyKind,
        bytes: Vec<u8>,
        life: Lifetime,
        cas: u64,
    ) -> Write<'_> {
        Write {
            keys: &self.keys,
            kind,
            bytes,
            life,
            precondition: Precondition::Cas(cas),
        }
    }
}
