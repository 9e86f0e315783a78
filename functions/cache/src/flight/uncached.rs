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
    Flight, Landing,
    keyed::{InUse, Use},
};
use crate::clock::Millis;

#[derive(Debug, Default)]
pub(crate) struct Solo(InUse<Gate>);

/// One key: whose turn it is, and the flight of those who wait for the next turn.
#[derive(Debug, Default)]
struct Gate {
    turn: Arc<tokio::sync::Mutex<()>>,
    next: Mutex<Option<Arc<Flight>>>,
}

/// What became of a caller who shares.
pub(crate) enum Shared<'a> {
    Lead(Turn<'a>),
    Value {
        payload: Bytes,
        created: Millis,
    },
    /// Neither by the time it may wait.
    Late,
}

/// The right to call the origin for a key. Dropped without landing, its followers have to lead themselves.
pub(crate) struct Turn<'a> {
    _gate: Use<'a, Gate>,
    flight: Arc<Flight>,
    _turn: OwnedMutexGuard<()>,
}

impl Solo {
    pub(crate) async fn share(&self, key: &[u8; 32], until: Instant) -> Shared<'_> {
        let gate = self.0.of(*key);
        loop {
            let flight = gate.next().get_or_insert_with(Flight::new).clone();
            let turn = timeout_at(until, gate.turn.clone().lock_owned());
            tokio::select! {
                biased;
                landing = flight.landing(until) => match landing {
                    Some(Landing::Value { payload, created, .. }) => {
                        return Shared::Value { payload, created };
                    }
                    Some(Landing::Failed) => {}
                    None => return Shared::Late,
                },
                turn = turn => {
                    let Ok(turn) = turn else { return Shared::Late };
                    let mut next = gate.next();
                    if next.as_ref().is_some_and(|next| Arc::ptr_eq(next, &flight)) {
                        *next = None;
                        drop(next);
                        return Shared::Lead(Turn { flight, _turn: turn, _gate: gate });
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

impl Gate {
    fn next(&self) -> MutexGuard<'_, Option<Arc<Flight>>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Whether anybody would see the landing: else the value need not be encoded.
    pub(crate) fn is_watched(&self) -> bool {
        self.flight.is_watched()
    }

    pub(crate) fn land(&self, payload: Bytes, created: Millis) {
        self.flight.land(Landing::Value {
            payload,
            created,
            ttl: 0,
        });
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.flight.land(Landing::Failed);
    }
}
