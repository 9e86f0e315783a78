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
//! A method too: its companions stand beside it, as `user_fetch` or `user_invalidate`. Without a cache, or with one that fails, the
//! function answers as if it were not cached: a memoised call returns exactly what the function itself would.
//!
//! # Where to go from here
//! * [`cached`](macro@cached): all that the attribute understands
//! * [`Policy`]: how long, how stale, how large; [`Cache::builder`] and [`Cache::from_env`]: the settings
//! * [`Cache::get_or_fetch`], [`Cache::get_or_fetch_many`]: without the attribute
#![cfg_attr(
    any(doc, doctest),
    doc = "* [`guide`]: [what each step buys](guide::ladder), [invalidation](guide::invalidate), [absences](guide::absence), [tests](guide::testing), [schema changes](guide::schema), [tenants](guide::tenants), [coming from other caches](guide::coming)"
)]
//!
//! # Layout
//! * [`cached`](macro@cached) and `cached`: the attribute, and what its one call leads to
//! * `cache`: the handle, its verbs, how it is made and which one a task uses; `shared`: what its clones share
//! * `read_through`: one call's way, the only place that sees everything; `read_through::batch`: many keys in one call
//! * `flight`: callers of one process who share an origin call
//! * `policy`, `key`, `entry`, `payload`: decisions and bytes, without clock or socket
//! * `store`: where bytes are kept: `memory`, and `memcached`, which alone opens sockets
//! * [`origin`]: what an origin says about the value that it returns
//! * `options`: the settings; `context`: a call's deadline and freshness; `telemetry`: counters, events and log lines

#![warn(missing_docs)]

mod budget;
mod cache;
mod cached;
mod clock;
mod context;
mod entry;
mod error;
mod fetched;
mod flight;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
#[cfg(any(doc, doctest))]
pub mod guide;
mod key;
mod options;
pub mod origin;
mod outcome;
mod payload;
mod policy;
mod random;
mod read_through;
mod shared;
mod store;
mod telemetry;

