//! What the cache did with one request, and what that implies for the origin.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the cache answered, in the terms of RFC 9211.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// A fresh entry.
    Hit,
    /// An entry past its lifetime, served at once (`hit; ttl` below zero).
    Stale,
    /// Nothing was stored: the origin was called.
    Miss,
    /// An entry had expired and was recomputed.
    Expired,
    /// Another caller's origin call answered.
    Collapsed,
    /// An expired entry that the origin confirmed.
    Revalidated,
    /// The origin failed and an expired entry was served instead.
    StaleOnError,
    /// The cache was bypassed, on request or by its own decision.
    Bypass,
    /// An answer that does not say what the cache did.
    #[default]
    Unknown,
}

impl Outcome {
    /// The name used in tables, in thresholds and as Goose's label (which allows no white space).
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Miss => "miss",
            Self::Expired => "expired",
            Self::Collapsed => "collapsed",
            Self::Revalidated => "revalidated",
            Self::StaleOnError => "stale-on-error",
            Self::Bypass => "bypass",
            Self::Unknown => "unknown",
        }
    }

    /// Whether this answer cost exactly one origin call: every `fwd` that was not collapsed.
    pub(crate) fn called_origin(self) -> bool {
        matches!(
            self,
            Self::Miss | Self::Expired | Self::Revalidated | Self::StaleOnError | Self::Bypass
        )
    }

    /// Whether the answer came from the cache, without waiting for the origin.
    pub(crate) fn is_hit(self) -> bool {
        matches!(self, Self::Hit | Self::Stale)
    }

    /// Whether it counts in a hit ratio: it asked the cache, and the cache said what it did.
    pub(crate) fn is_lookup(self) -> bool {
        !matches!(self, Self::Bypass | Self::Unknown)
    }
}

/// Why a request has no outcome: it got no answer, or not the promised one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Failure {
    /// No complete answer within the request timeout.
    Timeout,
    /// No connection.
    Connect,
    /// The connection broke before the answer was complete.
    Broken,
    /// A status that is no answer: other than 200, unless the target file names others.
    Status(u16),
    /// The same, with which the target says that it limits its requests: it refused, and did not
    /// fail.
    Throttled(u16),
    /// An answer that is larger than this tool keeps in memory.
    TooLarge,
    /// An answer whose body is not what was asked for: another key's value, or not the promised
    /// JSON.
    WrongBody,
}

impl Failure {
    /// The name used in tables and as Goose's label.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Timeout => "timeout".into(),
            Self::Connect => "connect".into(),
            Self::Broken => "broken".into(),
            Self::Status(code) => format!("status-{code}"),
            Self::Throttled(code) => format!("throttled-{code}"),
            Self::TooLarge => "too-large".into(),
            Self::WrongBody => "wrong-body".into(),
        }
    }
}
