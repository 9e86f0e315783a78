//! Parts for tests against real servers: a memcached for each test, a proxy that breaks what
//! passes through it, one that spreads keys as twemproxy does, peers that lie, a crowd of processes
//! that all want the same key, and ports that no other test has. Never part of what ships.

#![warn(missing_docs)]

mod memcached;
mod noise;
mod peer;
mod port;
mod proxy;
mod splitting;
pub mod stampede;
pub use memcached::{Memcached, signal};
pub use noise::Noise;
pub use peer::{Peer, Script};
pub use port::Port;
pub use proxy::{Fault, Leg, Proxy};
pub use splitting::{Manners, Routing, SplittingProxy};
pub use stampede::Stampede;
