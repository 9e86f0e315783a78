//! Parts for tests against real servers: a memcached of one's own, and a proxy that breaks what passes through it.
//! Behind the feature `testing`; never part of what ships.

mod memcached;
mod proxy;
pub use memcached::{Memcached, signal};
pub use proxy::{Fault, Proxy};
