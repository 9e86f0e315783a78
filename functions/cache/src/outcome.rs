//! How a call was answered. A handler translates these words into HTTP headers.

use crate::store::StoreError;

/// How a call was answered. [`Hit`](Outcome::Hit), [`Stale`](Outcome::Stale),
/// [`StaleAfterError`](Outcome::StaleAfterError) and [`Collapsed`](Outcome::Collapsed) made no
/// origin call of their own; each of the others made one.
///
/// ```
/// # use larder::{Bypass, Cache, Fill, Outcome, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// with_cache(Cache::memory(), async {
///     assert_eq!(square::fetch(12).await.outcome(), Outcome::Miss(Fill::Stored));
///     assert_eq!(square::fetch(12).await.outcome(), Outcome::Hit);
///     assert_eq!(square::refresh(12).await.outcome(), Outcome::Refreshed(Fill::Stored));
/// })
/// .await;
/// assert_eq!(square::fetch(12).await.outcome(), Outcome::Bypassed(Bypass::Disabled)); // no cache
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// A fresh entry.
    Hit,
    /// An entry past its ttl, served while another caller refreshes it.
    Stale,
    /// An entry past its ttl, served because this call's own origin call failed.
    StaleOnError,
    /// An entry past its ttl, served without an origin call: another caller's refresh of it has
    /// failed a moment ago, or the cache has failed after the entry was read.
    StaleAfterError,
    /// There was no usable entry; the origin answered.
    Miss(Fill),
    /// The entry was past its ttl; the origin answered.
    Expired(Fill),
    /// The caller asked for a new value ([`Freshness::Refresh`]); the origin answered.
    Refreshed(Fill),
    /// Another caller's origin call answered this one.
    Collapsed,
    /// The last answer for this key could not be stored, a few seconds ago. So the origin answered
    /// at once, as if there were no cache.
    Passed,
    /// The cache was neither read nor written; the origin answered.
    Bypassed(Bypass),
}

/// Whether the origin's answer was stored.
///
/// ```
/// # use larder::{Cache, Fill, Outcome, with_cache};
/// #[larder::cached("half", ttl = "60s")]
/// async fn half(n: u64) -> Option<u64> {
///     n.is_multiple_of(2).then_some(n / 2)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// with_cache(Cache::memory(), async {
///     assert_eq!(half::fetch(4).await.outcome(), Outcome::Miss(Fill::Stored));
///     assert_eq!(half::fetch(5).await.outcome(), Outcome::Miss(Fill::NotStored)); // None
/// })
/// .await;
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// It was, and the server acknowledged it.
    Stored,
    /// It was not, and should not be: `None` without a `negative_ttl`, cheaper than `min_cost`,
    /// invalidated in the meantime, or computed without a lease after the policy's `wait`.
    NotStored,
    /// The cache failed, before or after the origin call.
    Failed(CacheFailure),
}

/// How the cache failed.
///
/// ```
/// # use larder::{Cache, Fill, Outcome, CacheFailure, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let down = Cache::builder().url("memcached://127.0.0.1:1").build().unwrap();
/// let fetched = with_cache(down, square::fetch(12)).await;
/// assert_eq!(*fetched, 144);
/// assert_eq!(fetched.outcome(), Outcome::Miss(Fill::Failed(CacheFailure::Refused)));
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CacheFailure {
    /// No complete answer within the budget.
    Timeout,
    /// No connection could be made.
    Refused,
    /// The server closed the connection.
    Closed,
    /// The server's answer was invalid.
    Protocol,
    /// The value could not be encoded. (An entry that cannot be decoded is a miss, counted as
    /// [`Stats::unreadable`](crate::Stats::unreadable).)
    Decode,
    /// The value is larger than the policy or the server allows.
    Oversize,
    /// The server has no memory for the item, and does not evict others for it.
    Full,
    /// The server, or a proxy before it, has refused to store the item.
    Rejected,
    /// The name of the server cannot be resolved.
    Dns,
    /// TLS failed: one side does not trust the other's certificate, or the server speaks no TLS.
    Tls,
    /// The server asks for a user and a password, or refuses those of the URL.
    Login,
}

impl CacheFailure {
    /// Every kind.
    ///
    /// ```
    /// let names = larder::CacheFailure::ALL.map(|kind| kind.to_string());
    /// assert_eq!(
    ///     names.join(" "),
    ///     "timeout refused closed protocol decode oversize full rejected dns tls login"
    /// );
    /// ```
    pub const ALL: [Self; 11] = [
        Self::Timeout,
        Self::Refused,
        Self::Closed,
        Self::Protocol,
        Self::Decode,
        Self::Oversize,
        Self::Full,
        Self::Rejected,
        Self::Dns,
        Self::Tls,
        Self::Login,
    ];
}

