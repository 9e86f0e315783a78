//! Sharing origin calls while the cache is unreachable: one at a time for each key in this process.
//!
//! Without the cache nothing shows that a value is still valid. So a caller only takes the result
//! of an origin call that began after it came: callers that come while one runs share the next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, timeout_at},
};

use super::{
    Flight, FlightResult,
    keyed::{Ref, RefCountedMap},
};
use crate::clock::Millis;

#[derive(Debug, Default)]
pub(crate) struct LocalSingleFlight(RefCountedMap<KeyState>);

/// One key: the lock of the running origin call, and the flight of the callers that wait for the
/// next.
#[derive(Debug, Default)]
struct KeyState {
    turn: Arc<tokio::sync::Mutex<()>>,
    next: Mutex<Option<Arc<Flight>>>,
    /// The flight of the caller whose turn it is, or was last.
    running: Mutex<Option<Arc<Flight>>>,
}

/// What a caller that shares gets.
pub(crate) enum Participation<'a> {
    Lead(LeaderPermit<'a>),
    Value {
        payload: Bytes,
        created: Millis,
    },
    /// Neither, until the end of the time that it may wait.
    WaitTimedOut,
    /// The origin call that it waited for has failed.
    LeaderFailed,
}

/// The right to call the origin for a key. If it is dropped early, one of the others leads.
pub(crate) struct LeaderPermit<'a> {
    _state: Ref<'a, KeyState>,
    flight: Arc<Flight>,
    _turn: OwnedMutexGuard<()>,
}

impl LocalSingleFlight {
    pub(crate) async fn share(&self, key: &[u8; 32], until: Instant) -> Participation<'_> {
        let state = self.0.of(*key);
        let running = lock(&state.running).clone();
        let mut running = running.filter(|running| running.result().is_none());
        loop {
            let flight = state.next().get_or_insert_with(Flight::new).clone();
            let turn = timeout_at(until, state.turn.clone().lock_owned());
            tokio::select! {
                biased;
                // One collapse a call: the origin fails, so this caller goes on alone.
                result = ended(running.as_deref(), until), if running.is_some() => {
                    if let Some(FlightResult::Failed) = result {
                        return Participation::LeaderFailed;
                    }
                    running = None;
                }
                result = flight.result_by(until) => match result {
                    Some(FlightResult::Value { payload, created, .. }) => {
                        return Participation::Value { payload, created };
                    }
                    Some(FlightResult::Failed) => return Participation::LeaderFailed,
                    Some(FlightResult::Left) => {}
                    None => return Participation::WaitTimedOut,
                },
                turn = turn => {
                    let Ok(turn) = turn else { return Participation::WaitTimedOut };
                    let mut next = state.next();
                    if next.as_ref().is_some_and(|next| Arc::ptr_eq(next, &flight)) {
                        *next = None;
                        drop(next);
                        *lock(&state.running) = Some(flight.clone());
                        return Participation::Lead(LeaderPermit { flight, _turn: turn, _state: state });
                    }
                    // Another caller has led this flight and ended it: the result can be read in
                    // the next round.
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl KeyState {
    fn next(&self) -> MutexGuard<'_, Option<Arc<Flight>>> {
        lock(&self.next)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn ended(flight: Option<&Flight>, until: Instant) -> Option<FlightResult> {
    flight?.result_by(until).await
}

impl LeaderPermit<'_> {
    /// Whether any caller waits for the result. If none does, the value need not be encoded.
    pub(crate) fn is_watched(&self) -> bool {
        self.flight.is_watched()
    }

    pub(crate) fn complete(&self, payload: Bytes, created: Millis) {
        self.flight.complete(FlightResult::Value {
            payload,
            created,
            fresh_until: None,
        });
    }

    /// The origin has failed, or its answer cannot be handed on.
    pub(crate) fn fail(&self) {
        self.flight.complete(FlightResult::Failed);
    }
}

impl Drop for LeaderPermit<'_> {
    fn drop(&mut self) {
        self.flight.complete(FlightResult::of_dropped());
    }
}
