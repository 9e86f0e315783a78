//! How long a value lives and how it is refilled: one `const` value a function.
//!
//! Owns the knobs and the rules between them. Knows no clock, key or server.

use std::time::Duration;

/// How one function's values are cached.
///
/// Made in a `const`, an impossible combination does not compile:
///
/// ```
/// # use std::time::Duration;
/// const USER: larder::Policy = larder::Policy::ttl(Duration::from_secs(60))
///     .jitter(10)
///     .stale_while_revalidate(Duration::from_secs(30))
///     .negative_ttl(Duration::from_secs(5));
/// ```
///
/// ```compile_fail
/// # use std::time::Duration;
/// const NEVER: larder::Policy = larder::Policy::ttl(Duration::ZERO);
/// ```
///
/// Times from settings or requests go through [`Policy::try_build`] instead, which answers with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub(crate) parts: PolicyParts,
}

/// The knobs of a [`Policy`] as plain values, for [`Policy::try_build`].
///
/// ```
/// # use std::time::Duration;
/// # use larder::{Policy, PolicyParts};
/// let mut parts = PolicyParts::new(Duration::from_secs(60));
/// parts.jitter_percent = 10;
/// assert_eq!(Policy::try_build(parts), Ok(Policy::ttl(Duration::from_secs(60)).jitter(10)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyParts {
    /// See [`Policy::ttl`].
    pub ttl: Duration,
    /// See [`Policy::jitter`].
    pub jitter_percent: u8,
    /// See [`Policy::stale_while_revalidate`].
    pub stale_while_revalidate: Duration,
    /// See [`Policy::stale_if_error`].
    pub stale_if_error: Duration,
    /// See [`Policy::negative_ttl`].
    pub negative_ttl: Option<Duration>,
    /// See [`Policy::lease`].
    pub lease: Duration,
    /// See [`Policy::wait`].
    pub wait: Duration,
    /// See [`Policy::min_cost`].
    pub min_cost: Duration,
    /// See [`Policy::max_size`].
    pub max_size: usize,
    /// See [`Policy::compress_over`].
    pub compress_over: Option<usize>,
    /// See [`Policy::version`].
    pub version: u32,
}

/// Why [`Policy::try_build`] refused.
///
/// ```
/// # use std::time::Duration;
/// # use larder::{Policy, PolicyParts};
/// let error = Policy::try_build(PolicyParts::new(Duration::ZERO)).unwrap_err();
/// assert!(error.to_string().starts_with("a ttl of zero would never hit"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(&'static str);

impl PolicyParts {
    /// Everything at its default but the ttl.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::PolicyParts;
    /// let parts = PolicyParts::new(Duration::from_secs(60));
    /// assert_eq!((parts.lease, parts.wait), (Duration::from_secs(5), Duration::from_secs(10)));
    /// ```
    #[must_use]
    pub const fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            jitter_percent: 0,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            negative_ttl: None,
            lease: Duration::from_secs(5),
            wait: Duration::from_secs(10),
            min_cost: Duration::ZERO,
            max_size: MAX_SIZE,
            compress_over: None,
            version: 0,
        }
    }

    const fn wrong(&self) -> Option<&'static str> {
        if self.ttl.is_zero() {
            return Some("a ttl of zero would never hit: leave the function uncached instead");
        }
        if self.ttl.as_secs() > LONGEST.as_secs() || self.stale().as_secs() > LONGEST.as_secs() {
            return Some("ttl and stale windows end at ten years: an entry must expire some day");
        }
        if self.jitter_percent > 50 {
            return Some("jitter is at most 50 percent of the ttl");
        }
        if let Some(negative) = self.negative_ttl {
            if negative.is_zero() {
                return Some("a negative_ttl of zero: leave it out, and None is not cached");
            }
            if negative.as_nanos() > self.ttl.as_nanos() {
                return Some("negative_ttl is at most ttl: an absence must not outlive a presence");
            }
        }
        if self.lease.as_secs() < 2 || self.lease.as_secs() > 3600 {
            return Some("lease is 2 seconds to an hour: memcached may end a shorter one at once");
        }
        if self.wait.as_secs() > 3600 {
            return Some("wait is at most an hour: its caller waits as long");
        }
        if self.max_size == 0 || self.max_size > MAX_SIZE {
            return Some("max_size is 1 to 1,048,000 bytes, what one memcached item can hold");
        }
        None
    }

    /// The longer of the two stale windows.
    pub(crate) const fn stale(&self) -> Duration {
        if self.stale_while_revalidate.as_nanos() > self.stale_if_error.as_nanos() {
            self.stale_while_revalidate
        } else {
            self.stale_if_error
        }
    }
}

