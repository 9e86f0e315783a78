//! What became of one call, in the field's words. Knows nothing of HTTP; a handler translates these into headers.

use crate::store::StoreError;

/// What became of a call. Exactly one origin call stands behind each that is not
/// [`Hit`](Outcome::Hit), [`Stale`](Outcome::Stale) or [`Collapsed`](Outcome::Collapsed).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// A fresh entry.
    Hit,
    /// An entry past its ttl, served while another caller refreshes it.
    Stale,
    /// An entry past its ttl, served because this caller's own origin call failed.
    StaleOnError,
    /// Nothing usable was there; the origin answered.
    Miss(Fill),
    /// The entry was past its ttl; the origin answered.
    Expired(Fill),
    /// The request asked for a new value ([`Freshness::Refresh`]); the origin answered.
    Refreshed(Fill),
    /// Another caller's origin call answered this one.
    Collapsed,
    /// The cache was neither read nor written; the origin answered.
    Bypassed(Bypass),
}

/// Whether the origin's answer was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fill {
    /// It was, and the server said so.
    Stored,
    /// It was not, as it should be: `None` without a `negative_ttl`, cheaper than `min_cost`, invalidated meanwhile, or
    /// computed without a lease after waiting in vain.
    NotStored,
    /// The cache failed, before or after the origin call.
    Failed(Trouble),
}

/// How the cache failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trouble {
    /// No complete answer within the budget.
    Timeout,
    /// No connection could be made.
    Refused,
    /// The server closed the connection.
    Closed,
    /// The server's answer was none.
    Protocol,
    /// The value could not be encoded. (An entry that can not be read is a miss, counted as
    /// [`Stats::unreadable`](crate::Stats::unreadable).)
    Decode,
    /// The value is larger than the policy or the server allows.
    Oversize,
}

impl Trouble {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Timeout,
        Self::Refused,
        Self::Closed,
        Self::Protocol,
        Self::Decode,
        Self::Oversize,
    ];
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::Protocol => "protocol",
            Self::Decode => "decode",
            Self::Oversize => "oversize",
        })
    }
}

/// Why the cache was left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bypass {
    /// Switched off, no cache installed, or the function's name is taken by another function.
    Disabled,
    /// Its server failed too often just now.
    Breaker,
    /// The request asked for it ([`Freshness::Bypass`]).
    Requested,
}

/// What a request wants of the cache; see [`with_freshness`](crate::with_freshness).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Freshness {
    /// Whatever the policy allows.
    #[default]
    Normal,
    /// A new value from the origin, stored for others (HTTP's `no-cache`).
    Refresh,
    /// The origin, with the cache neither read nor written (HTTP's `no-store`).
    Bypass,
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The origin, called by this caller or by another whom it waited for.
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
            Self::Stale | Self::StaleOnError => Source::Stale,
            _ => Source::Origin,
        }
    }
}

/// Why a call goes to its origin without a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alone {
    Bypassed(Bypass),
    Failed(Trouble),
    /// Waited for another caller's origin call as long as it may.
    Waited,
}

impl Alone {
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Bypassed(why) => Outcome::Bypassed(why),
            Self::Failed(trouble) => Outcome::Miss(Fill::Failed(trouble)),
            Self::Waited => Outcome::Miss(Fill::NotStored),
        }
    }
}

impl From<StoreError> for Alone {
    fn from(error: StoreError) -> Self {
        match error.trouble() {
            Some(trouble) => Self::Failed(trouble),
            None => Self::Bypassed(Bypass::Breaker),
        }
    }
}

impl StoreError {
    /// `None` when the server was not even asked.
    pub(crate) fn trouble(self) -> Option<Trouble> {
        Some(match self {
            Self::Timeout => Trouble::Timeout,
            Self::Refused => Trouble::Refused,
            Self::Closed => Trouble::Closed,
            Self::Protocol => Trouble::Protocol,
            Self::Oversize => Trouble::Oversize,
            Self::Breaker => return None,
        })
    }
}
