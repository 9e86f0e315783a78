//! Sharing origin calls while the cache is unreachable: one at a time a key in this process.
//!
//! Nothing vouches for a value then, so a caller takes only the result of an origin call that begins after it came: those who come
//! while one runs share the next.

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

/// One key: whose turn it is, and the flight of those who wait for the next turn.
#[derive(Debug, Default)]
struct KeyState {
    turn: Arc<tokio::sync::Mutex<()>>,
    next: Mutex<Option<Arc<Flight>>>,
}

/// What became of a caller who shares.
pub(crate) enum Participation<'a> {
    Lead(LeaderPermit<'a>),
    Value {
        payload: Bytes,
        created: Millis,
    },
    /// Neither by the time it may wait.
    WaitTimedOut,
}

/// The right to call the origin for a key. Dropped without landing, its followers have to lead themselves.
pub(crate) struct LeaderPermit<'a> {
    _state: Ref<'a, KeyState>,
    flight: Arc<Flight>,
    _turn: OwnedMutexGuard<()>,
}

impl LocalSingleFlight {
    pub(crate) async fn share(&self, key: &[u8; 32], until: Instant) -> Participation<'_> {
        let state = self.0.of(*key);
        loop {
            let flight = state.next().get_or_insert_with(Flight::new).clone();
            let turn = timeout_at(until, state.turn.clone().lock_owned());
            tokio::select! {
                biased;
                result = flight.result_by(until) => match result {
                    Some(FlightResult::Value { payload, created, .. }) => {
                        return Participation::Value { payload, created };
                    }
                    Some(FlightResult::Failed) => {}
                    None => return Participation::WaitTimedOut,
                },
                turn = turn => {
                    let Ok(turn) = turn else { return Participation::WaitTimedOut };
                    let mut next = state.next();
                    if next.as_ref().is_some_and(|next| Arc::ptr_eq(next, &flight)) {
                        *next = None;
                        drop(next);
                        return Participation::Lead(LeaderPermit { flight, _turn: turn, _state: state });
                    }
                    // Another has led this flight and ended it: its landing is there to be read.
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
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LeaderPermit<'_> {
    /// Whether anybody would see the landing: else the value need not be encoded.
    pub(crate) fn is_watched(&self) -> bool {
        self.flight.is_watched()
    }

    pub(crate) fn complete(&self, payload: Bytes, created: Millis) {
        self.flight.complete(FlightResult::Value {
            payload,
            created,
            ttl: 0,
        });
    }
}

impl Drop for LeaderPermit<'_> {
    fn drop(&mut self) {
        self.flight.complete(FlightResult::Failed);
    }
}
