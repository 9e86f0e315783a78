//! How often this process called an origin. Counted in the origins themselves, so it is the ground truth that the
//! caching is measured against; must not know of the cache.

use std::sync::atomic::{AtomicU64, Ordering};

static CALLS: AtomicU64 = AtomicU64::new(0);

/// Counts one call; the first statement of every origin.
pub fn count() {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Origin calls of this process so far.
pub fn total() -> u64 {
    CALLS.load(Ordering::Relaxed)
}
