//! A circuit breaker for each server, so that a dead cache costs each call nothing instead of
//! its whole budget.
//!
//! It uses a windowed rate, not a run of failures: eight callers that share one cut connection
//! fail together, and the server is well.

use std::{sync::Mutex, time::Duration};

use tokio::time::Instant;

/// Calls are counted in windows of this length.
const WINDOW: Duration = Duration::from_secs(1);
/// Fewer calls than this in a window decide nothing.
const MIN_CALLS: u32 = 10;
/// How long the breaker stays open before one call tries the server again. Recovery is promised
/// within a second.
const PAUSE: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug)]
struct State {
    window: Instant,
    good: u32,
    bad: u32,
    /// While this is set, calls are refused; one is let through when it has passed.
    until: Option<Instant>,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            window: Instant::now(),
            good: 0,
            bad: 0,
            until: None,
        }))
    }

    /// Whether a call may go to the server. An open breaker lets one call through every [`PAUSE`].
    pub(super) fn allows(&self) -> bool {
        let mut state = self.state();
        let Some(until) = state.until else {
            return true;
        };
        let now = Instant::now();
        if until <= now {
            state.until = Some(now + PAUSE);
        }
        until <= now
    }

    /// A call that was `begun` then has succeeded.
    pub(super) fn success(&self, begun: Instant) {
        let mut state = self.state();
        if state.until.take().is_some() {
            (state.window, state.good, state.bad) = (begun, 0, 0);
        }
        state.good = state.good.saturating_add(1);
        state.turn(begun);
    }

    pub(super) fn failure(&self) {
        let mut state = self.state();
        let now = Instant::now();
        state.turn(now);
        state.bad = state.bad.saturating_add(1);
        if state.bad >= MIN_CALLS.div_ceil(2)
            && state.good + state.bad >= MIN_CALLS
            && state.bad >= state.good
        {
            state.until = Some(now + PAUSE);
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl State {
    /// Begins a new window when the old one is over.
    fn turn(&mut self, now: Instant) {
        if now.saturating_duration_since(self.window) >= WINDOW {
            (self.window, self.good, self.bad) = (now, 0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_opens_on_a_failing_half_and_closes_on_the_first_success() {
        let breaker = Breaker::new();
        (0..5).for_each(|_| breaker.success(Instant::now()));
        (0..4).for_each(|_| breaker.failure());
        assert!(breaker.allows(), "nine calls decide nothing");
        breaker.failure();
        assert!(!breaker.allows());
        tokio::time::advance(PAUSE).await;
        assert!(breaker.allows(), "one call tries");
        assert!(!breaker.allows(), "and only one");
        breaker.success(Instant::now());
        assert!(breaker.allows());
    }

    #[tokio::test(start_paused = true)]
    async fn scattered_failures_do_not_open_it() {
        let breaker = Breaker::new();
        for call in 0..20_000_u32 {
            tokio::time::advance(Duration::from_micros(100)).await;
            if call % 100 < 8 {
                breaker.failure()
            } else {
                breaker.success(Instant::now())
            }
            assert!(breaker.allows(), "call {call}");
        }
    }
}
