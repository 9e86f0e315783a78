//! The cache against real servers. One binary; each module says what it shows.

mod support;

/// The attribute: companions, return types, keys.
mod attribute;
/// Benchmarks: other caches are measured beside ours, and none of them can end `make bench`.
mod benches;
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
/// Large values, made shorter.
mod compression;
/// What the fuzzers were given, and what they found.
mod corpus;
/// Many callers of one process at once: they share exchanges, and nobody's answer.
mod crowds;
/// Whatever stands on the server, thrown out in the middle of each operation.
mod evictions;
/// Records replaced by other bytes.
mod forgeries;
/// Servers more, fewer and late, under load; by name and by IPv6.
mod growth;
/// Peers that answer what no memcached would.
mod hostile;
/// Many keys in one call.
mod many;
/// What the compiler says about a mistake in the attribute.
mod messages;
/// What is counted and told of calls.
mod observed;
/// What an origin says of its own value.
mod origin;
/// Dead, hung and slow servers.
mod outages;
/// What another crate sees: functions in seven shapes, and keys that never change.
mod outside;
/// Calls that are held unpolled or left, and bursts of calls: the others go on.
mod parked;
/// Whatever the arguments are: what is sent, and which key it is sent for.
mod properties;
/// Invalidations and flushes against fills, at random moments.
mod races;
/// Time, room and connections: what is promised of each.
mod resources;
/// Entries past their ttl: who refreshes, who is served, who waits.
mod staleness;
/// Many processes that want the same at the same moment.
mod stampede;
/// A holder struck at any of its round trips.
mod steps;
/// What the crate shows to others.
mod surface;
/// A clock that the test moves, and a cache that keeps nothing.
mod time;
/// TLS and Unix sockets.
mod transports;
/// Two releases at work on one server.
mod versions;
/// Waiting for another's origin call: how long, and at what cost.
mod waiting;
/// Values that must never come back: of another key, type, function or time.
mod wrong_values;