/// Ten years.
pub(crate) const LONGEST: Duration = Duration::from_secs(315_360_000);

/// memcached's items end at 1 MiB with their key (at most 250 bytes) and header (59 to 63 bytes, measured on 1.6.18 to 1.6.45).
const MAX_SIZE: usize = 1_048_000;

/// Each setter panics on an impossible value: in a `const` that is a compile error, which is what they are for.
impl Policy {
    /// Entries are fresh for `ttl`. Counted from the moment the origin answered.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Cache, Key, Policy};
    /// const NAME: Policy = Policy::ttl(Duration::from_secs(60));
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
    /// cache.put(&key, &NAME, &"Ada").await.unwrap();
    /// tokio::time::advance(Duration::from_secs(90)).await;
    /// assert!(cache.peek::<String>(&key, &NAME).await.is_none());
    /// # }
    /// ```
    #[must_use]
    pub const fn ttl(ttl: Duration) -> Self {
        Self::sound(PolicyParts::new(ttl))
    }

    /// Shortens each entry's ttl by a random part of it, at most `percent` (0 to 50; default 0): entries that
    /// were filled together then do not expire together.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Cache, Key, Policy};
    /// const NAME: Policy = Policy::ttl(Duration::from_secs(60)).jitter(10);
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
    /// cache.put(&key, &NAME, &"Ada").await.unwrap();
    /// let left = cache.peek::<String>(&key, &NAME).await.unwrap().ttl_left();
    /// assert!((54..=60).contains(&left));
    /// # }
    /// ```
    #[must_use]
    pub const fn jitter(self, percent: u8) -> Self {
        Self::sound(PolicyParts {
            jitter_percent: percent,
            ..self.parts
        })
    }

    /// For this long after its ttl an entry is still served to those who find another caller refreshing it.
    /// The caller who refreshes waits for the new value: nothing runs after an answer.
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use larder::{Cache, Key, Policy};
    /// const NAME: Policy =
    ///     Policy::ttl(Duration::from_secs(60)).stale_while_revalidate(Duration::from_secs(30));
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
    /// cache.put(&key, &NAME, &"Ada").await.unwrap();
    /// tokio::time::advance(Duration::from_secs(75)).await;
    /// let call = |name: &'static str| {
    ///     let origin = async move || {
    ///         tokio::time::sleep(Duration::from_secs(1)).await;
    ///         Ok::<_, Infallible>(name.to_owned())
    ///     };
    ///     cache.get_or_fetch(&key, &NAME, origin)
    /// };
    /// let (first, second) = tokio::join!(call("Grace"), call("Grace"));
    /// assert_eq!((first.unwrap().as_str(), second.unwrap().as_str()), ("Grace", "Ada"));
    /// # }
    /// ```
    #[must_use]
    pub const fn stale_while_revalidate(self, window: Duration) -> Self {
        Self::sound(PolicyParts {
            stale_while_revalidate: window,
            ..self.parts
        })
    }

    /// For this long after its ttl an entry is served when the origin fails.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Cache, Key, Outcome, Policy};
    /// const NAME: Policy = Policy::ttl(Duration::from_secs(60)).stale_if_error(Duration::from_secs(600));
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
    /// cache.put(&key, &NAME, &"Ada").await.unwrap();
    /// tokio::time::advance(Duration::from_secs(90)).await;
    /// let name = cache.get_or_fetch(&key, &NAME, || async { Err::<String, _>("down") }).await;
    /// assert_eq!(name.unwrap().outcome(), Outcome::StaleOnError);
    /// # }
    /// ```
    #[must_use]
    pub const fn stale_if_error(self, window: Duration) -> Self {
        Self::sound(PolicyParts {
            stale_if_error: window,
            ..self.parts
        })
    }

