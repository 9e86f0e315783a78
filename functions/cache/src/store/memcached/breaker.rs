//! A circuit breaker for each server, so that a dead cache costs each call nothing instead of
//! its whole budget.
//!
//! It uses a windowed rate, not a run of failures: eight callers that share one cut connection fail
//! together, and the server is well.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

/// Calls are counted in windows of this length.
const WINDOW: Duration = Duration::from_secs(1);
/// With fewer calls than this in a window, the breaker stays closed.
const MIN_CALLS: u32 = 10;
/// How long the breaker stays open before calls try the server again. Recovery is promised
/// within a second.
const PAUSE: Duration = Duration::from_millis(250);
/// So many calls try it once the pause is over, and twice as many after each further [`PAUSE`]
/// without a result, because what is known of the server is then older.
const TRIES: u32 = 2;

/// The state of a server's circuit breaker; see [`Cache::breakers`](crate::Cache::breakers).
///
/// ```
/// # use larder::{BreakerState, Cache, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let down = Cache::builder().url("memcached://127.0.0.1:1").build().unwrap();
/// for n in 0..20 {
///     with_cache(down.clone(), square(n)).await;
/// }
/// assert_eq!(down.breakers(), [("127.0.0.1:1".to_owned(), BreakerState::Open)]);
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go to the server.
    Closed,
    /// At least half of the last calls failed. Calls go to their origins, but for a few that try
    /// whether the server answers again.
    Open,
}

/// Is called with each change of a server's breaker, and the server's name.
#[derive(Clone)]
pub(crate) struct BreakerWatch(Arc<Changed>);

type Changed = dyn Fn(&str, BreakerState) + Send + Sync;

impl BreakerWatch {
    pub(crate) fn new(changed: impl Fn(&str, BreakerState) + Send + Sync + 'static) -> Self {
        Self(Arc::new(changed))
    }
}

impl Default for BreakerWatch {
    fn default() -> Self {
        Self::new(|_, _| {})
    }
}

impl fmt::Debug for BreakerWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BreakerWatch")
    }
}

#[derive(Debug)]
pub(super) struct Breaker {
    server: String,
    watch: BreakerWatch,
    state: Mutex<State>,
}

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
    pub(super) fn new(server: String, watch: BreakerWatch) -> Self {
        let state = State {
            window: Instant::now(),
            good: 0,
            bad: 0,
            open: None,
            succeeded: None,
        };
        let state = Mutex::new(state);
        Self {
            server,
            watch,
            state,
        }
    }

    pub(super) fn current(&self) -> BreakerState {
        match self.state().open {
            None => BreakerState::Closed,
            Some(_) => BreakerState::Open,
        }
    }

    /// Without the lock: what is called may take its time.
    fn changed(&self, state: BreakerState) {
        (self.watch.0)(&self.server, state);
    }

    /// Whether a call may go to the server.
    pub(super) fn allows(&self) -> bool {
        let mut state = self.state();
        state.open.as_mut().is_none_or(Open::allows)
    }

    /// An exchange that was `begun` then has succeeded.
    pub(super) fn success(&self, begun: Instant) {
        let mut state = self.state();
        let closes = state.open.take().is_some();
        if closes {
            (state.window, state.good, state.bad) = (begun, 0, 0);
        }
        state.turn(begun);
        state.good = state.good.saturating_add(1);
        state.succeeded = Some(begun);
        drop(state);
        if closes {
            self.changed(BreakerState::Closed);
        }
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
        let was_open = state.open.is_some();
        if fails || was_open {
            let (until, tries) = (now + PAUSE, 0);
            state.open = Some(Open { until, tries });
        }
        drop(state);
        if fails && !was_open {
            self.changed(BreakerState::Open);
        }
    }

    /// Whether an exchange that began at `then` or later has succeeded.
    pub(super) fn has_succeeded_since(&self, then: Instant) -> bool {
        self.state().succeeded.is_some_and(|begun| begun >= then)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state
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

    fn breaker() -> Breaker {
        Breaker::new("server".to_owned(), BreakerWatch::default())
    }

    #[tokio::test(start_paused = true)]
    async fn each_change_is_told_once() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = seen.clone();
        let watch = BreakerWatch::new(move |server, state| {
            told.lock().unwrap().push((server.to_owned(), state));
        });
        let breaker = Breaker::new("server".to_owned(), watch);
        assert_eq!(breaker.current(), BreakerState::Closed);
        (0..20).for_each(|_| breaker.failure());
        assert_eq!(breaker.current(), BreakerState::Open);
        tokio::time::advance(PAUSE).await;
        assert!(breaker.allows());
        breaker.failure();
        assert_eq!(breaker.current(), BreakerState::Open);
        (0..2).for_each(|_| breaker.success(Instant::now()));
        let expected = [BreakerState::Open, BreakerState::Closed];
        let expected = expected.map(|state| ("server".to_owned(), state));
        assert_eq!(*seen.lock().unwrap(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_on_a_failing_half_and_closes_on_the_first_success() {
        let breaker = breaker();
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
    async fn a_success_that_begins_a_window_counts_in_it() {
        let breaker = breaker();
        tokio::time::advance(WINDOW).await;
        (0..5).for_each(|_| breaker.success(Instant::now()));
        (0..5).for_each(|_| breaker.failure());
        assert_eq!(breaker.current(), BreakerState::Open, "five of ten failed");
    }

    #[tokio::test(start_paused = true)]
    async fn what_it_knows_grows_old_while_nobody_calls() {
        let breaker = breaker();
        (0..10).for_each(|_| breaker.failure());
        assert!(!breaker.allows());
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!((0..1000).all(|_| breaker.allows()), "all calls try");
        breaker.failure();
        assert!(!breaker.allows(), "a try that failed begins the pause anew");
    }

    #[tokio::test(start_paused = true)]
    async fn scattered_failures_do_not_open_it() {
        let breaker = breaker();
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
