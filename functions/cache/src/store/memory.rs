//! The store in this process: for `cargo run` without a memcached, and for tests. Nothing is shared
//! with other processes, and nothing survives this one.
//!
//! moka bounds the size of the entries and evicts what is least used, which may be the newest one.
//! Leases, markers and generations are kept beside them: a lease that is refused or evicted would
//! cost a second origin call, and a generation all of its entries. It uses tokio's clock, so that a
//! test can control it.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use moka::sync::Cache;
use tokio::time::{Duration, Instant};
use twox_hash::XxHash3_64;

use super::{
    CacheKeys, Item, ItemState, Lifetime, LookupOptions, LookupReply,
    many::{Precondition, Write},
};
use crate::entry;

/// The maximum size of a cache for which none is set.
pub(crate) const DEFAULT_MAX: u64 = 64 << 20;
/// What an entry takes beside its key and its bytes: the parts of moka's maps and lists, and what
/// the allocator adds. Measured on x86_64: 530 bytes with values of 100 and 1,000 bytes, 590 of
/// 10,000.
const OVERHEAD: usize = 550;
/// Records are in so many maps, each with a lock.
const SHARDS: usize = 16;
/// So many generations in a map. A program that makes up names must not fill its memory: beyond
/// that, the oldest are removed, and their entries with them.
const GENERATIONS: usize = 1024;

#[derive(Debug)]
pub(crate) struct Memory {
    entries: Cache<String, Arc<StoredItem>>,
    /// What is no entry. All writes of a key, also of its entry, are made under its map's lock.
    records: Box<[RwLock<Records>; SHARDS]>,
    next_cas: AtomicU64,
}

#[derive(Debug, Default)]
struct Records {
    all: HashMap<String, Arc<StoredItem>>,
    /// At this size, what is over is removed.
    sweep_at: usize,
}

impl Records {
    fn insert(&mut self, key: &str, item: Arc<StoredItem>) {
        self.all.insert(key.to_owned(), item);
        if self.all.len() > self.sweep_at {
            self.sweep();
        }
    }

    fn sweep(&mut self) {
        self.all.retain(|_, item| item.live());
        let forever = self.all.values().filter(|item| item.until.is_none());
        let mut ages: Vec<u64> = forever.map(|item| item.cas).collect();
        if ages.len() > GENERATIONS {
            let middle = ages.len() / 2;
            let (_, oldest_kept, _) = ages.select_nth_unstable(middle);
            let oldest_kept = *oldest_kept;
            let keeps = |item: &StoredItem| item.until.is_some() || item.cas >= oldest_kept;
            self.all.retain(|_, item| keeps(item));
        }
        self.sweep_at = 2 * self.all.len().max(64);
    }
}

#[derive(Debug)]
struct StoredItem {
    bytes: Bytes,
    cas: u64,
    until: Option<Instant>,
}

impl StoredItem {
    fn live(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }

    fn item(&self) -> Item {
        Item {
            bytes: self.bytes.clone(),
            cas: Some(self.cas),
        }
    }
}

/// Frees the memory of expired items. [`StoredItem::live`] decides whether an item is expired.
struct ItemExpiry;

impl moka::Expiry<String, Arc<StoredItem>> for ItemExpiry {
    fn expire_after_create(
        &self,
        _: &String,
        stored: &Arc<StoredItem>,
        _: std::time::Instant,
    ) -> Option<Duration> {
        stored
            .until
            .map(|until| until.duration_since(Instant::now()))
    }

    fn expire_after_update(
        &self,
        key: &String,
        stored: &Arc<StoredItem>,
        now: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, stored, now)
    }
}

impl Memory {
    /// Holds at most about `max` bytes.
    pub(crate) fn new(max: u64) -> Self {
        let weigh = |key: &String, stored: &Arc<StoredItem>| {
            u32::try_from(key.len() + stored.bytes.len() + OVERHEAD).unwrap_or(u32::MAX)
        };
        let entries = Cache::builder()
            .weigher(weigh)
            .max_capacity(max)
            .expire_after(ItemExpiry);
        Self {
            entries: entries.build(),
            records: Box::default(),
            next_cas: AtomicU64::new(1),
        }
    }

    pub(super) fn lookup(&self, keys: &CacheKeys, options: LookupOptions) -> LookupReply {
        let item = self
            .get_with_cas(keys.item())
            .map_or(ItemState::Absent, ItemState::Item);
        let marker = if options.marker {
            self.record(keys.marker())
        } else {
            None
        };
        let namespace = self.record(keys.namespace());
        LookupReply {
            seconds_left: None,
            item,
            marker,
            namespace,
            function: self.record(keys.function()),
            near: None,
        }
    }

