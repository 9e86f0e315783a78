//! What all clones of a cache share.

use std::time::Duration;

use crate::{
    clock::Clock,
    entry::Seal,
    flight::{Flights, LocalSingleFlight, Pollers},
    key::Namespace,
    near::Near,
    options::Configuration,
    outcome::Outcome,
    planted::Planted,
    runtime::{self, Needs},
    store::Store,
    telemetry::events::{Event, Observers},
    telemetry::log::Log,
    telemetry::metrics::{Counter, Counters, CountersByName},
};

pub(crate) mod abandoned;
pub(crate) mod name_registry;
pub(crate) mod refreshing;
use abandoned::Abandoned;
use name_registry::{Function, Names};
use refreshing::Refreshing;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) location: String,
    pub(crate) configuration: Configuration,
    pub(crate) namespace: Namespace,
    pub(crate) seal: Seal,
    pub(crate) budget: Duration,
    pub(crate) disabled: bool,
    pub(crate) clock: Clock,
    pub(crate) flights: Flights,
    pub(crate) single_flight: LocalSingleFlight,
    pub(crate) pollers: Pollers,
    pub(crate) abandoned: Abandoned,
    pub(crate) counters: CountersByName,
    pub(crate) observers: Observers,
    pub(crate) log: Log,
    pub(crate) names: Names,
    pub(crate) near: Near,
    pub(crate) refreshing: Refreshing,
}

impl Shared {
    /// Counts a call that has ended, and notifies the observer.
    pub(crate) fn publish(&self, counters: &Counters, event: &Event<'_>) {
        match event.outcome {
            Some(Outcome::Hit) if event.near => counters.increment(Counter::NearHit),
            Some(outcome) => counters.outcome(outcome),
            None => counters.increment(Counter::OriginError),
        }
        if let Some(took) = event.origin_time {
            counters.time(Counter::OriginMicros, took);
        }
        self.observers.notify(event);
    }

    /// The rules that a test has broken.
    pub(crate) fn planted(&self) -> &Planted {
        self.near.planted()
    }

    /// Whether the present task's runtime lacks what a call needs. That is logged.
    pub(crate) fn has_no_runtime(&self, name: &str) -> bool {
        let missing = runtime::missing(self.store.needs());
        missing
            .inspect(|missing| self.log.no_runtime(name, *missing))
            .is_some()
    }

    /// The same for what does not wait for other callers: in this process it needs nothing.
    pub(crate) fn verbs_have_no_runtime(&self) -> bool {
        let needs = self.store.needs();
        needs == Needs::TimeAndIo && runtime::missing(needs).is_some()
    }

    /// Whether `function`, whose value is of the type `value`, may be cached here.
    pub(crate) fn accepts(&self, function: Function, value: &'static str) -> bool {
        self.names.accept(function, value)
    }
}