    /// `None` (also inside `Ok`) is cached for this long. Without it `None` is not cached.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Cache, Key, Policy};
    /// const NAME: Policy = Policy::ttl(Duration::from_secs(60)).negative_ttl(Duration::from_secs(5));
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
    /// cache.put(&key, &NAME, &None::<String>).await.unwrap();
    /// let absent = cache.peek::<Option<String>>(&key, &NAME).await.unwrap();
    /// assert_eq!((absent.is_none(), absent.ttl_left()), (true, 5));
    /// # }
    /// ```
    #[must_use]
    pub const fn negative_ttl(self, ttl: Duration) -> Self {
        Self::sound(PolicyParts {
            negative_ttl: Some(ttl),
            ..self.parts
        })
    }

    /// How long a holder's lease outlives its last sign of life (2 s to 1 h; default 5 s, in whole seconds, rounded up).
    /// It is renewed while the origin runs; after a crash or freeze others take over when it has passed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Policy, PolicyParts};
    /// const SLOW: Policy = Policy::ttl(Duration::from_secs(60)).lease(Duration::from_secs(30));
    /// let mut parts = PolicyParts::new(Duration::from_secs(60));
    /// parts.lease = Duration::from_secs(1);
    /// assert!(Policy::try_build(parts).is_err()); // as a `const`, it would not compile
    /// ```
    #[must_use]
    pub const fn lease(self, lease: Duration) -> Self {
        Self::sound(PolicyParts {
            lease,
            ..self.parts
        })
    }

    /// How long a caller waits for another caller's origin call before it makes its own (at most 1 h; default 10 s).
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use larder::{Cache, Fill, Key, Outcome, Policy};
    /// const NAME: Policy = Policy::ttl(Duration::from_secs(60)).wait(Duration::from_secs(1));
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
    /// let call = || {
    ///     let origin = async || {
    ///         tokio::time::sleep(Duration::from_secs(3)).await;
    ///         Ok::<_, Infallible>("Ada".to_owned())
    ///     };
    ///     cache.get_or_fetch(&key, &NAME, origin)
    /// };
    /// let (first, second) = tokio::join!(call(), call());
    /// assert_eq!(first.unwrap().outcome(), Outcome::Miss(Fill::Stored));
    /// assert_eq!(second.unwrap().outcome(), Outcome::Miss(Fill::NotStored)); // its own call
    /// # }
    /// ```
    #[must_use]
    pub const fn wait(self, wait: Duration) -> Self {
        Self::sound(PolicyParts { wait, ..self.parts })
    }

    /// Values whose origin call was quicker than this are not stored (default 0).
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use larder::{Cache, Key, Policy};
    /// const NAME: Policy = Policy::ttl(Duration::from_secs(60)).min_cost(Duration::from_millis(5));
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
    /// let quick = || async { Ok::<_, Infallible>("Ada".to_owned()) };
    /// cache.get_or_fetch(&key, &NAME, quick).await.unwrap();
    /// assert!(cache.peek::<String>(&key, &NAME).await.is_none());
    /// # }
    /// ```
    #[must_use]
    pub const fn min_cost(self, cost: Duration) -> Self {
        Self::sound(PolicyParts {
            min_cost: cost,
            ..self.parts
        })
    }

    /// Entries above this many bytes, as they are stored, are not stored (default and most: 1,048,000).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Cache, Key, Policy};
    /// const NAME: Policy = Policy::ttl(Duration::from_secs(60)).max_size(1000);
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
    /// assert!(cache.put(&key, &NAME, &"Ada").await.is_ok());
    /// assert!(cache.put(&key, &NAME, &"Ada".repeat(1000)).await.is_err());
    /// # }
    /// ```
    #[must_use]
    pub const fn max_size(self, bytes: usize) -> Self {
        Self::sound(PolicyParts {
            max_size: bytes,
            ..self.parts
        })
    }

