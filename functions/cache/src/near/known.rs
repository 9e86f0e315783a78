//! What this process knows of records: since when each unsettled one, and when it last wrote any.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// More records are not remembered at once. To forget one makes verbs wait longer, and is safe.
const MOST: usize = 4096;
/// How often a reader writes the records of a name on a server.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Known(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// By lineage: when all copies from before this record have ended.
    trials: HashMap<u64, Instant>,
    /// By server and name: when a reader last wrote.
    written: HashMap<(String, String), Instant>,
}

impl Known {
    /// An unsettled record of this lineage is there; copies from before it end within `wait`.
    pub(super) fn begin(&self, lineage: u64, received: Instant, wait: Duration) {
        let mut state = self.state();
        if state.trials.len() >= MOST {
            state.trials.clear();
        }
        state.trials.entry(lineage).or_insert(received + wait);
    }

    /// Whether this very record is known for long enough.
    pub(super) fn is_over(&self, lineage: u64, now: Instant) -> bool {
        let state = self.state();
        state.trials.get(&lineage).is_some_and(|end| *end <= now)
    }

    /// Whether any record is.
    pub(super) fn is_any_over(&self, now: Instant) -> bool {
        self.state().trials.values().any(|end| *end <= now)
    }

    pub(super) fn forget(&self, lineage: u64) {
        self.state().trials.remove(&lineage);
    }

    /// Whether a reader may write the records of `name` on `server` now: once a second.
    pub(super) fn may_write(&self, server: &str, name: &str, now: Instant) -> bool {
        let mut state = self.state();
        if state.written.len() >= MOST {
            state.written.clear();
        }
        let key = (server.to_owned(), name.to_owned());
        match state.written.get_mut(&key) {
            Some(last) if now.saturating_duration_since(*last) < PAUSE => false,
            Some(last) => {
                *last = now;
                true
            }
            None => {
                state.written.insert(key, now);
                true
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
