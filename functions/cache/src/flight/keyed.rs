//! One thing a key for as long as somebody uses it: the first to come makes it, the last to leave removes it.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[derive(Debug)]
pub(super) struct RefCountedMap<T>(Mutex<HashMap<[u8; 32], Arc<T>>>);

/// Somebody who uses a key's thing.
#[derive(Debug)]
pub(super) struct Ref<'a, T> {
    all: &'a RefCountedMap<T>,
    key: [u8; 32],
    value: Arc<T>,
}

impl<T> Default for RefCountedMap<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Default> RefCountedMap<T> {
    pub(super) fn of(&self, key: [u8; 32]) -> Ref<'_, T> {
        let value = self.map().entry(key).or_default().clone();
        Ref {
            all: self,
            key,
            value,
        }
    }
}

impl<T> RefCountedMap<T> {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.map().is_empty()
    }

    fn map(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Drop for Ref<'_, T> {
    fn drop(&mut self) {
        let mut map = self.all.map();
        // The map's own and this one: nobody else can come by another while the map is locked.
        if Arc::strong_count(&self.value) == 2 {
            map.remove(&self.key);
        }
    }
}
