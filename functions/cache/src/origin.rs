//! What an origin says about the value that it is about to return: for how long it may be kept, or that it may not be kept at all.
//!
//! Free functions over a task-local, and not an argument: so a memoised function keeps its signature, and its body, a closure of
//! [`Cache::get_or_fetch`](crate::Cache::get_or_fetch) and whatever these call all say it in the same words.
//!
//! ```
//! # use std::{convert::Infallible, time::Duration};
//! use larder::origin;
//!
//! #[larder::cached("rate", ttl = "60s")]
//! async fn rate(currency: &str) -> Result<f64, Infallible> {
//!     // what an upstream's `Cache-Control: max-age=2` would say
//!     origin::ttl(Duration::from_secs(2));
//!     Ok(1.08)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! larder::with_cache(larder::Cache::memory(), async {
//!     assert_eq!(rate::fetch("EUR").await.unwrap().ttl_left(), 2);
//! })
//! .await;
//! # }
//! ```
//!
//! Outside an origin call both do nothing. The last word counts. A memoised function that an origin calls speaks of its own value
//! only; called as `uncached` it is a plain function, and speaks for its caller as any other does. A task that
//! an origin spawns is not part of it. In [`get_or_fetch_many`](crate::Cache::get_or_fetch_many) what is said holds for every value
//! of that origin call.

use std::{cell::Cell, pin::pin, time::Duration};

tokio::task_local! {
    static DIRECTIVE: Cell<CacheDirective>;
}

/// What an origin has said about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum CacheDirective {
    /// Nothing: the policy decides.
    #[default]
    None,
    Ttl(Duration),
    NoStore,
}

/// Keeps this value fresh for `ttl` from the moment the origin has answered, whatever its policy says; also a `None` that the policy
/// would not keep. The policy's jitter still shortens it, and its stale windows follow. Zero is [`no_store`]; more than ten years
/// are ten years.
///
/// ```
/// # use std::time::Duration;
/// #[larder::cached("token", ttl = "1h")]
/// async fn token() -> String {
///     larder::origin::ttl(Duration::from_secs(90)); // what its issuer said
///     "secret".to_owned()
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// larder::with_cache(larder::Cache::memory(), async {
///     assert_eq!(token::fetch().await.ttl_left(), 90);
/// })
/// .await;
/// # }
/// ```
pub fn ttl(ttl: Duration) {
    set_directive(if ttl.is_zero() {
        CacheDirective::NoStore
    } else {
        CacheDirective::Ttl(ttl.min(crate::policy::LONGEST))
    });
}

/// Keeps this value out of the cache, and the entry that it was to replace as well. Callers of this process who already wait for it
/// still get it.
///
/// ```
/// #[larder::cached("progress", ttl = "60s")]
/// async fn progress(percent: u8) -> u8 {
///     if percent < 100 {
///         larder::origin::no_store(); // not final yet
///     }
///     percent
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// larder::with_cache(larder::Cache::memory(), async {
///     progress(40).await;
///     progress(100).await;
///     assert!(progress::peek(40).await.is_none());
///     assert!(progress::peek(100).await.is_some());
/// })
/// .await;
/// # }
/// ```
pub fn no_store() {
    set_directive(CacheDirective::NoStore);
}

fn set_directive(directive: CacheDirective) {
    // Nobody listens outside an origin call.
    let _ = DIRECTIVE.try_with(|last| last.set(directive));
}

/// Calls an origin and listens.
pub(crate) async fn capture_directive<F: Future>(origin: F) -> (F::Output, CacheDirective) {
    let mut origin = pin!(DIRECTIVE.scope(Cell::default(), origin));
    let answer = origin.as_mut().await;
    let directive = origin
        .take_value()
        .map_or(CacheDirective::None, Cell::into_inner);
    (answer, directive)
}
