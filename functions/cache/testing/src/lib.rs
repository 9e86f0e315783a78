//! Parts for tests against real servers: a memcached of one's own, a proxy that breaks what passes through it, peers that lie,
//! and a crowd of processes that all want the same. Never part of what ships.

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
