//! The cache against real servers. One binary; each module says what it shows.

mod support;

/// The attribute: companions, return types, keys.
mod attribute;
/// A call's way on every store: hit, miss, flush, invalidate, and the other verbs.
mod calls;
/// Every public call, dropped wherever it waits.
mod cancellation;
/// Randomised: many operations, some cancelled, through faults; and the same on a client that does not keep the promise.
mod chaos;
/// Several servers, and who tells of them.
mod clusters;
/// Concurrent callers of one cold key.
mod collapse;
/// What the fuzzers were given, and what they found.
mod corpus;
/// Records replaced by other bytes.
mod forgeries;
/// Peers that answer what no memcached would.
mod hostile;
/// What the compiler says about a mistake in the attribute.
mod messages;
/// Dead, hung and slow servers.
mod outages;
/// Whatever the arguments are: what is sent, and which key it is sent for.
mod properties;
/// Time, room and connections: what is promised of each.
mod resources;
/// TLS and Unix sockets.
mod transports;
/// Values that must never come back: of another key, type, function or time.
mod wrong_values;
