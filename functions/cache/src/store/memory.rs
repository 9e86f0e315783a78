//! The store in this process: for `cargo run` without a memcached, and for tests. Nothing is shared
//! with other processes, and nothing survives this one.
//!
//! moka bounds its size and evicts what is least used. It uses tokio's clock, so that a test can
//! control it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use moka::{
    ops::compute::{CompResult, Op},
    sync::Cache,
};
use tokio::time::{Duration, Instant};

use super::{
    CacheKeys, Item, ItemState, Lifetime, LookupOptions, LookupReply,
    many::{Precondition, Write},
};

/// The maximum size, in bytes of keys and items.
const CAPACITY: u64 = 64 << 20;

#[derive(Debug)]
pub(crate) struct Memory {
    items: Cache<String, Arc<StoredItem>>,
    next_cas: AtomicU64,
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
    pub(crate) fn new() -> Self {
        let weigh = |key: &String, stored: &Arc<StoredItem>| {
            u32::try_from(key.len() + stored.bytes.len()).unwrap_or(u32::MAX)
        };
        let items = Cache::builder()
            .weigher(weigh)
            .max_capacity(CAPACITY)
            .expire_after(ItemExpiry);
        Self {
            items: items.build(),
            next_cas: AtomicU64::new(1),
        }
    }

    pub(super) fn lookup(&self, keys: &CacheKeys, options: LookupOptions) -> LookupReply {
        let item = self
            .get_with_cas(keys.item())
            .map_or(ItemState::Absent, ItemState::Item);
        let marker = if options.marker {
            self.get_with_cas(keys.marker())
        } else {
            None
        };
        let namespace = self.get_with_cas(keys.namespace());
        LookupReply {
            item,
            marker,
            namespace,
            function: self.get_with_cas(keys.function()),
            near: None,
        }
    }

    pub(super) fn get_with_cas(&self, key: &str) -> Option<Item> {
        self.items
            .get(key)
            .filter(|stored| stored.live())
            .map(|stored| stored.item())
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
        // Nothing else writes the key until the closure has decided.
        let result = self.items.entry_by_ref(key).and_compute_with(|entry| {
            let stored = entry.map(moka::Entry::into_value);
            let stored = stored.filter(|stored| stored.live());
            if stored.map(|stored| stored.cas) == expected {
                Op::Put(written)
            } else {
                Op::Nop
            }
        });
        matches!(
            result,
            CompResult::Inserted(_) | CompResult::ReplacedWith(_)
        )
    }

    pub(super) fn delete(&self, key: &str) {
        // Not `invalidate`, which does not wait for a running write of this key.
        self.items
            .entry_by_ref(key)
            .and_compute_with(|_| Op::Remove);
    }
}
