//! Log lines about failures, limited in rate, never with a value or an argument.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use crate::{
    clock::{self, Millis},
    outcome::CacheFailure,
    runtime::Missing,
    store::BreakerState,
};

/// At most one line of a kind in this time; the next one says how many were left out.
const LOG_INTERVAL: Millis = 10_000;
/// So many unknown names are named.
const MAX_UNKNOWN: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Log {
    failure: RateLimit,
    unreadable: RateLimit,
    unencodable: RateLimit,
    oversize: RateLimit,
    key: RateLimit,
    name_taken: RateLimit,
    clocks: RateLimit,
    recursion: RateLimit,
    near: RateLimit,
    no_runtime: AtomicBool,
    unknown_names: Mutex<BTreeSet<String>>,
}

#[derive(Debug, Default)]
struct RateLimit {
    last: AtomicU64,
    left_out: AtomicU64,
}

impl RateLimit {
    /// Whether nothing was ever said of this kind.
    fn first(&self) -> bool {
        self.last.load(Ordering::Relaxed) == 0 && self.last.swap(1, Ordering::Relaxed) == 0
    }

    /// The number of lines left out since the last one, if the next one is due.
    fn pass(&self) -> Option<u64> {
        let (now, last) = (clock::now(), self.last.load(Ordering::Relaxed));
        let due = now.saturating_sub(last) >= LOG_INTERVAL
            && self
                .last
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if due {
            return Some(self.left_out.swap(0, Ordering::Relaxed));
        }
        self.left_out.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl Log {
    pub(crate) fn failure(&self, name: &str, failure: CacheFailure) {
        if let Some(left_out) = self.failure.pass() {
            tracing::warn!(name, %failure, left_out, "the cache failed; the origin answers");
        }
    }

    pub(crate) fn unreadable(&self, name: &str, reason: &dyn std::fmt::Display) {
        if let Some(left_out) = self.unreadable.pass() {
            tracing::warn!(name, %reason, left_out, "an entry cannot be decoded and is replaced");
        }
    }

    pub(crate) fn unencodable(&self, name: &str, reason: &dyn std::fmt::Display) {
        if let Some(left_out) = self.unencodable.pass() {
            tracing::error!(name, %reason, left_out, "a value cannot be encoded and is not stored");
        }
    }

    pub(crate) fn name_taken(&self, name: &str, owner: &str, function: &str) {
        if let Some(left_out) = self.name_taken.pass() {
            tracing::error!(
                name,
                owner,
                function,
                left_out,
                "the name belongs to another function of this namespace; this one is not cached: \
                 rename one of the two; if the owner is gone or has moved here, raise \
                 `version` or flush the name"
            );
        }
    }

    /// Said once of each type.
    pub(crate) fn not_read_back(&self, name: &str, value: &str, reason: &dyn std::fmt::Display) {
        let value = declared(value);
        tracing::error!(
            name,
            value,
            %reason,
            "values of this type do not read back and are not stored: \
             `Serialize` and `Deserialize` do not agree"
        );
    }

    /// This machine's clock is `ahead` by so many milliseconds, behind if they are negative.
    pub(crate) fn clocks(&self, name: &str, ahead: i64, decides: &str) {
        if let Some(left_out) = self.clocks.pass() {
            tracing::warn!(
                name,
                ahead_seconds = ahead as f64 / 1000.0,
                left_out,
                "the clocks of this machine and of the one that has written an entry differ; \
                 {decides}"
            );
        }
    }

    pub(crate) fn oversize(&self, name: &str, bytes: usize) {
        if let Some(left_out) = self.oversize.pass() {
            tracing::warn!(
                name,
                bytes,
                left_out,
                "a value is too large and is not stored"
            );
        }
    }

    /// Logged once: it is a mistake in how the program starts, and no failure that passes.
    pub(crate) fn no_runtime(&self, name: &str, missing: Missing) {
        if !self.no_runtime.swap(true, Ordering::Relaxed) {
            tracing::warn!(name, %missing, "the cache cannot be used here: the origin answers");
        }
    }

    pub(crate) fn near_is_off(&self, name: &str) {
        if self.near.first() {
            tracing::warn!(
                name,
                "a policy has near copies, and CACHE_NEAR is off: every call asks the server"
            );
        }
    }

    /// Said once of each name, and of so many at most: they may come from requests.
    pub(crate) fn unknown_name(&self, name: &str, close: Option<&str>) {
        let known = self.unknown_names.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if known.len() < MAX_UNKNOWN && known.insert(name.to_owned()) {
            let suggestion = close.map(|close| format!(": did you mean {close:?}?"));
            tracing::warn!(
                name,
                "flushed a name that no function of this process has used, and that no server has \
                 anything of{}",
                suggestion.unwrap_or_default()
            );
        }
    }

    pub(crate) fn recursion(&self, name: &str) {
        if let Some(left_out) = self.recursion.pass() {
            tracing::warn!(
                name,
                left_out,
                "an origin asks for the key that it computes; its own origin answers"
            );
        }
    }

    pub(crate) fn key(&self, name: &str, reason: &dyn std::fmt::Display) {
        if let Some(left_out) = self.key.pass() {
            tracing::error!(name, %reason, left_out, "no key can be made; the origin answers");
        }
    }
}

/// Not limited in rate: after each opening a breaker pauses.
pub(crate) fn breaker_changed(server: &str, state: BreakerState) {
    match state {
        BreakerState::Open => tracing::warn!(
            server,
            "at least half of the last calls of this server failed: its breaker is open, and calls \
             go to their origins until the server answers again"
        ),
        BreakerState::Closed => {
            tracing::info!(server, "the server answers again: its breaker is closed");
        }
    }
}

/// The name of a value's type, without the attribute's own wrapper around it.
fn declared(value: &str) -> &str {
    let within = value.strip_prefix("larder::cached::");
    let within = within.and_then(|within| within.split_once('<'));
    let inner = within.and_then(|(_, inner)| inner.rsplit_once(", larder::"));
    inner.map_or(value, |(inner, _)| inner)
}
