//! The keys that tasks of this process refresh: one task a key.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[derive(Debug, Default, Clone)]
pub(crate) struct Refreshing(Arc<Mutex<HashSet<[u8; 32]>>>);

/// The right to refresh a key, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    keys: Refreshing,
    digest: [u8; 32],
}

impl Refreshing {
    /// `None`: another task does.
    pub(crate) fn begin(&self, digest: &[u8; 32]) -> Option<Turn> {
        let begun = self.keys().insert(*digest);
        begun.then(|| Turn {
            keys: self.clone(),
            digest: *digest,
        })
    }

    fn keys(&self) -> MutexGuard<'_, HashSet<[u8; 32]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.keys.keys().remove(&self.digest);
    }
}