impl std::fmt::Display for CacheFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::Decode => "decode",
            Self::Oversize => "oversize",
            Self::Full => "full",
            Self::Rejected => "rejected",
            Self::Dns => "dns",
            Self::Tls => "tls",
            Self::Login => "login",
        })
    }
}

/// Why the cache was neither read nor written.
///
/// ```
/// # use larder::{Bypass, Cache, Outcome, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let off = with_cache(Cache::null(), square::fetch(12)).await;
/// assert_eq!(off.outcome(), Outcome::Bypassed(Bypass::Disabled));
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bypass {
    /// The cache is disabled or not installed, or there is no tokio runtime that it could use.
    Disabled,
    /// The circuit breaker of the key's server is open: too many of its last calls failed.
    Breaker,
    /// The caller asked for it ([`Freshness::Bypass`]).
    Requested,
    /// Another function, or another type, has the name: an error in the log names both.
    Name,
    /// No key can be made of the arguments: an error in the log says why.
    Key,
}

/// How a caller wants the cache to be used; see [`with_freshness`](crate::with_freshness).
///
/// ```
/// # use larder::{Bypass, Cache, Fill, Freshness, Outcome, with_cache, with_freshness};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// with_cache(Cache::memory(), async {
///     square(12).await;
///     for (wish, expected) in [
///         (Freshness::Normal, Outcome::Hit),
///         (Freshness::Refresh, Outcome::Refreshed(Fill::Stored)),
///         (Freshness::Bypass, Outcome::Bypassed(Bypass::Requested)),
///     ] {
///         assert_eq!(with_freshness(wish, square::fetch(12)).await.outcome(), expected);
///     }
/// })
/// .await;
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Freshness {
    /// As the policy allows.
    #[default]
    Normal,
    /// A new value from the origin, stored for others (HTTP's `no-cache`).
    Refresh,
    /// The origin, with the cache neither read nor written (HTTP's `no-store`).
    Bypass,
}

/// Where a value came from.
///
/// ```
/// # use larder::{Cache, Source, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// with_cache(Cache::memory(), async {
///     assert_eq!(square::fetch(12).await.source(), Source::Origin);
///     assert_eq!(square::fetch(12).await.source(), Source::Cache);
/// })
/// .await;
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The origin, called by this call or by another one that it waited for.
    Origin,
    /// A fresh entry.
    Cache,
    /// An entry past its ttl.
    Stale,
}

impl Outcome {
    /// Where the value came from.
    #[must_use]
    pub fn source(self) -> Source {
        match self {
            Self::Hit => Source::Cache,
            Self::Stale | Self::StaleOnError | Self::StaleAfterError => Source::Stale,
            _ => Source::Origin,
        }
    }
}

/// Why a call goes to its origin without a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uncoordinated {
    Bypassed(Bypass),
    Failed(CacheFailure),
    /// Waited for another caller's origin call for as long as the policy allows, or for one that
    /// came to nothing.
    Waited,
    /// The last answer for this key could not be stored, a moment ago.
    NotStorable,
}

impl Uncoordinated {
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Bypassed(why) => Outcome::Bypassed(why),
            Self::Failed(failure) => Outcome::Miss(Fill::Failed(failure)),
            Self::Waited => Outcome::Miss(Fill::NotStored),
            Self::NotStorable => Outcome::Passed,
        }
    }
}

impl From<StoreError> for Uncoordinated {
    fn from(error: StoreError) -> Self {
        match error.failure() {
            Some(failure) => Self::Failed(failure),
            None => Self::Bypassed(Bypass::Breaker),
        }
    }
}

impl StoreError {
    /// `None` if the server was not asked: the breaker was open.
    pub(crate) fn failure(self) -> Option<CacheFailure> {
        Some(match self {
            Self::Timeout => CacheFailure::Timeout,
            Self::Refused | Self::Unreachable => CacheFailure::Refused,
            Self::Closed => CacheFailure::Closed,
            Self::Protocol => CacheFailure::Protocol,
            Self::Oversize => CacheFailure::Oversize,
            Self::Full => CacheFailure::Full,
            Self::Rejected => CacheFailure::Rejected,
            Self::Dns => CacheFailure::Dns,
            Self::Tls => CacheFailure::Tls,
            Self::LoginNeeded | Self::LoginRefused => CacheFailure::Login,
            Self::Breaker | Self::NoRuntime => return None,
        })
    }
}
