//! What all clones of a cache share.

use std::time::Duration;

use crate::{
    clock::Clock,
    entry::Seal,
    flight::{Flights, Solo, Vigils},
    key::Namespace,
    log::Log,
    metrics::{Count, Counters, Tally},
    names::{Function, Names},
    observe::{Event, Observers},
    options::Configuration,
    store::Store,
};

#[derive(Debug)]
pub(crate) struct Inner {
    pub(super) store: Store,
    pub(super) location: String,
    pub(super) configuration: Configuration,
    pub(super) namespace: Namespace,
    pub(super) seal: Seal,
    pub(super) budget: Duration,
    pub(super) disabled: bool,
    pub(super) clock: Clock,
    pub(super) flights: Flights,
    pub(super) solo: Solo,
    pub(super) vigils: Vigils,
    pub(super) tally: Tally,
    pub(super) observers: Observers,
    pub(super) log: Log,
    pub(super) names: Names,
}

impl Inner {
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub(crate) fn seal(&self) -> &Seal {
        &self.seal
    }

    pub(crate) fn budget(&self) -> Duration {
        self.budget
    }

    pub(crate) fn is_disabled(&self) -> bool {
        self.disabled
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn flights(&self) -> &Flights {
        &self.flights
    }

    pub(crate) fn solo(&self) -> &Solo {
        &self.solo
    }

    pub(crate) fn vigils(&self) -> &Vigils {
        &self.vigils
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Counts what became of a call, and tells who wants to hear it.
    pub(crate) fn tell(&self, counters: &Counters, event: &Event<'_>) {
        match event.outcome {
            Some(outcome) => counters.outcome(outcome),
            None => counters.one(Count::OriginError),
        }
        if let Some(took) = event.origin_time {
            counters.time(Count::OriginMicros, took);
        }
        self.observers.tell(event);
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Whether `function`, whose value is of the type `value`, may be cached here.
    pub(crate) fn accepts(&self, function: Function, value: &'static str) -> bool {
        self.names.accept(function, value)
    }
}
