//! Answering a call from bytes: of an entry, of a flight of this process, or of the copy of a
//! stale entry.

use std::{sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{
    Call, Decision, Snapshot, Stale,
    decision::{Age, ItemKind, Marker},
    snapshot::Owner,
};
use crate::{
    clock::{self, Millis},
    fetched::Fetched,
    flight::{Flight, FlightResult},
    outcome::Outcome,
    payload::{self, Payload},
    telemetry::metrics::Counter,
};

/// What became of joining a flight.
pub(super) enum Joined<T> {
    Value(Fetched<T>),
    /// The origin call has left nothing that this call can use.
    Unusable,
    /// It has not ended, or its leader has left: look again.
    Again,
}

impl Call<'_> {
    /// What `decision` lets this call answer with, if it decodes as a `T`.
    pub(super) fn answer<T: DeserializeOwned>(
        &self,
        decision: Decision,
        snapshot: &Snapshot<'_>,
        waited: bool,
    ) -> Option<Fetched<T>> {
        match decision {
            Decision::Hit => self.serve(snapshot, waited),
            Decision::ServeStale => self.serve_stale(snapshot),
            Decision::ServeOnError => self.serve_on_error(snapshot),
            _ => None,
        }
    }

    /// The copy that the policy lets this call be answered with although something has failed.
    pub(super) fn serve_copy<T: DeserializeOwned>(
        &self,
        snapshot: &Snapshot<'_>,
    ) -> Option<Fetched<T>> {
        match snapshot.kind {
            // Of a name that is not this function's nothing is served.
            _ if snapshot.owner != Owner::Us => None,
            ItemKind::Entry(Age::Stale) => self.serve_stale(snapshot),
            ItemKind::Entry(Age::OnError) => self.serve_on_error(snapshot),
            _ => None,
        }
    }

    fn serve_on_error<T: DeserializeOwned>(&self, snapshot: &Snapshot<'_>) -> Option<Fetched<T>> {
        self.entry_value(snapshot, Outcome::StaleAfterError)
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
        let outcome = match snapshot.marker {
            Marker::Failed => Outcome::StaleAfterError,
            Marker::Refreshing | Marker::NotRefreshing => Outcome::Stale,
        };
        self.entry_value(snapshot, outcome)
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

    /// The answer of `flight`. Looks again after the life of a lease: its leader may not be polled,
    /// and others may have taken over.
    pub(super) async fn join<T: DeserializeOwned>(
        &self,
        flight: &Flight,
        until: Instant,
    ) -> Joined<T> {
        let until = until.min(Instant::now() + self.policy.lease);
        match flight.result_by(until).await {
            Some(FlightResult::Value {
                payload,
                created,
                fresh_until,
            }) => {
                let value = self.flight_value(&payload, created, fresh_until);
                value.map_or(Joined::Unusable, Joined::Value)
            }
            Some(FlightResult::Failed) => Joined::Unusable,
            Some(FlightResult::Left) | None => Joined::Again,
        }
    }

    /// The value that a flight carries.
    pub(super) fn flight_value<T: DeserializeOwned>(
        &self,
        payload: &[u8],
        created: Millis,
        fresh_until: Option<Millis>,
    ) -> Option<Fetched<T>> {
        let now = self.cache.clock.now();
        let age = clock::since(now, created);
        let ttl_left = fresh_until.map_or(0, |fresh_until| clock::until(now, fresh_until));
        self.decoded(Payload::Plain(payload), age, Outcome::Collapsed, ttl_left)
    }

    pub(super) fn decoded<T: DeserializeOwned>(
        &self,
        payload: Payload<'_>,
        age: Duration,
        outcome: Outcome,
        ttl_left: i64,
    ) -> Option<Fetched<T>> {
        let value = payload.open().and_then(|bytes| payload::decode(&bytes));
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
            near: false,
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
