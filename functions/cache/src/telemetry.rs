//! What the cache reports: counters, events for an observer and for `tracing`, and log lines. Never
//! a value, never an argument.

pub(crate) mod events;
pub(crate) mod log;
pub(crate) mod metrics;
