//! Answering a call from bytes: of an entry, of a flight of this process, or of the copy of a
//! stale entry.

use std::{sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{Backoff, Call, Decision, Snapshot, Stale};
use crate::{
    clock,
    fetched::Fetched,
    flight::{Flight, FlightResult},
    outcome::Outcome,
    payload::{self, Payload},
    telemetry::metrics::Counter,
};

impl Call<'_> {
    /// What may be served after `decision`, if it can be decoded. A caller that has to wait
    /// may join a flight of this process.
    pub(super) async fn answer<T: DeserializeOwned>(
        &self,
        decision: Decision,
        snapshot: &Snapshot<'_>,
        pause: &Backoff<'_>,
    ) -> Option<Fetched<T>> {
        match decision {
            Decision::Hit => self.serve(snapshot, pause.has_waited()),
            Decision::ServeStale => self.serve_stale(snapshot),
            Decision::Wait => {
                let flight = self.flight(snapshot)?;
                // The others that wait can join it too.
                pause.changed();
                self.join(&flight, pause.until()).await
            }
            _ => None,
        }
    }

    /// The value of a fresh entry; `None` if it does not decode as a `T`.
    pub(super) fn serve<T: DeserializeOwned>(
        &self,
        snapshot: &Snapshot<'_>,
        waited: bool,
    ) -> Option<Fetched<T>> {
        let outcome = if waited {
            Outcome::Collapsed
        } else {
            Outcome::Hit
        };
        self.entry_value(snapshot, outcome)
    }

    pub(super) fn serve_stale<T: DeserializeOwned>(
        &self,
        snapshot: &Snapshot<'_>,
    ) -> Option<Fetched<T>> {
        self.entry_value(snapshot, Outcome::Stale)
    }

    fn entry_value<T: DeserializeOwned>(
        &self,
        snapshot: &Snapshot<'_>,
        outcome: Outcome,
    ) -> Option<Fetched<T>> {
        let entry = snapshot.entry.as_ref()?;
        let ttl_left = clock::until(snapshot.now, entry.fresh_until);
        let age = clock::since(snapshot.now, entry.created);
        let value = self.decoded(entry.payload, age, outcome, ttl_left)?;
        let cost = Duration::from_micros(entry.cost.into());
        self.counters.time(Counter::OriginMicrosSaved, cost);
        Some(value)
    }

    /// The origin call of this process whose lease this call's own lookup has shown.
    pub(super) fn flight(&self, snapshot: &Snapshot<'_>) -> Option<Arc<Flight>> {
        self.cache.flights.of(snapshot.holder?)
    }

    /// Waits for the result of `flight`.
    async fn join<T: DeserializeOwned>(
        &self,
        flight: &Flight,
        until: Instant,
    ) -> Option<Fetched<T>> {
        match flight.result_by(until).await? {
            FlightResult::Value {
                payload,
                created,
                ttl,
            } => {
                let age = clock::since(self.cache.clock.now(), created);
                self.decoded(Payload::Plain(&payload), age, Outcome::Collapsed, ttl)
            }
            FlightResult::Failed => None,
        }
    }

    pub(super) fn decoded<T: DeserializeOwned>(
        &self,
        packed: Payload<'_>,
        age: Duration,
        outcome: Outcome,
        ttl_left: i64,
    ) -> Option<Fetched<T>> {
        let value = packed.open().and_then(|bytes| payload::decode(&bytes));
        match value {
            Ok(value) => Some(self.fetched(value, outcome, age, ttl_left, None)),
            Err(error) => {
                self.counters.increment(Counter::Unreadable);
                self.cache.log.unreadable(self.key.name(), &error);
                payload::suspect::<T>();
                None
            }
        }
    }

    pub(super) fn fetched<T>(
        &self,
        value: T,
        outcome: Outcome,
        age: Duration,
        ttl_left: i64,
        origin_time: Option<Duration>,
    ) -> Fetched<T> {
        let cache_time = self.budget.spent();
        Fetched {
            value,
            outcome,
            age,
            ttl_left,
            cache_time,
            origin_time,
        }
    }

    pub(super) fn stale_on_error<T: DeserializeOwned>(
        &self,
        stale: Option<Stale>,
    ) -> Option<Fetched<T>> {
        let now = self.cache.clock.now();
        let stale = stale.filter(|stale| now < stale.on_error_until)?;
        self.decoded(
            Payload::Plain(&stale.payload),
            clock::since(now, stale.created),
            Outcome::StaleOnError,
            clock::until(now, stale.fresh_until),
        )
    }
}
