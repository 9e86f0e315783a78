//! How calls are reported: to an observer, if there is one, and as spans of `tracing`. Neither sees
//! a value or an argument.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use tracing::{Span, field};

use crate::{error::CacheError, fetched::Fetched, outcome::Outcome, store::BreakerState};

/// Is notified of every call of a cache that has ended. It connects the cache to a metrics library
/// or a log, which takes a few lines; so larder depends on none of them.
///
/// ```
/// # use std::{convert::Infallible, sync::{Arc, atomic::{AtomicU64, Ordering}}, time::Duration};
/// # use larder::{Cache, Event, Key, Observer, Policy};
/// #[derive(Default)]
/// struct Misses(AtomicU64);
///
/// impl Observer for Misses {
///     fn ended(&self, event: &Event<'_>) {
///         if event.origin_time.is_some() {
///             // metrics::counter!("cache_misses", "function" => event.name.to_owned())
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let misses = Arc::new(Misses::default());
/// let cache = Cache::builder().memory().observer(misses.clone()).build().unwrap();
/// let (key, policy) = (Key::new("answer", &()).unwrap(), Policy::ttl(Duration::from_secs(60)));
/// for _ in 0..3 {
///     cache.get_or_fetch(&key, &policy, || async { Ok::<_, Infallible>(42) }).await.unwrap();
/// }
/// assert_eq!(misses.0.load(Ordering::Relaxed), 1);
/// # }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// A call has ended. This runs in the caller's task before the call returns: it must be quick
    /// and must not block. A panic in it does not reach the caller.
    fn ended(&self, event: &Event<'_>);

    /// A verb has ended: acknowledged, and final everywhere, or failed. By default nothing happens.
    /// Runs as [`Observer::ended`] does.
    fn verb_ended(&self, event: &VerbEvent<'_>) {
        let _ = event;
    }

    /// The circuit breaker of a server has opened or closed. Runs in the task whose call showed
    /// that; what is said of [`Observer::ended`] holds here as well. Does nothing by default.
    fn breaker_changed(&self, change: &BreakerChange<'_>) {
        let _ = change;
    }
}

/// A verb that is reported to an [`Observer`].
///
/// ```
/// let verbs = [larder::Verb::Invalidate, larder::Verb::Flush];
/// assert_eq!(format!("{verbs:?}"), "[Invalidate, Flush]");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// [`Cache::invalidate`](crate::Cache::invalidate), once a key of many.
    Invalidate,
    /// [`Cache::expire`](crate::Cache::expire)
    Expire,
    /// [`Cache::put`](crate::Cache::put), once a key of many.
    Put,
    /// [`Cache::flush`](crate::Cache::flush)
    Flush,
}

/// How one verb ended.
///
/// ```
/// # use std::sync::{Arc, Mutex};
/// # use larder::{Cache, Event, Observer, Scope, VerbEvent};
/// /// Writes a line for each flush.
/// #[derive(Default)]
/// struct Flushes(Mutex<Vec<String>>);
///
/// impl Observer for Flushes {
///     fn ended(&self, _: &Event<'_>) {}
///     fn verb_ended(&self, event: &VerbEvent<'_>) {
///         let line = format!("{:?} {:?}: {:?}", event.verb, event.name, event.error);
///         self.0.lock().unwrap().push(line);
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let flushes = Arc::new(Flushes::default());
/// let cache = Cache::builder().memory().observer(flushes.clone()).build().unwrap();
/// cache.flush(Scope::Name("square")).await.unwrap();
/// assert_eq!(*flushes.0.lock().unwrap(), ["Flush Some(\"square\"): None"]);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerbEvent<'a> {
    /// Which one.
    pub verb: Verb,
    /// The name of the function; `None` of a flush by tag, or of the whole namespace.
    pub name: Option<&'a str>,
    /// The tag of a flush by tag.
    pub tag: Option<&'a str>,
    /// The digest of the key, if it is a verb of one key.
    pub digest: Option<&'a [u8; 32]>,
    /// Why it is not acknowledged; `None` if it is.
    pub error: Option<&'a CacheError>,
    /// How long it took, with the wait for near copies.
    pub took: Duration,
}

