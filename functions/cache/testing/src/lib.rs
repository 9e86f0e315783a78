//! Parts for tests against real servers: a memcached for one test, a proxy that injects faults,
//! peers with invalid answers, and many processes that ask for the same keys. Never part of a
//! release.

#![warn(missing_docs)]

mod memcached;
mod noise;
mod peer;
mod proxy;
pub mod stampede;
pub use memcached::{Memcached, signal};
pub use noise::Noise;
pub use peer::{Peer, Script};
pub use proxy::{Fault, Leg, Proxy};
pub use stampede::Stampede;
