//! How long a value lives and how it is refilled: one `const` value for each function.

use std::time::Duration;

/// How one function's values are cached.
///
/// ```
/// # use std::{convert::Infallible, time::Duration};
/// # use larder::{Cache, Key, Policy};
/// const NAME: Policy = Policy::ttl(Duration::from_secs(60))
///     .jitter(20) // fresh for 48 to 60 s; by default it is 10: for 54 to 60 s
///     .stale_while_revalidate(Duration::from_secs(30))
///     .negative_ttl(Duration::from_secs(5));
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
/// cache.put(&key, &NAME, &"Ada").await.unwrap();
/// tokio::time::advance(Duration::from_secs(75)).await;
/// let call = || {
///     let origin = async || {
///         tokio::time::sleep(Duration::from_secs(1)).await;
///         Ok::<_, Infallible>("Grace".to_owned())
///     };
///     cache.get_or_fetch(&key, &NAME, origin)
/// };
/// // Past its ttl, within its stale window: the first caller refreshes, the second need not wait.
/// let (first, second) = tokio::join!(call(), call());
/// assert_eq!((first.unwrap().as_str(), second.unwrap().as_str()), ("Grace", "Ada"));
/// # }
/// ```
///
/// In a `const`, an impossible combination does not compile:
///
/// ```compile_fail
/// # use std::time::Duration;
/// const NEVER: larder::Policy = larder::Policy::ttl(Duration::ZERO);
/// ```
///
/// For times from settings or requests use [`Policy::try_build`], which returns an error instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    pub(crate) parts: PolicyParts,
}

/// The parameters of a [`Policy`] as plain values, for [`Policy::try_build`].
///
/// ```
/// # use std::time::Duration;
/// # use larder::{Policy, PolicyParts};
/// let mut parts = PolicyParts::new(Duration::from_secs(60));
/// parts.jitter_percent = 20;
/// assert_eq!(Policy::try_build(parts), Ok(Policy::ttl(Duration::from_secs(60)).jitter(20)));
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
    /// See [`Policy::near`].
    pub near: Duration,
}

