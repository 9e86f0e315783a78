//! The store inside this process: for `cargo run` with nothing installed, and for tests. Nothing is shared and nothing survives.
//!
//! moka bounds it and throws out what is least used. Time is tokio's, so that a test that pauses it controls this store.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use moka::{ops::compute::Op, sync::Cache};
use tokio::time::{Duration, Instant};

use super::{Address, Ask, Found, Item, Lifetime, Looked, Stored};

/// The most that is kept, in bytes of keys and items.
const CAPACITY: u64 = 64 << 20;

#[derive(Debug)]
pub(crate) struct Memory {
    items: Cache<String, Arc<Held>>,
    numbers: AtomicU64,
}

#[derive(Debug)]
struct Held {
    bytes: Bytes,
    number: u64,
    until: Option<Instant>,
}

impl Held {
    fn live(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }

    fn item(&self) -> Item {
        Item {
            bytes: self.bytes.clone(),
            number: Some(self.number),
        }
    }
}

/// Frees the room of expired items; whether one is expired is decided by [`Held::live`].
struct Sweep;

impl moka::Expiry<String, Arc<Held>> for Sweep {
    fn expire_after_create(
        &self,
        _: &String,
        held: &Arc<Held>,
        _: std::time::Instant,
    ) -> Option<Duration> {
        held.until.map(|until| until.duration_since(Instant::now()))
    }

    fn expire_after_update(
        &self,
        key: &String,
        held: &Arc<Held>,
        at: std::time::Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        self.expire_after_create(key, held, at)
    }
}

impl Memory {
    pub(crate) fn new() -> Self {
        let weigh = |key: &String, held: &Arc<Held>| {
            u32::try_from(key.len() + held.bytes.len()).unwrap_or(u32::MAX)
        };
        let items = Cache::builder()
            .weigher(weigh)
            .max_capacity(CAPACITY)
            .expire_after(Sweep);
        Self {
            items: items.build(),
            numbers: AtomicU64::new(1),
        }
    }

    pub(super) fn lookup(&self, at: &Address, ask: Ask) -> Looked {
        let item = self.numbered(at.item()).map_or(Found::Absent, Found::Item);
        let marker = if ask.marker {
            self.numbered(at.marker())
        } else {
            None
        };
        let namespace = self.numbered(at.namespace());
        Looked {
            item,
            marker,
            namespace,
            function: self.numbered(at.function()),
        }
    }

    pub(super) fn numbered(&self, key: &str) -> Option<Item> {
        self.items
            .get(key)
            .filter(|held| held.live())
            .map(|held| held.item())
    }

    pub(super) fn add(&self, key: &str, bytes: Vec<u8>, life: Lifetime) -> Stored {
        self.store(key, bytes, life, |held| held.is_none())
    }

    pub(super) fn swap(&self, key: &str, bytes: Vec<u8>, life: Lifetime, number: u64) -> Stored {
        self.store(key, bytes, life, |held| {
            held.is_some_and(|held| held.number == number)
        })
    }

    pub(super) fn delete(&self, key: &str) {
        // Not `invalidate`, which does not wait for a write of this key that is under way.
        self.items
            .entry_by_ref(key)
            .and_compute_with(|_| Op::Remove);
    }

    /// `allowed` sees what stands there now; nobody else writes the key until it has answered.
    fn store(
        &self,
        key: &str,
        bytes: Vec<u8>,
        life: Lifetime,
        allowed: impl Fn(Option<&Held>) -> bool,
    ) -> Stored {
        let held = Arc::new(Held {
            bytes: bytes.into(),
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            until: match life {
                Lifetime::Forever => None,
                Lifetime::Seconds(n) => Some(Instant::now() + Duration::from_secs(n.get().into())),
            },
        });
        let mine = held.number;
        let result = self.items.entry_by_ref(key).and_compute_with(|entry| {
            let there = entry
                .map(moka::Entry::into_value)
                .filter(|held| held.live());
            if allowed(there.as_deref()) {
                Op::Put(held)
            } else {
                Op::Nop
            }
        });
        let now = match result {
            moka::ops::compute::CompResult::Inserted(entry)
            | moka::ops::compute::CompResult::ReplacedWith(entry) => Some(entry.value().number),
            _ => None,
        };
        if now == Some(mine) {
            Stored::Yes
        } else {
            Stored::No
        }
    }
}
