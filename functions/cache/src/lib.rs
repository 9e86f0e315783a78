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
//! assert_eq!(square(12).await, Ok(144)); // calls the function: the origin
//! assert!(square::fetch(12).await.unwrap().is_hit()); // answered by the cache
//! square::invalidate(12).await.unwrap(); // acknowledged by the server, or an error
//! # }
//! ```
//!
//! Methods can be cached too: their companions are called `user_fetch`, `user_invalidate` and so
//! on. Without a cache, or with one that fails, a cached function answers as if it were not cached:
//! it returns exactly what the function itself would.
//!
//! # Where to go from here
//! * [`cached`](macro@cached): the attribute and all its arguments
//! * [`Policy`]: ttl, stale windows, sizes; [`Cache::builder`] and [`Cache::from_env`]: the
//!   settings
//! * [`Cache::get_or_fetch`], [`Cache::get_or_fetch_many`]: without the attribute
#![cfg_attr(
    any(doc, doctest),
    doc = "* [`guide`]: [getting started](guide::getting_started), [invalidation](guide::invalidate), [absences](guide::absence), [tests](guide::testing), [schema changes](guide::schema), [tenants](guide::tenants), [migrating from other caches](guide::migrating)",
    doc = "* [How it works](guide::how_it_works): what is sent to memcached and stored there, and why that is safe"
)]
//!
//! # Architecture
//!
//! ```text
//!  #[cached] ──▶ macros: parses the attribute, writes one call
//!                   │
//!  Cache::get_or_fetch, invalidate, put, …          settings: builder, environment
//!                   │                                   │
//!                   ▼                                   ▼
//!  ┌──────────── read-through: one call, from lookup to answer ────────────┐
//!  │ decision   serve, lead, or wait: a table   flight     callers of one  │
//!  │ key        the four keys of a call                    process share   │
//!  │ policy     how long, how stale                        a call          │
//!  │ entry      records, byte for byte          budget     limits cache I/O│
//!  │ payload    values as MessagePack           telemetry  counters, spans │
//!  └───────────────────────────────┬───────────────────────────────────────┘
//!                                  ▼ lookup, add, compare-and-swap, delete
//!  ┌───────────── store: keeps bytes, decides nothing ─────────────────────┐
//!  │ memory      moka, in this process                                     │
//!  │ memcached   ring ▸ server: breaker, pool, batches ▸ connection:       │
//!  │             classic or meta protocol ▸ TCP, TLS, Unix sockets         │
//!  └───────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Arrows point at what a component uses; nothing points back up. The components on the left see no
//! clock and no socket, so that tables can test them. Only `store/memcached` opens sockets. Start
//! reading at the head of `read_through.rs`.

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
/// The name, 1 to 64 of `a-z A-Z 0-9 . _ -`, is part of the keys of its entries. It must be unique
/// in a cache: of two functions with one name the second is not cached, and an error is logged.
///
/// | argument | meaning |
/// |---|---|
/// | `ttl = "60s"` | [`Policy::ttl`]; a time is a whole number of `ms`, `s`, `m` or `h` |
/// | `stale_while_revalidate`, `stale_if_error`, `negative_ttl`, `lease`, `wait`, `min_cost` = `"…"` | the setters of these names of [`Policy`], each with a time |
/// | `jitter`, `max_size`, `compress_over`, `version` = *number* | the same, with a number |
/// | `policy = A_CONST` | a [`Policy`] in place of all of these |
/// | `skip(db, self)` | arguments that are not part of the key, and need not implement `Serialize` |
/// | `key = (self.tenant, id)` | the key's parts, in place of all arguments |
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
/// const USER: Policy = Policy::ttl(Duration::from_secs(60)).jitter(10);
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
/// # Companions
/// The attribute adds these functions: `user::fetch` and so on for a function `user`; for a method
/// `user` they are methods, `user_fetch` and so on.
///
/// | companion | arguments | |
/// |---|---|---|
/// | `fetch` | all | the same call, which returns a [`Fetched`]: the value, its source, age and outcome |
/// | `refresh` | all | gets a new value from the origin and stores it in place of the old one |
/// | `uncached` | all | the function without the cache |
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
/// A method must say what `self` adds to the key: nothing, with `skip(self)`, or the fields in
/// `key`. An associated function without `self` is marked by `skip(self)`, too. Methods of traits
/// and of their implementations are cached without companions, since nothing may be added there. A
/// private method looks the same; declare it `pub(self)` to get its companions. Methods
/// under `#[async_trait]` cannot be cached.
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
/// Arguments must implement `Serialize`, the value `Serialize` and `DeserializeOwned`. Of a
/// `Result` only `Ok` is cached; `None` is cached only with a `negative_ttl`. An alias of `Result`
/// is recognised in plain functions; generic functions and methods must write `Result<…>`, and a
/// return type there that may hide a `Result` is an error, because its errors would be cached. A
/// generic function needs `key`; its type parameters are part of every key.
pub use larder_macros::cached;
pub use options::{Builder, Configuration, OptionsError};
pub use outcome::{Bypass, CacheFailure, Fill, Freshness, Outcome, Source};
pub use policy::{Policy, PolicyError, PolicyParts};
pub use telemetry::{
    events::{Event, Observer},
    metrics::{FailureCounts, Stats},
};

/// For generated code. Not part of the API.
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
