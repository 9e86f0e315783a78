//! A value together with what became of the call that got it.

use std::{ops::Deref, time::Duration};

use crate::outcome::{Outcome, Source};

/// A value, where it came from, and what it took. Derefs to the value.
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
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Where the value came from.
    #[must_use]
    pub fn source(&self) -> Source {
        self.outcome.source()
    }

    /// Whether a fresh entry answered.
    #[must_use]
    pub fn is_hit(&self) -> bool {
        self.outcome == Outcome::Hit
    }

    /// Time since the origin had answered.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.age
    }

    /// Whole seconds for which the value is still fresh; negative when it is stale, 0 when it was not stored. Of another caller's
    /// origin call that this one waited for: for how long that caller means to keep it.
    #[must_use]
    pub fn ttl_left(&self) -> i64 {
        self.ttl_left
    }

    /// What cache I/O added to this call: lookup and fill. Waiting for another caller's origin call is not in it.
    #[must_use]
    pub fn cache_time(&self) -> Duration {
        self.cache_time
    }

    /// How long this call's own origin call took, if it made one that succeeded.
    #[must_use]
    pub fn origin_time(&self) -> Option<Duration> {
        self.origin_time
    }

    /// The value alone.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The same call with another value, made from this one.
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
