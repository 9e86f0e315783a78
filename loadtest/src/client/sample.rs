//! One request as it was seen from the client. Owns the plain record; knows nothing of how it was sent or what it proves.

use std::time::Duration;

use crate::target::outcome::{Failure, Outcome};
use crate::target::server_timing::ServerTiming;

/// A request that was sent, and what came back.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Index into the target's functions.
    pub(crate) function: usize,
    /// Which key of the phase; the same number in cold and warm is the same key.
    pub(crate) key: usize,
    /// When it was sent, since the start of the run.
    pub(crate) sent: Duration,
    /// Service time: from the first byte of the request until the last byte of the answer, at the socket; of a failure,
    /// until it was given up.
    pub(crate) latency: Duration,
    /// Time that it was due but no user was free (open loop only; the timer's own overshoot is not in it).
    pub(crate) queued: Duration,
    /// How late the timer woke a user that was free in time (open loop only): the client's fault, not the target's.
    pub(crate) timer_overshoot: Duration,
    /// How long it took to connect before it was sent; zero where a connection was open.
    pub(crate) connecting: Duration,
    pub(crate) answer: Result<Answer, Failure>,
}

impl Sample {
    /// A sample of a request that was sent as soon as it was due.
    pub(crate) fn new(
        function: usize,
        key: usize,
        sent: Duration,
        latency: Duration,
        answer: Result<Answer, Failure>,
    ) -> Self {
        let [queued, timer_overshoot, connecting] = [Duration::ZERO; 3];
        Self {
            function,
            key,
            sent,
            latency,
            queued,
            timer_overshoot,
            connecting,
            answer,
        }
    }

    /// The outcome, unless the request failed.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.answer.as_ref().ok().map(|answer| answer.outcome)
    }

    /// Whether its process had no request before: the start of a function, not of a cache.
    pub(crate) fn is_first_of_process(&self) -> bool {
        let diagnostics = self
            .answer
            .as_ref()
            .ok()
            .and_then(|answer| answer.diagnostics.as_ref());
        diagnostics.is_some_and(|diagnostics| diagnostics.invocation == 1)
    }

    /// Whether the cache says that it failed, and why: a miss with a reason.
    pub(crate) fn cache_failed(&self) -> bool {
        let cache_failures =
            |answer: &Answer| answer.outcome == Outcome::Miss && answer.detail.is_some();
        self.answer.as_ref().is_ok_and(cache_failures)
    }

    /// Whether the cache says that it stored the answer.
    pub(crate) fn says_stored(&self) -> bool {
        self.answer.as_ref().is_ok_and(|answer| answer.stored)
    }

    /// The word that this request is counted under, also at Goose.
    pub(crate) fn label(&self) -> String {
        match &self.answer {
            Ok(answer) => answer.outcome.label().to_owned(),
            Err(failure) => failure.label(),
        }
    }
}

/// A complete answer with status 200.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) ttl_s: Option<i64>,
    pub(crate) detail: Option<String>,
    /// Whether the cache says that it stored this answer.
    pub(crate) stored: bool,
    pub(crate) bytes: usize,
    pub(crate) server: ServerTiming,
    pub(crate) diagnostics: Option<Diagnostics>,
    /// Digest of the value that the function returned, to compare a warm answer with the cold one of its key.
    pub(crate) value: u64,
}

/// The target's own word on who answered: ground truth, independent of `Cache-Status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnostics {
    /// `X-Instance`: a random id of the process.
    pub(crate) instance: String,
    /// `X-Invocation`: how many requests that process has had, this one included.
    pub(crate) invocation: u64,
    /// `X-Origin-Calls`: how many origin calls that process has made so far.
    pub(crate) origin_calls: u64,
}
