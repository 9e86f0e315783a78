//! Answering a call with bytes that are there: of an entry, of a flight of this process, or of what an entry was.

use std::{sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{Call, Pause, Seen, Stale, Step};
use crate::{
    clock,
    fetched::Fetched,
    flight::{Flight, Landing},
    outcome::Outcome,
    payload::{self, Packed},
    telemetry::metrics::Count,
};

impl Call<'_> {
    /// What `step` lets this call answer with, if that is there: for one who waits, the landing of a flight of this process.
    pub(super) async fn answer<T: DeserializeOwned>(
        &self,
        step: Step,
        seen: &Seen<'_>,
        pause: &Pause<'_>,
    ) -> Option<Fetched<T>> {
        match step {
            Step::Hit => self.serve(seen, pause.has_waited()),
            Step::ServeStale => self.serve_stale(seen),
            Step::Wait => {
                let flight = self.flight(seen)?;
                // The others who wait can join it too.
                pause.changed();
                self.join(&flight, pause.until()).await
            }
            _ => None,
        }
    }

    /// The value of a fresh entry; `None` if it does not decode as a `T`.
    pub(super) fn serve<T: DeserializeOwned>(
        &self,
        seen: &Seen<'_>,
        waited: bool,
    ) -> Option<Fetched<T>> {
        let outcome = if waited {
            Outcome::Collapsed
        } else {
            Outcome::Hit
        };
        self.entry_value(seen, outcome)
    }

    pub(super) fn serve_stale<T: DeserializeOwned>(&self, seen: &Seen<'_>) -> Option<Fetched<T>> {
        self.entry_value(seen, Outcome::Stale)
    }

    fn entry_value<T: DeserializeOwned>(
        &self,
        seen: &Seen<'_>,
        outcome: Outcome,
    ) -> Option<Fetched<T>> {
        let entry = seen.entry.as_ref()?;
        let ttl_left = clock::until(seen.now, entry.soft);
        let age = clock::since(seen.now, entry.created);
        let value = self.decoded(entry.payload, age, outcome, ttl_left)?;
        let cost = Duration::from_micros(entry.cost.into());
        self.counters.time(Count::OriginMicrosSaved, cost);
        Some(value)
    }

    /// The origin call of this process that holds the lease which this call's own lookup has shown.
    pub(super) fn flight(&self, seen: &Seen<'_>) -> Option<Arc<Flight>> {
        self.cache.flights().of(seen.holder?)
    }

    /// The answer of `flight`.
    async fn join<T: DeserializeOwned>(
        &self,
        flight: &Flight,
        until: Instant,
    ) -> Option<Fetched<T>> {
        match flight.landing(until).await? {
            Landing::Value {
                payload,
                created,
                ttl,
            } => {
                let age = clock::since(self.cache.clock().now(), created);
                self.decoded(Packed::Plain(&payload), age, Outcome::Collapsed, ttl)
            }
            Landing::Failed => None,
        }
    }

    pub(super) fn decoded<T: DeserializeOwned>(
        &self,
        packed: Packed<'_>,
        age: Duration,
        outcome: Outcome,
        ttl_left: i64,
    ) -> Option<Fetched<T>> {
        let value = packed.open().and_then(|bytes| payload::decode(&bytes));
        match value {
            Ok(value) => Some(self.fetched(value, outcome, age, ttl_left, None)),
            Err(error) => {
                self.counters.one(Count::Unreadable);
                self.cache.log().unreadable(self.key.name(), &error);
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
        let now = self.cache.clock().now();
        let stale = stale.filter(|stale| now < stale.on_error_until)?;
        self.decoded(
            Packed::Plain(&stale.payload),
            clock::since(now, stale.created),
            Outcome::StaleOnError,
            clock::until(now, stale.soft),
        )
    }
}
