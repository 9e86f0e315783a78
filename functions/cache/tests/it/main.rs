//! The cache against real servers. One binary; each module says what it shows.

mod support;

/// The attribute: companions, return types, keys.
mod attribute;
/// A call's way on every store: hit, miss, flush, invalidate, and the other verbs.
mod calls;
/// Concurrent callers of one cold key.
mod collapse;
/// Dead, hung, slow and lying servers.
mod outages;
/// Values that must never come back: of another key, type, function or time.
mod wrong_values;
