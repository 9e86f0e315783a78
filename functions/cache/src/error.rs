//! The error of the explicit verbs. A cached call has none of its own: it returns its function's.

use std::sync::Arc;

use crate::{
    key::KeyError,
    store::{Store, StoreError},
};

/// Why a verb such as `invalidate` or `flush` failed. A cached call never returns it.
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
///     assert_eq!(square(12).await, 144); // a call is answered nevertheless
///     assert!(matches!(square::invalidate(12).await, Err(CacheError::Unacknowledged(_))));
/// })
/// .await;
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// There is no cache, neither from [`install`](crate::install) nor from
    /// [`with_cache`](crate::with_cache). An error, and not a success of nothing: an invalidation
    /// that reaches no server leaves what other processes have stored there.
    #[error("no cache is installed")]
    NotInstalled,
    /// The cache is [disabled](crate::Builder::disabled). No server was asked: entries that other
    /// processes use are as they were.
    #[error("the cache is disabled")]
    Disabled,
    /// Another cached function has the same name, and would read what this one stores.
    #[error("another cached function is named {0:?}")]
    NameTaken(&'static str),
    /// The arguments cannot be made into a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// These servers did not acknowledge the verb. Their entries may live on; repeating it is safe.
    #[error("not acknowledged by {}", list(.0))]
    Unacknowledged(Vec<ServerError>),
    /// The value cannot be encoded, or its policy does not allow it to be stored.
    #[error("the value cannot be stored: {0}")]
    Value(String),
    /// Other callers wrote the entry during each of this verb's tries. Repeating it is safe.
    #[error("other callers kept writing the entry")]
    Contended,
}

/// Which server failed, and why.
///
/// ```
/// # use larder::{Cache, CacheError, Scope};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let down = Cache::builder().url("memcached://127.0.0.1:1").build().unwrap();
/// let error = down.flush(Scope::All).await.unwrap_err();
/// let text = "not acknowledged by 127.0.0.1:1 (connection refused";
/// assert!(error.to_string().starts_with(text)); // and what the system says about it
/// let CacheError::Unacknowledged(servers) = error else { panic!() };
/// assert_eq!(servers[0].server(), "127.0.0.1:1");
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{server} ({reason}{})", cause.as_ref().map_or(String::new(), |cause| format!(": {cause}")))]
pub struct ServerError {
    server: String,
    reason: StoreError,
    /// The text of what went wrong, if the server could not be connected to.
    cause: Option<Arc<str>>,
}

impl ServerError {
    pub(crate) fn new(store: &Store, server: impl Into<String>, reason: StoreError) -> Self {
        let server = server.into();
        let cause = store
            .cause(&server)
            .filter(|_| reason.is_about_connecting());
        Self {
            server,
            reason,
            cause,
        }
    }

    /// The server as `host:port`, or the path of its Unix socket.
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
