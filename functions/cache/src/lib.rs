//! Memoises async functions in memcached, safely.
//!
//! ```
//! use std::convert::Infallible;
//!
//! #[larder::cached("square", ttl = "60s")]
//! async fn square(n: u64) -> Result<u64, Infallible> {
//!     Ok(n * n) // imagine something slow
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! larder::install(larder::Cache::memory()).unwrap(); // or Cache::from_env(): memcached
//! assert_eq!(square(12).await, Ok(144)); // the origin
//! assert!(square::fetch(12).await.unwrap().is_hit()); // the cache
//! square::invalidate(12).await.unwrap(); // acknowledged, or an error
//! # }
//! ```
//!
//! # Layout
//! * [`cached`](macro@cached) and `cached`: the attribute, and what its one call leads to
//! * `read_through`: one call's way, the only place that sees everything
//! * `policy`, `key`, `lease`, `entry`, `payload`: decisions and bytes, without clock or socket
//! * `store`: where bytes stand: `memory`, and `memcached`, which alone opens sockets
//! * [`origin`]: what an origin says about the value that it returns
//! * `flight`: callers of one process who share an origin call
//! * `options`: the settings; `context`: which cache a call uses; `metrics`, `observe`, `log`: what is told of it

mod budget;
mod cache;
mod cached;
mod clock;
mod context;
mod entry;
mod error;
mod fetched;
mod flight;
mod key;
mod lease;
mod log;
mod metrics;
mod names;
mod observe;
mod options;
pub mod origin;
mod outcome;
mod payload;
mod policy;
mod random;
mod read_through;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod verbs;

pub use cache::{Cache, Scope};
pub use context::{AlreadyInstalled, install, with_cache, with_deadline, with_freshness};
pub use error::{CacheError, ServerError};
pub use fetched::Fetched;
pub use key::{Key, KeyError};
pub use larder_macros::cached;
pub use metrics::{Stats, Troubles};
pub use observe::{Event, Observer};
pub use options::{Builder, Configuration, OptionsError};
pub use outcome::{Bypass, Fill, Freshness, Outcome, Source, Trouble};
pub use policy::{Policy, PolicyError, PolicyParts};

/// What generated code names. Not part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::{
        cached::{
            PLAIN, Plain, Probe, RESULT, Shape, current, expire, fetch, given, invalidate, key,
            no_result, part, peek, put, refresh,
        },
        names::Site,
    };
}
