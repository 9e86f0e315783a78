//! A value, and the outcome of the call that got it.

use std::{ops::Deref, time::Duration};

use crate::outcome::{Outcome, Source};

/// A value, where it came from, and how long that took. Dereferences to the value.
///
/// ```
/// # use std::time::Duration;
/// # use larder::{Cache, Fill, Outcome, Source, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// with_cache(Cache::memory(), async {
///     let fetched = square::fetch(12).await;
///     assert_eq!(*fetched, 144);
///     assert_eq!(fetched.outcome(), Outcome::Miss(Fill::Stored));
///     assert!(fetched.age() == Duration::ZERO && (54..=60).contains(&fetched.ttl_left()));
///     assert!(fetched.cache_time() < Duration::from_millis(50)); // the budget
///     assert!(fetched.origin_time().is_some());
///
///     tokio::time::advance(Duration::from_secs(7)).await;
///     let text = square::fetch(12).await.map(|n| n.to_string());
///     assert!(text.is_hit() && text.source() == Source::Cache && text.origin_time().is_none());
///     assert!(text.age() > Duration::from_secs(6) && (46..54).contains(&text.ttl_left()));
///     assert_eq!(text.into_inner(), "144");
/// })
/// .await;
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched<T> {
    pub(crate) value: T,
    pub(crate) outcome: Outcome,
    pub(crate) near: bool,
    pub(crate) age: Duration,
    pub(crate) ttl_left: i64,
    pub(crate) cache_time: Duration,
    pub(crate) origin_time: Option<Duration>,
}

impl<T> Fetched<T> {
    /// How the call was answered.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Where the value came from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.outcome.source()
    }

    /// Whether the value is a fresh entry's.
    #[must_use]
    pub fn is_hit(&self) -> bool {
        self.outcome == Outcome::Hit
    }

    /// Whether a copy in this process has answered, without the server; see
    /// [`Policy::near`](crate::Policy::near).
    #[must_use]
    pub fn is_near(&self) -> bool {
        self.near
    }

    /// The time since the origin answered.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.age
    }

    /// For how many whole seconds the value is still fresh: negative if it is stale, 0 if it was
    /// not stored. After waiting for another caller's origin call: that of the value which that one
    /// stores.
    #[must_use]
    pub fn ttl_left(&self) -> i64 {
        self.ttl_left
    }

    /// The time that lookup and fill added to this call, without the time spent waiting for another
    /// caller's origin call.
    #[must_use]
    pub fn cache_time(&self) -> Duration {
        self.cache_time
    }

    /// How long this call's own origin call took; `None` if it made none, or if that failed.
    #[must_use]
    pub fn origin_time(&self) -> Option<Duration> {
        self.origin_time
    }

    /// The value alone.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// Applies `f` to the value and keeps everything else.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Fetched<U> {
        let (value, rest) = self.split();
        rest.with(f(value))
    }

    fn split(self) -> (T, Fetched<()>) {
        let Self { value, .. } = self;
        let rest = Fetched {
            value: (),
            outcome: self.outcome,
            near: self.near,
            age: self.age,
            ttl_left: self.ttl_left,
            cache_time: self.cache_time,
            origin_time: self.origin_time,
        };
        (value, rest)
    }
}

impl<T, E> Fetched<Result<T, E>> {
    /// The value, or the error alone.
    pub(crate) fn transpose(self) -> Result<Fetched<T>, E> {
        let (value, rest) = self.split();
        value.map(|value| rest.with(value))
    }
}

impl Fetched<()> {
    fn with<T>(self, value: T) -> Fetched<T> {
        Fetched {
            value,
            outcome: self.outcome,
            near: self.near,
            age: self.age,
            ttl_left: self.ttl_left,
            cache_time: self.cache_time,
            origin_time: self.origin_time,
        }
    }
}

impl<T> Deref for Fetched<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
