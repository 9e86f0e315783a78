//! Sharing origin calls while the cache is unreachable: one at a time a key in this process.
//!
//! Nothing vouches for a value then, so a caller takes only the result of an origin call that begins after it came: those who come
//! while one runs share the next.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::{
    sync::OwnedMutexGuard,
    time::{Instant, timeout_at},
};

use super::{Flight, Landing};
use crate::entry::Millis;

#[derive(Debug, Default)]
pub(crate) struct Solo(Mutex<HashMap<[u8; 32], Arc<Gate>>>);

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
    visit: Visit<'a>,
    flight: Arc<Flight>,
    _turn: OwnedMutexGuard<()>,
}

/// Somebody who uses a gate; the last to leave removes it.
struct Visit<'a> {
    solo: &'a Solo,
    key: [u8; 32],
    gate: Arc<Gate>,
}

impl Solo {
    pub(crate) async fn share(&self, key: &[u8; 32], until: Instant) -> Shared<'_> {
        let visit = self.visit(*key);
        loop {
            let flight = visit.gate.next().get_or_insert_with(Flight::new).clone();
            let turn = timeout_at(until, visit.gate.turn.clone().lock_owned());
            tokio::select! {
                biased;
                landing = flight.landing(until) => match landing {
                    Some(Landing::Value { payload, created }) => {
                        return Shared::Value { payload, created };
                    }
                    Some(Landing::Failed) => {}
                    None => return Shared::Late,
                },
                turn = turn => {
                    let Ok(turn) = turn else { return Shared::Late };
                    let mut next = visit.gate.next();
                    if next.as_ref().is_some_and(|next| Arc::ptr_eq(next, &flight)) {
                        *next = None;
                        drop(next);
                        return Shared::Lead(Turn { visit, flight, _turn: turn });
                    }
                    // Another has led this flight and ended it: its landing is there to be read.
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.map().is_empty()
    }

    fn visit(&self, key: [u8; 32]) -> Visit<'_> {
        let gate = self.map().entry(key).or_default().clone();
        Visit {
            solo: self,
            key,
            gate,
        }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<Gate>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.flight.land(Landing::Value { payload, created });
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let _ = &self.visit;
        self.flight.land(Landing::Failed);
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut map = self.solo.map();
        // The map's own and this one: nobody else can come by another while the map is locked.
        if Arc::strong_count(&self.gate) == 2 {
            map.remove(&self.key);
        }
    }
}
