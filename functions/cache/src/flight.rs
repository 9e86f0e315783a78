//! Callers of one process that share an origin call.
//!
//! A flight carries the encoded answer of the origin from the leader to the callers that joined. If
//! the leader is cancelled, panics or fails, the others are notified, and one of them leads next.
//! An error only goes to the leader's own caller.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::{sync::watch, time::Instant};

use crate::{clock::Millis, entry::Token};

mod keyed;
mod polling;
mod uncached;
pub(crate) use polling::{Pollers, Waiter};
pub(crate) use uncached::{LocalSingleFlight, Participation};

/// How a flight ended.
#[derive(Debug, Clone)]
pub(crate) enum FlightResult {
    /// The encoded value, the time when the origin answered, and until when the value is fresh, if
    /// it may be stored.
    Value {
        payload: Bytes,
        created: Millis,
        fresh_until: Option<Millis>,
    },
    /// The origin failed, or its answer cannot be handed on.
    Failed,
    /// The leader was cancelled: that says nothing about the origin.
    Left,
}

impl FlightResult {
    /// Of a leader that is dropped before its flight has ended.
    fn of_dropped() -> Self {
        if std::thread::panicking() {
            Self::Failed
        } else {
            Self::Left
        }
    }
}

/// One origin call that other callers may wait for.
#[derive(Debug)]
pub(crate) struct Flight(watch::Sender<Option<FlightResult>>);

impl Flight {
    fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(None)))
    }

    /// Waits for its end; `None` if it has not ended at `until`.
    pub(crate) async fn result_by(&self, until: Instant) -> Option<FlightResult> {
        let mut result = self.0.subscribe();
        let result = result.wait_for(Option::is_some);
        match tokio::time::timeout_at(until, result).await {
            Err(_) => None,
            Ok(Ok(result)) => result.clone(),
            Ok(Err(_)) => Some(FlightResult::Left),
        }
    }

    /// How it ended, if it has ended.
    pub(crate) fn result(&self) -> Option<FlightResult> {
        self.0.borrow().clone()
    }

    fn is_watched(&self) -> bool {
        self.0.receiver_count() > 0
    }

    fn complete(&self, result: FlightResult) {
        self.0.send_if_modified(|ended| {
            let first = ended.is_none();
            if first {
                *ended = Some(result);
            }
            first
        });
    }
}

/// The flights of this process, by the token of the lease that their leader holds. A caller only
/// joins a flight if its own lookup has shown that lease. Then the origin call began after every
/// change that was acknowledged before the caller came.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<Token, Arc<Flight>>>);

/// The leader's end of a flight. If it is dropped early, the leader has left.
#[derive(Debug)]
pub(crate) struct Leader<'a> {
    flights: &'a Flights,
    token: Token,
    flight: Arc<Flight>,
}

impl Flights {
    pub(crate) fn begin(&self, token: Token) -> Leader<'_> {
        let flight = Flight::new();
        self.map().insert(token, flight.clone());
        Leader {
            flights: self,
            token,
            flight,
        }
    }

    pub(crate) fn of(&self, token: Token) -> Option<Arc<Flight>> {
        self.map().get(&token).cloned()
    }

    fn map(&self) -> MutexGuard<'_, HashMap<Token, Arc<Flight>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leader<'_> {
    /// Whether a caller waits for the value.
    pub(crate) fn is_watched(&self) -> bool {
        self.flight.is_watched()
    }

    /// `fresh_until` is `None` if the value may not be stored.
    pub(crate) fn complete(&self, payload: Bytes, created: Millis, fresh_until: Option<Millis>) {
        self.flight.complete(FlightResult::Value {
            payload,
            created,
            fresh_until,
        });
    }

    /// The origin call has come to nothing that others could use.
    pub(crate) fn fail(&self) {
        self.flight.complete(FlightResult::Failed);
    }
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        self.flights.map().remove(&self.token);
        self.flight.complete(FlightResult::of_dropped());
    }
}

#[cfg(test)]
mod tests;
