//! A value together with what became of the call that got it.

use std::{ops::Deref, time::Duration};

use crate::outcome::{Outcome, Source};

/// A value, where it came from, and what it took. Derefs to the value.
///
/// ```
/// # use std::time::Duration;
/// # use larder::{Cache, Fill, Outcome, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// with_cache(Cache::memory(), async {
///     let fetched = square::fetch(12).await;
///     assert_eq!(*fetched, 144);
///     assert_eq!(fetched.outcome(), Outcome::Miss(Fill::Stored));
///     assert_eq!((fetched.age(), fetched.ttl_left()), (Duration::ZERO, 60));
/// })
/// .await;
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched<T> {
    pub(crate) value: T,
    pub(crate) outcome: Outcome,
    pub(crate) age: Duration,
    pub(crate) ttl_left: i64,
    pub(crate) cache_time: Duration,
    pub(crate) origin_time: Option<Duration>,
}

impl<T> Fetched<T> {
    /// What became of the call.
    ///
    /// ```
    /// # use larder::{Cache, Fill, Outcome, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// with_cache(Cache::memory(), async {
    ///     assert_eq!(square::fetch(12).await.outcome(), Outcome::Miss(Fill::Stored));
    ///     assert_eq!(square::fetch(12).await.outcome(), Outcome::Hit);
    /// })
    /// .await;
    /// # }
    /// ```
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Where the value came from.
    ///
    /// ```
    /// # use larder::{Cache, Source, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// with_cache(Cache::memory(), async {
    ///     assert_eq!(square::fetch(12).await.source(), Source::Origin);
    ///     assert_eq!(square::fetch(12).await.source(), Source::Cache);
    /// })
    /// .await;
    /// # }
    /// ```
    #[must_use]
    pub fn source(&self) -> Source {
        self.outcome.source()
    }

    /// Whether a fresh entry answered.
    ///
    /// ```
    /// # use larder::{Cache, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// with_cache(Cache::memory(), async {
    ///     assert!(!square::fetch(12).await.is_hit());
    ///     assert!(square::fetch(12).await.is_hit());
    /// })
    /// .await;
    /// # }
    /// ```
    #[must_use]
    pub fn is_hit(&self) -> bool {
        self.outcome == Outcome::Hit
    }

    /// Time since the origin had answered.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Cache, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// with_cache(Cache::memory(), async {
    ///     square(12).await;
    ///     tokio::time::advance(Duration::from_secs(7)).await;
    ///     assert!(square::fetch(12).await.age() > Duration::from_secs(6));
    /// })
    /// .await;
    /// # }
    /// ```
    #[must_use]
    pub fn age(&self) -> Duration {
        self.age
    }

    /// Whole seconds for which the value is still fresh; negative when it is stale, 0 when it was not stored. Of another caller's
    /// origin call that this one waited for: for how long that caller means to keep it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Cache, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// with_cache(Cache::memory(), async {
    ///     square(12).await;
    ///     tokio::time::advance(Duration::from_secs(7)).await;
    ///     assert!((50..60).contains(&square::fetch(12).await.ttl_left()));
    /// })
    /// .await;
    /// # }
    /// ```
    #[must_use]
    pub fn ttl_left(&self) -> i64 {
        self.ttl_left
    }

    /// What cache I/O added to this call: lookup and fill. Waiting for another caller's origin call is not in it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Cache, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// with_cache(Cache::memory(), async {
    ///     let fetched = square::fetch(12).await;
    ///     assert!(fetched.cache_time() < Duration::from_millis(50)); // the budget
    /// })
    /// .await;
    /// # }
    /// ```
    #[must_use]
    pub fn cache_time(&self) -> Duration {
        self.cache_time
    }

    /// How long this call's own origin call took, if it made one that succeeded.
    ///
    /// ```
    /// # use larder::{Cache, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// with_cache(Cache::memory(), async {
    ///     assert!(square::fetch(12).await.origin_time().is_some());
    ///     assert!(square::fetch(12).await.origin_time().is_none()); // a hit
    /// })
    /// .await;
    /// # }
    /// ```
    #[must_use]
    pub fn origin_time(&self) -> Option<Duration> {
        self.origin_time
    }

    /// The value alone.
    ///
    /// ```
    /// # use larder::{Cache, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// with_cache(Cache::memory(), async {
    ///     assert_eq!(square::fetch(12).await.into_inner(), 144);
    /// })
    /// .await;
    /// # }
    /// ```
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The same call with another value, made from this one.
    ///
    /// ```
    /// # use larder::{Cache, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// with_cache(Cache::memory(), async {
    ///     let text = square::fetch(12).await.map(|n| n.to_string());
    ///     assert_eq!(*text, "144");
    ///     assert!(!text.is_hit());
    /// })
    /// .await;
    /// # }
    /// ```
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Fetched<U> {
        let Self {
            value,
            outcome,
            age,
            ttl_left,
            cache_time,
            origin_time,
        } = self;
        Fetched {
            value: f(value),
            outcome,
            age,
            ttl_left,
            cache_time,
            origin_time,
        }
    }
}

impl<T> Deref for Fetched<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
