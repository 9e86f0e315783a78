//! One request as the client saw it.

use std::time::Duration;

use crate::target::{outcome::Failure, outcome::Outcome, server_timing::ServerTiming};

#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Index into the target's functions.
    pub(crate) function: usize,
    /// Index of the key within its phase; cold and warm use the same index for the same key.
    pub(crate) key_index: usize,
    /// When it was due, since the start of the run; `None` in a closed loop.
    pub(crate) due: Option<Duration>,
    /// When it was sent, since the start of the run.
    pub(crate) sent: Duration,
    /// Service time: from the first byte of the request until the last byte of the answer, at the
    /// socket. A failure's ends when this tool gives up.
    pub(crate) latency: Duration,
    /// How late the timer woke this tool for it (open loop only): this machine's fault, not the
    /// target's.
    pub(crate) timer_overshoot: Duration,
    /// How long it took to connect before it was sent; `None` if a connection was open.
    pub(crate) connecting: Option<Duration>,
    pub(crate) answer: Result<Answer, Failure>,
}

impl Sample {
    /// A request that was sent as soon as it was due.
    pub(crate) fn new(
        function: usize,
        key_index: usize,
        sent: Duration,
        latency: Duration,
        answer: Result<Answer, Failure>,
    ) -> Self {
        Self {
            function,
            key_index,
            due: None,
            sent,
            latency,
            timer_overshoot: Duration::ZERO,
            connecting: None,
            answer,
        }
    }

    /// A sample of a test: a key that was asked for at `at_ms` and took `took_ms`.
    #[cfg(test)]
    pub(crate) fn test(
        key_index: usize,
        [at_ms, took_ms]: [u64; 2],
        answer: Result<Answer, Failure>,
    ) -> Self {
        let ms = Duration::from_millis;
        Self::new(0, key_index, ms(at_ms), ms(took_ms), answer)
    }

    /// How long its caller waited: for a connection if there was none, and for the answer.
    pub(crate) fn response(&self) -> Duration {
        self.connecting.unwrap_or_default() + self.latency
    }

    /// When its caller wanted it: when it was due, or when it was sent.
    pub(crate) fn wanted(&self) -> Duration {
        self.due.unwrap_or(self.sent)
    }

    /// The outcome, unless the request failed.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.answer.as_ref().ok().map(|answer| answer.outcome)
    }

    /// What the target says about its process.
    pub(crate) fn diagnostics(&self) -> Option<&Diagnostics> {
        self.answer.as_ref().ok()?.diagnostics.as_ref()
    }

    /// Whether it was the first request of its process, which measures the start of a function and
    /// not a cache.
    pub(crate) fn is_first_of_process(&self) -> bool {
        self.diagnostics()
            .is_some_and(|diagnostics| diagnostics.invocation == 1)
    }

    /// Whether the cache says that it failed: a miss with a reason.
    pub(crate) fn cache_failed(&self) -> bool {
        let cache_failures =
            |answer: &Answer| answer.outcome == Outcome::Miss && answer.detail.is_some();
        self.answer.as_ref().is_ok_and(cache_failures)
    }

    /// Whether the cache says that it stored the answer.
    pub(crate) fn says_stored(&self) -> bool {
        self.answer.as_ref().is_ok_and(|answer| answer.stored)
    }

    /// The label that this request is counted under, by this tool and by Goose.
    pub(crate) fn label(&self) -> String {
        match &self.answer {
            Ok(answer) => answer.outcome.label().to_owned(),
            Err(failure) => failure.label(),
        }
    }
}

/// A complete answer with status 200.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) ttl_s: Option<i64>,
    pub(crate) detail: Option<String>,
    /// Whether the cache says that it stored this answer.
    pub(crate) stored: bool,
    pub(crate) bytes: usize,
    pub(crate) server: ServerTiming,
    pub(crate) diagnostics: Option<Diagnostics>,
    /// A digest of the value that the function returned, to compare a warm answer with the cold one
    /// of its key; `None` if the target file does not say where it is.
    pub(crate) value: Option<u64>,
}

/// What the target says about its process: ground truth, independent of `Cache-Status`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnostics {
    /// `X-Instance`: a random id of the process.
    pub(crate) instance: String,
    /// `X-Invocation`: how many requests that process has had, this one included.
    pub(crate) invocation: u64,
    /// `X-Origin-Calls`: how many origin calls that process has made so far.
    pub(crate) origin_calls: u64,
}