/// A change of a server's circuit breaker.
///
/// ```
/// # use std::sync::{Arc, Mutex};
/// # use larder::{BreakerChange, BreakerState, Cache, Event, Observer, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// #[derive(Default)]
/// struct Opened(Mutex<Vec<String>>);
///
/// impl Observer for Opened {
///     fn ended(&self, _: &Event<'_>) {}
///
///     fn breaker_changed(&self, change: &BreakerChange<'_>) {
///         if change.state == BreakerState::Open {
///             self.0.lock().unwrap().push(change.server.to_owned());
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let opened = Arc::new(Opened::default());
/// let down = Cache::builder().url("memcached://127.0.0.1:1").observer(opened.clone());
/// let down = down.build().unwrap();
/// for n in 0..20 {
///     with_cache(down.clone(), square(n)).await;
/// }
/// assert_eq!(*opened.0.lock().unwrap(), ["127.0.0.1:1"]);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BreakerChange<'a> {
    /// The server as `host:port`, or the path of its Unix socket.
    pub server: &'a str,
    /// What it is from now on.
    pub state: BreakerState,
}

/// How one call ended. A call for many keys reports one event for each of them.
///
/// ```
/// # use std::sync::{Arc, Mutex};
/// # use larder::{Cache, Event, Observer, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// /// Writes a line for each call.
/// #[derive(Default)]
/// struct Log(Mutex<Vec<String>>);
///
/// impl Observer for Log {
///     fn ended(&self, event: &Event<'_>) {
///         let line = format!("{} {:?}", event.name, event.outcome);
///         self.0.lock().unwrap().push(line);
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let log = Arc::new(Log::default());
/// let cache = Cache::builder().memory().observer(log.clone()).build().unwrap();
/// with_cache(cache, square(12)).await;
/// assert_eq!(*log.0.lock().unwrap(), ["square Some(Miss(Stored))"]);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<'a> {
    /// The name of the function.
    pub name: &'a str,
    /// `None` if the origin failed and the caller got its error.
    pub outcome: Option<Outcome>,
    /// Whether a copy in this process has answered, without the server; see [`Policy::near`].
    ///
    /// [`Policy::near`]: crate::Policy::near
    pub near: bool,
    /// See [`Fetched::cache_time`].
    pub cache_time: Duration,
    /// See [`Fetched::origin_time`].
    pub origin_time: Option<Duration>,
}

impl<'a> Event<'a> {
    pub(crate) fn value<T>(name: &'a str, fetched: &Fetched<T>) -> Self {
        Self {
            name,
            outcome: Some(fetched.outcome),
            near: fetched.near,
            cache_time: fetched.cache_time,
            origin_time: fetched.origin_time,
        }
    }

    pub(crate) fn error(name: &'a str, cache_time: Duration) -> Self {
        Self {
            name,
            outcome: None,
            near: false,
            cache_time,
            origin_time: None,
        }
    }
}

/// The observer of a cache, if it has one.
#[derive(Clone, Default)]
pub(crate) struct Observers(Option<Arc<dyn Observer>>);

impl Observers {
    pub(crate) fn of(observer: Arc<dyn Observer>) -> Self {
        Self(Some(observer))
    }

    pub(crate) fn notify(&self, event: &Event<'_>) {
        if let Some(observer) = &self.0 {
            let notified = AssertUnwindSafe(|| observer.ended(event));
            // The panic hook has reported it already; the caller still gets its value.
            let _ = catch_unwind(notified);
        }
    }

    pub(crate) fn notify_verb(&self, event: &VerbEvent<'_>) {
        if let Some(observer) = &self.0 {
            let notified = AssertUnwindSafe(|| observer.verb_ended(event));
            let _ = catch_unwind(notified);
        }
    }

    pub(crate) fn breaker_changed(&self, change: &BreakerChange<'_>) {
        if let Some(observer) = &self.0 {
            let notified = AssertUnwindSafe(|| observer.breaker_changed(change));
            let _ = catch_unwind(notified);
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some" } else { "None" })
    }
}

/// The span of one call. Without a subscriber for it, it costs the check of a flag.
pub(crate) fn call(name: &str) -> Span {
    tracing::debug_span!("larder.call", name, outcome = field::Empty)
}

/// The span of a call for many keys.
pub(crate) fn call_many(keys: usize) -> Span {
    tracing::debug_span!("larder.call_many", keys)
}

/// The span of an origin call.
pub(crate) fn origin(name: &str) -> Span {
    tracing::debug_span!("larder.origin", name)
}

/// Records the outcome in the span of a call.
pub(crate) fn record(span: &Span, outcome: Option<Outcome>) {
    if span.is_disabled() {
        return;
    }
    match outcome {
        Some(outcome) => span.record("outcome", field::debug(outcome)),
        None => span.record("outcome", "OriginError"),
    };
}