pub use cache::{AlreadyInstalled, Cache, Scope, install, with_cache};
pub use context::{with_deadline, with_freshness};
pub use error::{CacheError, ServerError};
pub use fetched::Fetched;
pub use key::{Key, KeyError};
/// Memoises an async function: `#[larder::cached("name", ttl = "60s", …)]`.
///
/// The name is what its entries are called on the server, 1 to 64 of `a-z A-Z 0-9 . _ -`. It has to be the function's own: of two
/// functions with one name in a cache, the second is not cached, and an error is logged.
///
/// | argument | meaning |
/// |---|---|
/// | `ttl = "60s"` | [`Policy::ttl`]; a time is a whole number of `ms`, `s`, `m` or `h` |
/// | `stale_while_revalidate`, `stale_if_error`, `negative_ttl`, `lease`, `wait`, `min_cost` = `"…"` | the [`Policy`]'s setters of these names, each with a time |
/// | `jitter`, `max_size`, `compress_over`, `version` = *number* | the same, with a number |
/// | `policy = A_CONST` | a [`Policy`] in place of all of these |
/// | `skip(db, self)` | arguments that are no part of the key, and need not implement `Serialize` |
/// | `key = (self.tenant, id)` | what the key is made of, in place of all arguments |
/// | `cache = app.cache` | the [`Cache`] to use, in place of that of [`with_cache`] or [`install`] |
///
/// ```
/// # use std::time::Duration;
/// # use larder::{Cache, Policy, with_cache};
/// # struct Db;
/// # #[derive(Debug)]
/// # struct DbError;
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct User {
///     name: String,
/// }
///
/// const USER: Policy = Policy::ttl(Duration::from_secs(60)).stale_if_error(Duration::from_secs(600));
///
/// #[larder::cached("user", policy = USER, skip(db))]
/// async fn user(id: u64, db: &Db) -> Result<User, DbError> {
/// #     let (_, _) = (id, db);
///     Ok(User { name: "Ada".to_owned() }) // select name from users where id = $1
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let db = Db;
/// with_cache(Cache::memory(), async {
///     assert_eq!(user(7, &db).await.unwrap().name, "Ada"); // the signature is unchanged
///     assert!(user::fetch(7, &db).await.unwrap().is_hit());
/// })
/// .await;
/// # }
/// ```
///
/// # What stands beside it
/// Of a free function `user` these are `user::fetch`, and so on; of a method `user` they are methods, `user_fetch`.
///
/// | companion | arguments | |
/// |---|---|---|
/// | `fetch` | all | the call with what became of it: a [`Fetched`], in a `Result` if the function has one |
/// | `refresh` | all | a new value from the origin, stored in place of the old one |
/// | `uncached` | all | the function as it was written |
/// | `peek` | of the key, and those that `cache` names | the cached value, fresh or stale, if there is one; never calls the origin |
/// | `put` | the same, and `&value` | stores a value |
/// | `invalidate` | the same | removes the cached value: acknowledged, or a [`CacheError`] |
/// | `expire` | the same | makes the cached value stale: acknowledged, or a [`CacheError`] |
/// | `key` | of the key | its [`Key`], for [`Cache::get_or_fetch_many`] and others |
///
/// ```
/// # use larder::{Cache, Key, with_cache};
/// #[larder::cached("square", ttl = "60s", stale_while_revalidate = "30s")]
/// async fn square(n: u64) -> u64 {
///     n * n
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// with_cache(Cache::memory(), async {
///     assert!(square::peek(12).await.is_none());
///     assert!(!square::fetch(12).await.is_hit());
///     square::put(12, &145).await.unwrap();
///     assert_eq!(square(12).await, 145);
///     assert_eq!(*square::refresh(12).await, 144);
///     square::expire(12).await.unwrap();
///     assert!(square::peek(12).await.unwrap().ttl_left() <= 0);
///     square::invalidate(12).await.unwrap();
///     assert!(square::peek(12).await.is_none());
///     assert_eq!(square::uncached(12).await, 144);
///     assert_eq!(square::key(12), Key::new("square", &(12,)));
/// })
/// .await;
/// # }
/// ```
///
/// # Methods
/// What `self` adds to the key has to be said, by `skip(self)` or in `key`. A method of a trait, or of its implementation, is cached
/// without companions: nothing may stand beside it there. A private method looks the same; `pub(self)` gives it its companions. An
/// associated function without `self` says that it is one by `skip(self)`. Under `#[async_trait]` nothing can be cached.
///
/// ```
/// # use larder::{Cache, with_cache};
/// struct Shop {
///     tenant: String,
/// }
///
/// impl Shop {
///     #[larder::cached("price", ttl = "60s", key = (self.tenant, article))]
///     pub async fn price(&self, article: u32) -> u32 {
///         article * 100
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let shop = Shop { tenant: "a".to_owned() };
/// with_cache(Cache::memory(), async {
///     assert_eq!(shop.price(7).await, 700);
///     assert!(shop.price_fetch(7).await.is_hit());
///     shop.price_invalidate(7).await.unwrap();
///     assert!(shop.price_peek(7).await.is_none());
/// })
/// .await;
/// # }
/// ```
///
/// # What can be cached
/// Arguments need `Serialize`, the value needs `Serialize` and `DeserializeOwned`. Of a `Result` only `Ok` is cached, of an `Option`
/// `None` only with a `negative_ttl`. An alias of `Result` is seen through, but in generic functions and methods it has to be written
/// as `Result<…>`; what may be a `Result` unseen is refused, for its errors would be cached. A generic function needs `key`; its types
/// are part of every key.
pub use larder_macros::cached;
pub use options::{Builder, Configuration, OptionsError};
pub use outcome::{Bypass, CacheFailure, Fill, Freshness, Outcome, Source};
pub use policy::{Policy, PolicyError, PolicyParts};
pub use telemetry::{
    events::{Event, Observer},
    metrics::{FailureCounts, Stats},
};

/// What generated code names. Not part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::{
        cached::{
            PLAIN, Plain, Probe, RESULT, Shape, current, expire, fetch, given, invalidate, key,
            no_result, part, parts, peek, put, refresh, value,
        },
        shared::name_registry::Site,
    };
}