/// Why [`Policy::try_build`] failed: the first rule that the parts break.
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
    /// All parameters at their defaults, except the ttl.
    #[must_use]
    pub const fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            jitter_percent: 10,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            negative_ttl: None,
            lease: Duration::from_secs(5),
            wait: Duration::from_secs(10),
            min_cost: Duration::ZERO,
            max_size: MAX_SIZE,
            compress_over: None,
            version: 0,
            near: Duration::ZERO,
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
        if !self.near.is_zero() && self.near.as_nanos() < NEAR_SHORTEST.as_nanos()
            || self.near.as_nanos() > NEAR_LONGEST.as_nanos()
        {
            return Some("near is 1 ms to 2 s: an invalidation waits for as long");
        }
        if self.near.as_nanos() > self.ttl.as_nanos() {
            return Some("near is at most ttl: a copy must not outlive its entry");
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

/// The longest time of a near copy. Part of the format of records for ever: an invalidation that
/// finds none of them waits for this long.
pub(crate) const NEAR_LONGEST: Duration = Duration::from_secs(2);
const NEAR_SHORTEST: Duration = Duration::from_millis(1);

/// memcached limits an item to 1 MiB with its key (at most 250 bytes) and its header (59 to 63
/// bytes, measured on 1.6.18 to 1.6.45).
const MAX_SIZE: usize = 1_048_000;

/// Each setter panics on an impossible value. They are meant for a `const`, where that is a compile
/// error.
impl Policy {
    /// Entries are fresh for `ttl` (more than 0, at most ten years) after the origin answered, less
    /// their [jitter](Policy::jitter).
    #[must_use]
    pub const fn ttl(ttl: Duration) -> Self {
        Self::sound(PolicyParts::new(ttl))
    }

    /// Shortens each entry's ttl by a random part of it, at most `percent` (0 to 50, default
    /// 10), so that entries that were filled together do not expire together. With 0 every entry is
    /// fresh for exactly its ttl.
    #[must_use]
    pub const fn jitter(self, percent: u8) -> Self {
        Self::sound(PolicyParts {
            jitter_percent: percent,
            ..self.parts
        })
    }

    /// How long after its ttl an entry is served while another caller refreshes it (default 0, at
    /// most ten years). The caller that refreshes waits for the new value, unless the attribute
    /// says `background_refresh = true`.
    #[must_use]
    pub const fn stale_while_revalidate(self, window: Duration) -> Self {
        Self::sound(PolicyParts {
            stale_while_revalidate: window,
            ..self.parts
        })
    }

    /// How long after its ttl an entry is served if the caller's own origin call fails (default 0,
    /// at most ten years).
    #[must_use]
    pub const fn stale_if_error(self, window: Duration) -> Self {
        Self::sound(PolicyParts {
            stale_if_error: window,
            ..self.parts
        })
    }

    /// How long `None` and `Ok(None)` are cached (more than 0, at most the ttl). By default they
    /// are not cached.
    #[must_use]
    pub const fn negative_ttl(self, ttl: Duration) -> Self {
        Self::sound(PolicyParts {
            negative_ttl: Some(ttl),
            ..self.parts
        })
    }

    /// How long the lease of a caller that calls the origin lasts without renewal (2 s to 1 h,
    /// default 5 s, rounded up to whole seconds). It is renewed while the origin runs. If its
    /// holder crashes or freezes, another caller takes over after this time.
    #[must_use]
    pub const fn lease(self, lease: Duration) -> Self {
        Self::sound(PolicyParts {
            lease,
            ..self.parts
        })
    }

    /// How long a caller waits for another caller's origin call before it makes its own, whose
    /// value is not stored (at most 1 h, default 10 s).
    #[must_use]
    pub const fn wait(self, wait: Duration) -> Self {
        Self::sound(PolicyParts { wait, ..self.parts })
    }

    /// Values whose origin call took less time than this are not stored (default 0).
    #[must_use]
    pub const fn min_cost(self, cost: Duration) -> Self {
        Self::sound(PolicyParts {
            min_cost: cost,
            ..self.parts
        })
    }

    /// Entries of more than this many bytes are not stored: the encoded value, compressed if it is,
    /// and 132 bytes of envelope (1 to 1,048,000, the default).
    #[must_use]
    pub const fn max_size(self, bytes: usize) -> Self {
        Self::sound(PolicyParts {
            max_size: bytes,
            ..self.parts
        })
    }

    /// Values of more than this many encoded bytes, up to 8 MiB, are compressed with LZ4 if that
    /// makes them shorter (default: never). It saves memory on the server, and lets in values above
    /// `max_size`. Decompression costs a hit some 0.2 µs for each KiB.
    #[must_use]
    pub const fn compress_over(self, bytes: usize) -> Self {
        Self::sound(PolicyParts {
            compress_over: Some(bytes),
            ..self.parts
        })
    }

    /// The schema version of the value (default 0). Raise it when the meaning of a field changes
    /// but its type does not: old and new releases then keep separate entries.
    #[must_use]
    pub const fn version(self, version: u32) -> Self {
        Self::sound(PolicyParts {
            version,
            ..self.parts
        })
    }

    /// For how long this process may answer from a copy in its own memory, without asking the
    /// server (1 ms to 2 s and at most the ttl; default: no copies). An invalidation waits until no
    /// process can hold an older copy: 1.25 times this, and 0.1 s. Only with
    /// [`near`](crate::Builder::near) switched on in every process of the namespace.
    #[must_use]
    pub const fn near(self, near: Duration) -> Self {
        Self::sound(PolicyParts { near, ..self.parts })
    }

    /// A policy from values that are only known at run time.
    ///
    /// # Errors
    /// [`PolicyError`] if the parts break a rule.
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
            (
                PolicyParts {
                    near: Duration::from_millis(2001),
                    ..good
                },
                "near is 1 ms to 2 s",
            ),
            (
                PolicyParts {
                    near: Duration::from_micros(999),
                    ..good
                },
                "near is 1 ms to 2 s",
            ),
            (
                PolicyParts {
                    ttl: Duration::from_secs(1),
                    near: Duration::from_secs(2),
                    ..good
                },
                "near is at most ttl",
            ),
        ];
        for (parts, rule) in bad {
            let error = Policy::try_build(parts).unwrap_err().to_string();
            assert!(error.contains(rule), "{error} does not name {rule}");
        }
    }
}