    /// Values above this many encoded bytes, up to 8 MiB, are compressed with LZ4 if that makes them shorter (default: none is).
    /// It saves the server's memory and lets a value above `max_size` in; a hit costs the decompression, some 0.2 µs a KiB.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Cache, Key, Policy};
    /// const NAME: Policy = Policy::ttl(Duration::from_secs(60)).max_size(1000).compress_over(500);
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
    /// assert!(cache.put(&key, &NAME, &"Ada".repeat(1000)).await.is_ok());
    /// # }
    /// ```
    #[must_use]
    pub const fn compress_over(self, bytes: usize) -> Self {
        Self::sound(PolicyParts {
            compress_over: Some(bytes),
            ..self.parts
        })
    }

    /// The schema version of the value (default 0). Raise it when the meaning of a field changes and its type does not:
    /// old and new releases then keep their own entries.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Cache, Key, Policy};
    /// const CENTS: Policy = Policy::ttl(Duration::from_secs(60));
    /// const EUROS: Policy = CENTS.version(1);
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
    /// cache.put(&key, &CENTS, &950).await.unwrap();
    /// assert!(cache.peek::<u32>(&key, &EUROS).await.is_none());
    /// # }
    /// ```
    #[must_use]
    pub const fn version(self, version: u32) -> Self {
        Self::sound(PolicyParts {
            version,
            ..self.parts
        })
    }

    /// A policy from values that are known only at run time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Policy, PolicyParts};
    /// let policy = |seconds| Policy::try_build(PolicyParts::new(Duration::from_secs(seconds)));
    /// assert_eq!(policy(60), Ok(Policy::ttl(Duration::from_secs(60))));
    /// assert!(policy(0).is_err());
    /// ```
    ///
    /// # Errors
    /// [`PolicyError`] names the first rule that the parts break.
    pub const fn try_build(parts: PolicyParts) -> Result<Self, PolicyError> {
        match parts.wrong() {
            None => Ok(Self { parts }),
            Some(rule) => Err(PolicyError(rule)),
        }
    }

    const fn sound(parts: PolicyParts) -> Self {
        match parts.wrong() {
            None => Self { parts },
            Some(rule) => panic!("{}", rule),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_is_named_when_it_is_broken() {
        let good = PolicyParts::new(Duration::from_secs(60));
        assert!(Policy::try_build(good).is_ok());
        let bad = [
            (
                PolicyParts {
                    ttl: Duration::ZERO,
                    ..good
                },
                "ttl of zero",
            ),
            (
                PolicyParts {
                    ttl: Duration::MAX,
                    ..good
                },
                "ten years",
            ),
            (
                PolicyParts {
                    stale_if_error: Duration::MAX,
                    ..good
                },
                "ten years",
            ),
            (
                PolicyParts {
                    jitter_percent: 51,
                    ..good
                },
                "jitter",
            ),
            (
                PolicyParts {
                    negative_ttl: Some(Duration::ZERO),
                    ..good
                },
                "negative_ttl",
            ),
            (
                PolicyParts {
                    negative_ttl: Some(Duration::from_secs(61)),
                    ..good
                },
                "negative_ttl",
            ),
            (
                PolicyParts {
                    lease: Duration::from_secs(1),
                    ..good
                },
                "lease",
            ),
            (
                PolicyParts {
                    wait: Duration::MAX,
                    ..good
                },
                "wait",
            ),
            (
                PolicyParts {
                    max_size: 0,
                    ..good
                },
                "max_size",
            ),
            (
                PolicyParts {
                    max_size: MAX_SIZE + 1,
                    ..good
                },
                "max_size",
            ),
        ];
        for (parts, rule) in bad {
            let error = Policy::try_build(parts).unwrap_err().to_string();
            assert!(error.contains(rule), "{error} does not name {rule}");
        }
    }
}
