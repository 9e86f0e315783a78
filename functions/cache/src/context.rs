//! What surrounds a call: which cache, until when, and how fresh. Set for a task, or installed for the process.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

use tokio::time::Instant;

use crate::{cache::Cache, outcome::Freshness};

static INSTALLED: OnceLock<Cache> = OnceLock::new();

tokio::task_local! {
    static CACHE: Cache;
    static DEADLINE: Option<Instant>;
    static FRESHNESS: Freshness;
}

/// [`install`] was called before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cache is already installed in this process")]
pub struct AlreadyInstalled;

/// Makes `cache` the one that memoised functions of this process use. Once, at the start.
///
/// # Errors
/// [`AlreadyInstalled`] on the second call; the first cache stays.
pub fn install(cache: Cache) -> Result<(), AlreadyInstalled> {
    INSTALLED.set(cache).map_err(|_| AlreadyInstalled)
}

/// Runs `future` with `cache` in place of the installed one: for tests that run in parallel.
/// Tasks spawned inside do not inherit it.
pub fn with_cache<F: Future>(cache: Cache, future: F) -> impl Future<Output = F::Output> {
    CACHE.scope(cache, future)
}

/// Runs `future` with calls to the cache bounded by `deadline`; once it has passed, they go to their origin at once. One that has
/// passed already means none: the local Lambda emulator sends the year 1970.
pub fn with_deadline<F: Future>(deadline: Instant, future: F) -> impl Future<Output = F::Output> {
    let deadline = (deadline > Instant::now()).then_some(deadline);
    DEADLINE.scope(deadline, future)
}

/// Runs `future` with `freshness` for the memoised calls inside it.
pub fn with_freshness<F: Future>(
    freshness: Freshness,
    future: F,
) -> impl Future<Output = F::Output> {
    FRESHNESS.scope(freshness, future)
}

/// The cache of this call. The first call that finds none says so once.
pub(crate) fn cache() -> Option<Cache> {
    static WARNED: AtomicBool = AtomicBool::new(false);
    let found = CACHE
        .try_with(Cache::clone)
        .ok()
        .or_else(|| INSTALLED.get().cloned());
    if found.is_none() && !WARNED.swap(true, Ordering::Relaxed) {
        tracing::warn!("no cache is installed: every call goes to its origin");
    }
    found
}

pub(crate) fn deadline() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok().flatten()
}

pub(crate) fn freshness() -> Freshness {
    FRESHNESS
        .try_with(|freshness| *freshness)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_passes_stays_one_and_one_that_had_passed_is_none() {
        let soon = Instant::now() + Duration::from_secs(1);
        let passes = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            deadline()
        };
        assert_eq!(with_deadline(soon, passes).await, Some(soon));
        assert_eq!(with_deadline(soon, async { deadline() }).await, None);
    }
}
