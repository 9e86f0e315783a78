//! What an origin can say about the value that it is about to return: how long it may be kept, or
//! that it must not be kept, or by which policy.
//!
//! These are functions over a task-local, not arguments, so a cached function keeps its signature.
//! They work in a cached function, in the closure of
//! [`Cache::get_or_fetch`](crate::Cache::get_or_fetch), and in all that these call.
//!
//! ```
//! # use std::{convert::Infallible, time::Duration};
//! use larder::origin;
//!
//! #[larder::cached("rate", ttl = "60s", jitter = 0)]
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
//! Outside an origin call none of them does anything. Of several calls in one origin the last one counts. If
//! an origin calls another cached function, what that one says applies to its own value only;
//! called as `uncached` it is a plain function, and speaks for its caller. A task that an origin
//! spawns is not part of it. In [`get_or_fetch_many`](crate::Cache::get_or_fetch_many) they apply
//! to every value of the origin call.

use std::{cell::Cell, pin::pin, time::Duration};

use crate::policy::{Policy, PolicyParts};

tokio::task_local! {
    static ORIGIN_CALL: OriginCall;
}

/// The origin call that a task is in.
struct OriginCall {
    directive: Cell<CacheDirective>,
    /// The digests of the keys that this task computes, those of the origin calls around included.
    computed: Vec<[u8; 32]>,
}

/// Whether this very task computes the key of this digest: it would wait for itself.
pub(crate) fn is_computed_here(digest: &[u8; 32]) -> bool {
    let computed = |call: &OriginCall| call.computed.contains(digest);
    ORIGIN_CALL.try_with(computed).unwrap_or(false)
}

/// What an origin has said about its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum CacheDirective {
    /// Nothing: the policy decides.
    #[default]
    None,
    Ttl(Duration),
    Policy(Policy),
    NoStore,
}

impl CacheDirective {
    /// By what a value is stored, of a call with the policy `ours`.
    pub(crate) fn policy(self, ours: &PolicyParts) -> PolicyParts {
        match self {
            Self::Policy(policy) => PolicyParts {
                version: ours.version,
                ..policy.parts
            },
            Self::None | Self::Ttl(_) | Self::NoStore => *ours,
        }
    }
}

/// Keeps this value fresh for `ttl` after the origin answers, in place of the policy's ttl; also a
/// `None` that the policy would not keep. The policy's jitter shortens it, and its stale windows
/// follow it. Zero means [`no_store`]; the maximum is ten years.
///
/// ```
/// # use std::time::Duration;
/// #[larder::cached("token", ttl = "1h", jitter = 0)]
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

/// Stores this value as `policy` says, in place of the function's own: its ttl and jitter, its
/// `negative_ttl`, its `min_cost` and its limits of size. Its stale windows count as far as those of
/// the function's own policy go, by which callers ask; so do `lease`, `wait`, `near` and `version`,
/// which are the function's in any case.
///
/// ```
/// # use std::time::Duration;
/// # use larder::{Policy, origin};
/// const ACTIVE: Policy = Policy::ttl(Duration::from_secs(5)).jitter(0);
///
/// #[larder::cached("auction", ttl = "1h", jitter = 0)]
/// async fn auction(id: u64) -> (u64, bool) {
///     let ended = id < 100;
///     if !ended {
///         origin::policy(ACTIVE); // its price still changes
///     }
///     (id, ended)
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// larder::with_cache(larder::Cache::memory(), async {
///     assert_eq!(auction::fetch(7).await.ttl_left(), 3600);
///     assert_eq!(auction::fetch(700).await.ttl_left(), 5);
/// })
/// .await;
/// # }
/// ```
pub fn policy(policy: Policy) {
    set_directive(CacheDirective::Policy(policy));
}

/// Keeps this value out of the cache, and removes the entry that it would have replaced. Callers in
/// this process that already wait for it still get it.
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
    // Fails outside an origin call, where there is nothing to set.
    let _ = ORIGIN_CALL.try_with(|call| call.directive.set(directive));
}

/// Calls the origin of `keys`, digests of keys, and captures what it says about its value.
pub(crate) async fn capture_directive<F: Future>(
    keys: impl IntoIterator<Item = [u8; 32]>,
    origin: F,
) -> (F::Output, CacheDirective) {
    let mut computed = ORIGIN_CALL
        .try_with(|around| around.computed.clone())
        .unwrap_or_default();
    computed.extend(keys);
    let call = OriginCall {
        directive: Cell::default(),
        computed,
    };
    let mut origin = pin!(ORIGIN_CALL.scope(call, origin));
    let answer = origin.as_mut().await;
    let directive = origin
        .take_value()
        .map_or(CacheDirective::None, |call| call.directive.into_inner());
    (answer, directive)
}
