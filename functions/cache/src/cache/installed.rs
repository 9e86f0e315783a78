//! Which cache a cached function uses: that of the task, or that of the process.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

use super::Cache;

static INSTALLED: OnceLock<Cache> = OnceLock::new();

tokio::task_local! {
    static CACHE: Cache;
}

/// The error of [`install`] if a cache is already installed.
///
/// ```
/// assert!(larder::install(larder::Cache::memory()).is_ok());
/// assert_eq!(larder::install(larder::Cache::null()), Err(larder::AlreadyInstalled));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cache is already installed in this process")]
pub struct AlreadyInstalled;

/// Makes `cache` the cache of all cached functions of this process. Call it once, at the start.
///
/// ```
/// # use larder::Cache;
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// larder::install(Cache::memory()).unwrap(); // at the start of `main`
/// square(12).await;
/// assert!(square::fetch(12).await.is_hit());
/// # }
/// ```
///
/// # Errors
/// [`AlreadyInstalled`] on the second call; the first cache stays.
pub fn install(cache: Cache) -> Result<(), AlreadyInstalled> {
    INSTALLED.set(cache).map_err(|_| AlreadyInstalled)
}

/// Runs `future` with `cache` in place of the installed one, as tests that run in parallel need it.
/// Tasks that it spawns do not inherit the cache.
///
/// ```
/// # use larder::{Cache, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (one, other) = (Cache::memory(), Cache::memory());
/// with_cache(one.clone(), square(12)).await;
/// assert!(with_cache(one, square::fetch(12)).await.is_hit());
/// assert!(!with_cache(other, square::fetch(12)).await.is_hit());
/// # }
/// ```
pub fn with_cache<F: Future>(cache: Cache, future: F) -> impl Future<Output = F::Output> {
    CACHE.scope(cache, future)
}

/// The cache of this task or process, as cached functions find it.
///
/// ```
/// # use larder::{Cache, with_cache};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert!(larder::installed().is_none());
/// with_cache(Cache::memory(), async {
///     assert_eq!(larder::installed().unwrap().location(), "memory:");
/// })
/// .await;
/// # }
/// ```
#[must_use]
pub fn installed() -> Option<Cache> {
    CACHE
        .try_with(Cache::clone)
        .ok()
        .or_else(|| INSTALLED.get().cloned())
}

/// The cache of this call. The first call without one logs a warning.
pub(crate) fn current() -> Option<Cache> {
    static WARNED: AtomicBool = AtomicBool::new(false);
    let found = installed();
    if found.is_none() && !WARNED.swap(true, Ordering::Relaxed) {
        tracing::warn!("no cache is installed: every call goes to its origin");
    }
    found
}
