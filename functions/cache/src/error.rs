//! The error of the explicit verbs. A memoised call has none of its own: it returns its function's.

use crate::{key::KeyError, store::StoreError};

/// Why a verb such as `invalidate` or `flush` could not be acknowledged.
///
/// ```
/// # use larder::{Cache, CacheError, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(square::invalidate(12).await, Err(CacheError::NotInstalled));
/// let down = Cache::builder().url("memcached://127.0.0.1:1").build().unwrap();
/// with_cache(down, async {
///     assert_eq!(square(12).await, 144); // a call is answered all the same
///     assert!(matches!(square::invalidate(12).await, Err(CacheError::Unacknowledged(_))));
/// })
/// .await;
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// No cache is installed and none is given by [`with_cache`](crate::with_cache).
    #[error("no cache is installed")]
    NotInstalled,
    /// Another function has this name: what would be stored is what that one would read.
    #[error("another cached function is named {0:?}")]
    NameTaken(&'static str),
    /// The arguments have no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// These servers did not acknowledge. What they hold may live on; the verb can be repeated.
    #[error("not acknowledged by {}", list(.0))]
    Unacknowledged(Vec<ServerError>),
    /// The value can not be encoded, or is larger than its policy allows.
    #[error("the value can not be stored: {0}")]
    Value(String),
    /// Others kept writing the entry while this verb tried to. It can be repeated.
    #[error("others kept writing the entry")]
    Contended,
}

/// One server's failure.
///
/// ```
/// # use larder::{Cache, Scope};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let down = Cache::builder().url("memcached://127.0.0.1:1").build().unwrap();
/// let error = down.flush(Scope::All).await.unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "not acknowledged by 127.0.0.1:1 (connection refused or unreachable)"
/// );
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{server} ({reason})")]
pub struct ServerError {
    server: String,
    reason: StoreError,
}

impl ServerError {
    pub(crate) fn new(server: impl Into<String>, reason: StoreError) -> Self {
        Self {
            server: server.into(),
            reason,
        }
    }

    /// `host:port` of the server.
    ///
    /// ```
    /// # use larder::{Cache, CacheError, Scope};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let down = Cache::builder().url("memcached://127.0.0.1:1").build().unwrap();
    /// let Err(CacheError::Unacknowledged(servers)) = down.flush(Scope::All).await else { panic!() };
    /// assert_eq!(servers[0].server(), "127.0.0.1:1");
    /// # }
    /// ```
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }
}

fn list(errors: &[ServerError]) -> String {
    errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
