//! A map of values by key. A value is created on first use and removed when its last user drops it.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[derive(Debug)]
pub(super) struct RefCountedMap<T>(Mutex<HashMap<[u8; 32], Arc<T>>>);

/// A user's handle to the value of a key.
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
        // Only the map's own and this one are left, and no other can be made while the map is
        // locked.
        if Arc::strong_count(&self.value) == 2 {
            map.remove(&self.key);
        }
    }
}
