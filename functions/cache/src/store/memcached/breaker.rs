//! A circuit breaker for each server, so that a dead cache costs each call nothing instead of
//! its whole budget.
//!
//! It uses a windowed rate, not a run of failures: eight callers that share one cut connection fail
//! together, and the server is well.

use std::{sync::Mutex, time::Duration};

use tokio::time::Instant;

/// Calls are counted in windows of this length.
const WINDOW: Duration = Duration::from_secs(1);
/// With fewer calls than this in a window, the breaker stays closed.
const MIN_CALLS: u32 = 10;
/// How long the breaker stays open before calls try the server again. Recovery is promised
/// within a second.
const PAUSE: Duration = Duration::from_millis(250);
/// So many calls try it once the pause is over, and twice as many after each further [`PAUSE`]
/// without a result: what was known of the server grows old, whether or not anybody calls.
const TRIES: u32 = 2;

#[derive(Debug)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug)]
struct State {
    window: Instant,
    good: u32,
    bad: u32,
    /// Calls are refused, but for some that try.
    open: Option<Open>,
    succeeded: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    /// Until then no call tries.
    until: Instant,
    tries: u32,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            window: Instant::now(),
            good: 0,
            bad: 0,
            open: None,
            succeeded: None,
        }))
    }

    /// Whether a call may go to the server.
    pub(super) fn allows(&self) -> bool {
        let mut state = self.state();
        state.open.as_mut().is_none_or(Open::allows)
    }

    /// An exchange that was `begun` then has succeeded.
    pub(super) fn success(&self, begun: Instant) {
        let mut state = self.state();
        if state.open.take().is_some() {
            (state.window, state.good, state.bad) = (begun, 0, 0);
        }
        state.good = state.good.saturating_add(1);
        state.succeeded = Some(begun);
        state.turn(begun);
    }

    pub(super) fn failure(&self) {
        let mut state = self.state();
        let now = Instant::now();
        state.turn(now);
        state.bad = state.bad.saturating_add(1);
        let fails = state.bad >= MIN_CALLS.div_ceil(2)
            && state.good + state.bad >= MIN_CALLS
            && state.bad >= state.good;
        // A try that failed begins the pause anew.
        if fails || state.open.is_some() {
            let (until, tries) = (now + PAUSE, 0);
            state.open = Some(Open { until, tries });
        }
    }

    /// Whether an exchange that began at `then` or later has succeeded.
    pub(super) fn has_succeeded_since(&self, then: Instant) -> bool {
        self.state().succeeded.is_some_and(|begun| begun >= then)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Open {
    fn allows(&mut self) -> bool {
        let now = Instant::now();
        let Some(over) = now.checked_duration_since(self.until) else {
            return false;
        };
        let periods = over.as_millis() / PAUSE.as_millis();
        let doublings = u32::try_from(periods).unwrap_or(u32::MAX).min(20);
        let allowed = self.tries < TRIES << doublings;
        self.tries += u32::from(allowed);
        allowed
    }
}

impl State {
    /// Begins a new window if the old one is over.
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
        assert!(breaker.allows(), "and another");
        assert!(!breaker.allows(), "and no more");
        breaker.success(Instant::now());
        assert!(breaker.allows());
    }

    #[tokio::test(start_paused = true)]
    async fn what_it_knows_grows_old_while_nobody_calls() {
        let breaker = Breaker::new();
        (0..10).for_each(|_| breaker.failure());
        assert!(!breaker.allows());
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!((0..1000).all(|_| breaker.allows()), "all calls try");
        breaker.failure();
        assert!(!breaker.allows(), "a try that failed begins the pause anew");
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