    pub(super) fn get_with_cas(&self, key: &str) -> Option<Item> {
        let entry = || self.entries.get(key).filter(|stored| stored.live());
        let found = entry().or_else(|| {
            // A write that changes an entry into a record, or the other way round, ends first.
            let records = self.read(key);
            let record = records.all.get(key).filter(|stored| stored.live());
            record.cloned().or_else(entry)
        });
        found.map(|stored| stored.item())
    }

    /// An item that is never an entry.
    fn record(&self, key: &str) -> Option<Item> {
        let records = self.read(key);
        let found = records.all.get(key).filter(|stored| stored.live());
        found.map(|stored| stored.item())
    }

    fn shard(&self, key: &str) -> &RwLock<Records> {
        let hash = XxHash3_64::oneshot(key.as_bytes());
        &self.records[(hash % SHARDS as u64) as usize]
    }

    fn read(&self, key: &str) -> RwLockReadGuard<'_, Records> {
        let shard = self.shard(key).read();
        shard.unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self, key: &str) -> RwLockWriteGuard<'_, Records> {
        let shard = self.shard(key).write();
        shard.unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores if `precondition` holds; whether it did.
    pub(super) fn write(&self, write: &Write<'_>) -> bool {
        let bytes = write.bytes.clone().into();
        self.write_to(write.key(), bytes, write.life, write.precondition)
    }

    pub(super) fn write_to(
        &self,
        key: &str,
        bytes: Bytes,
        life: Lifetime,
        precondition: Precondition,
    ) -> bool {
        let expected = match precondition {
            Precondition::Absent => None,
            Precondition::Cas(cas) => Some(cas),
        };
        let written = Arc::new(StoredItem {
            bytes,
            cas: self.next_cas.fetch_add(1, Ordering::Relaxed),
            until: match life {
                Lifetime::Forever => None,
                Lifetime::Seconds(n) => Some(Instant::now() + Duration::from_secs(n.get().into())),
            },
        });
        let mut records = self.lock(key);
        let present = records.all.get(key).filter(|stored| stored.live());
        let present = present
            .cloned()
            .or_else(|| self.entries.get(key).filter(|stored| stored.live()));
        if present.map(|stored| stored.cas) != expected {
            return false;
        }
        if entry::is_value(&written.bytes) {
            self.entries.insert(key.to_owned(), written);
            records.all.remove(key);
        } else {
            records.insert(key, written);
            self.entries.invalidate(key);
        }
        true
    }

    pub(super) fn delete(&self, key: &str) {
        let mut records = self.lock(key);
        records.all.remove(key);
        self.entries.invalidate(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Lifetime = Lifetime::Seconds(std::num::NonZeroU32::new(60).unwrap());

    fn add(memory: &Memory, key: &str, bytes: &[u8], life: Lifetime) -> bool {
        memory.write_to(key, bytes.to_vec().into(), life, Precondition::Absent)
    }

    #[test]
    fn a_full_cache_takes_leases_and_keeps_its_generations() {
        let memory = Memory::new(1 << 20);
        assert!(add(&memory, "generation", b"G", Lifetime::Forever));
        let entry = [&b"V"[..], &[0; 10_000]].concat();
        for n in 0..2000 {
            let key = format!("key {n}");
            assert!(add(&memory, &key, b"L", LIFE));
            let lease = memory.get_with_cas(&key).expect("the lease is kept");
            let fill = Precondition::Cas(lease.cas.unwrap());
            assert!(memory.write_to(&key, entry.clone().into(), LIFE, fill));
            memory.entries.run_pending_tasks();
        }
        assert!(memory.get_with_cas("generation").is_some());
        assert!(memory.entries.weighted_size() <= 1 << 20);
        let held = (0..2000).filter(|n| memory.get_with_cas(&format!("key {n}")).is_some());
        let held = held.count();
        assert!(
            (50..=104).contains(&held),
            "{held} entries of 10 KB in 1 MiB"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn records_that_are_over_are_removed_and_generations_are_bounded() {
        let memory = Memory::new(1 << 20);
        let count = || -> usize {
            let all = memory.records.iter();
            all.map(|shard| shard.read().unwrap().all.len()).sum()
        };
        for n in 0..10_000 {
            add(&memory, &format!("lease {n}"), b"L", LIFE);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(count() < 3000, "{} leases", count());
        for n in 0..100_000 {
            add(&memory, &format!("generation {n}"), b"G", Lifetime::Forever);
        }
        assert!(count() <= 2 * SHARDS * (GENERATIONS + 64), "{}", count());
        assert!(memory.get_with_cas("generation 99999").is_some());
    }
}
