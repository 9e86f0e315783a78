//! How often this process called an origin. The origins count themselves, so the load test can
//! check the cache's own figures against it.

use std::sync::atomic::{AtomicU64, Ordering};

static CALLS: AtomicU64 = AtomicU64::new(0);

/// Counts one call. Every origin calls this first.
pub fn count() {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// The origin calls of this process so far.
pub fn total() -> u64 {
    CALLS.load(Ordering::Relaxed)
}
