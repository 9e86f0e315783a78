//! Tests of the cache against real servers, in one binary. Each module says what it shows.

mod support;

/// The attribute: companions, return types, keys.
mod attribute;
/// Refreshes in tasks of their own.
mod background;
/// Benchmarks: other caches are measured, too, and none of them can end `make bench`.
mod benches;
/// Calls on every store: hit, miss, flush, invalidate, and the other verbs.
mod calls;
/// Every public call, dropped at every point at which it waits.
mod cancellation;
/// Random operations with faults and cancellations; and the same on a client without larder's
/// protection.
mod chaos;
/// Machines whose clocks differ.
mod clocks;
/// Several servers, and their discovery.
mod clusters;
/// Concurrent callers of one cold key.
mod collapse;
/// Compression of large values.
mod compression;
/// The corpus of the fuzzers, replayed.
mod corpus;
/// Many callers in one process: they share exchanges, and each gets its own answer.
mod crowds;
/// Evictions of each item in the middle of each operation.
mod evictions;
/// Origins that fail, and servers that take no writes or answer no lookup.
mod failing;
/// Servers as they are run: proxies, passwords, no memory left, connections that are forgotten.
mod field;
/// Records replaced by other bytes.
mod forgeries;
/// Servers that are added, lost and late under load; by name and by IPv6.
mod growth;
/// Peers that answer what no memcached would.
mod hostile;
/// Whose entry a key is: every function's and every type's own.
mod identity;
/// Many keys in one call.
mod many;
/// The compiler's messages for mistakes in the attribute.
mod messages;
/// Names with several addresses, of which some are dead.
mod names;
/// Near copies: values that a process keeps, and verbs that wait until they have ended.
mod near;
/// Errors that are cached because the attribute chooses them.
mod negative;
/// Counters, observers, spans and logs.
mod observed;
/// What an origin says about its value.
mod origin;
/// Dead, hung and slow servers.
mod outages;
/// The view of another crate: functions in seven forms, and keys that never change.
mod outside;
/// Calls that are held unpolled or left, and bursts of calls: the others go on.
mod parked;
/// Policies that are decided by a call, a setting or a value.
mod policies;
/// Random arguments: what is sent, and for which key.
mod properties;
/// Proxies that spread keys over servers.
mod proxies;
/// Invalidations and flushes against fills, at random moments.
mod races;
/// Limits of time, memory and connections.
mod resources;
/// Clusters that grow and shrink under clients with lists of different age.
mod scaling;
/// Entries past their ttl: which caller refreshes, which is served, which waits.
mod staleness;
/// Many processes that ask for the same keys at the same moment.
mod stampede;
/// A holder that is killed or frozen at any of its round trips.
mod steps;
/// The public surface of the crate.
mod surface;
/// Tags: what a flush of one empties.
mod tags;
/// A clock that the test advances, and a cache that stores nothing.
mod time;
/// TLS and Unix sockets.
mod transports;
/// Values that would be written and never read again.
mod unreadable;
/// Answers that leave nothing to store, and many callers who want them.
mod unstored;
/// Two releases on one server.
mod versions;
/// Waiting for another caller's origin call: how long, and at what cost.
mod waiting;
/// Values that must never be served: of another key, type, function or time.
mod wrong_values;
