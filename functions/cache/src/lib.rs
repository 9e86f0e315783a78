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
//! A cache needs a tokio runtime with time, and with I/O if it is on a server
//! (`enable_all`, as `#[tokio::main]` has it). Anywhere else a cached function is answered by the
//! function itself, one warning is logged, and verbs on a server return an error.
//!
//! A cached function may call itself, as any async function through a `Box`. Each level takes more
//! stack than that of the plain function: 6 kB were measured with `opt-level = 1`, and it is more
//! without any. A thread of tokio has 2 MiB.
//!
//! # Where to go from here
//! * [`cached`](macro@cached): the attribute and all its arguments
//! * [`Policy`]: ttl, stale windows, sizes; [`Cache::builder`] and [`Cache::from_env`]: the
//!   settings
//! * [`Cache::get_or_fetch`], [`Cache::get_or_fetch_many`]: without the attribute
//! * [`Observer`], [`Stats`], [`Cache::breakers`], [`Cache::ping`]: what to watch
#![cfg_attr(
    any(doc, doctest),
    doc = "* [`guide`]: [getting started](guide::getting_started), [invalidation](guide::invalidate), [tags](guide::tags), [near copies](guide::near), [absences](guide::absence), [tests](guide::testing), [schema changes](guide::schema), [tenants](guide::tenants), [migrating from other caches](guide::migrating)",
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
//!  │ key        the keys of a call                         process share   │
//!  │ policy     how long, how stale                        a call          │
//!  │ entry      records, byte for byte          budget     limits cache I/O│
//!  │ payload    values as MessagePack           telemetry  counters, spans │
//!  │ near       copies in this process                                    │
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

mod boxed;
mod budget;
mod byte;
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
mod near;
mod options;
pub mod origin;
mod outcome;
mod payload;
mod planted;
mod policy;
mod random;
mod read_through;
mod runtime;
mod shared;
mod store;
mod telemetry;

pub use cache::{AlreadyInstalled, Cache, Scope, install, installed, with_cache};
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
/// | `stale_while_revalidate`, `stale_if_error`, `negative_ttl`, `lease`, `wait`, `min_cost`, `near` = `"…"` | the setters of these names of [`Policy`], each with a time |
/// | `jitter`, `max_size`, `compress_over`, `version` = *number* | the same, with a number |
/// | `policy = A_CONST` | a [`Policy`] in place of all of these; `version` may be beside it |
/// | `policy = tenant.policy`, `policy = \|\| settings().users` | an expression that uses arguments, or a closure: evaluated for each call and verb. Its own version does not count, since that is part of the key |
/// | `skip(db, self)` | arguments that are not part of the key, and need not implement `Serialize` |
/// | `key = (self.tenant, id)` | the key's parts, in place of all arguments |
/// | `tags("tenant:{tenant}", "price")` | at most 8 [tags](#tags), each of which a flush can empty |
/// | `cache = app.cache` | the [`Cache`] to use, in place of that of [`with_cache`] or [`install`] |
/// | `types = T::TABLE` | labels that replace the names of types in the key: see below |
/// | `companions = user_cache` | what the companions are called by, in place of the function's name |
/// | `background_refresh = true` | a stale value is served at once, and refreshed in a task of its own: [below](#refresh-in-the-background) |
/// | `negative = \|e\| matches!(e, NotFound)` | which errors are cached, for the `negative_ttl`: see the guide on [absences](guide::absence) |
/// | `many = \|ids\| load(ids, db)` | the origin of many keys, for `fetch_many`: see [below](#many-keys) |
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
/// const USER: Policy = Policy::ttl(Duration::from_secs(60)).negative_ttl(Duration::from_secs(5));
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
/// # What is the key
/// A key is the function's name, its policy's `version`, its types if it has several, and its
/// arguments, hashed with SHA-256. Two calls share an entry if and only if all four are equal.
///
/// * **Arguments** count by what they serialise to, in their order: all of them, those that are not
///   in `skip`, or the value of `key`. The names of arguments do not count, nor do integer types
///   (`7_u8` is `7_i64`). `("a", "bc")` is not `("ab", "c")`, and `None` is not `"None"`. Maps,
///   sets and fields of structs are sorted, so a `HashSet` has one key in every process. What
///   `skip` leaves out must not change the value: not a tenant, not a locale, and not a function
///   pointer either, since all of one signature have one type.
/// * **Types** count where one function in the source is several in the program: the type and
///   constant parameters of a generic function, and for a method those of its `impl` and of its
///   trait, with the `Self` that it was called for. Nothing else that a body can depend on is
///   missing: the types of arguments and value follow from these.
/// * **A type whose name others share** does not identify a function. Calls with closures, or with
///   types that hold one, are not cached: pass a named function, or name them with `types`. Of two
///   types with one name, such as local types of two blocks, the second is not cached. Nor is the
///   second of two functions with one name, also where one macro call has emitted both. Each goes
///   to its origin, counts as [`Stats::refused`], and logs one error that says what to change.
/// * **A name's owner** is known to every process of a namespace: the path of the first function
///   that used the name, for each `version`, is kept on the server, beside what a flush of the name
///   empties. A function with another path is not cached, in whatever program and whichever comes
///   first; its error names both. So a function that moves to another module or crate needs a new
///   `version`, or its name flushed once the old release is gone.
///
/// ## Which keys are the same in every build
/// | function | its key | changes with |
/// |---|---|---|
/// | free, without type parameters | `Key::new(name, &(arguments…,))` | name, version, arguments |
/// | with `types = …` | label, constants and arguments | the same, and the label |
/// | generic, or a method | the names of its types, and arguments | the same, and where its types are |
///
/// The names of types are written by the compiler: they change when a type moves to another module
/// or crate, and may change with the compiler. Then the new build finds none of the entries of the
/// old one, and its invalidations miss what the other still serves. Where two builds serve at once
/// and an invalidation has to reach both, give the types a label: any `&'static str` that the
/// compiler knows, or a tuple of them, distinct for each instantiation.
///
/// ```
/// # use larder::{Cache, with_cache};
/// # use serde::{Serialize, de::DeserializeOwned};
/// trait Row: Serialize + DeserializeOwned {
///     const TABLE: &'static str;
///     fn load(id: u64) -> Self;
/// }
///
/// #[larder::cached("row", ttl = "60s", key = id, types = R::TABLE)]
/// async fn row<R: Row>(id: u64) -> Result<Option<R>, String> {
///     Ok(Some(R::load(id)))
/// }
///
/// # #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
/// # struct User(u64);
/// impl Row for User {
///     const TABLE: &'static str = "user";
/// #   fn load(id: u64) -> Self { Self(id) }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// with_cache(Cache::memory(), async {
///     assert_eq!(row::<User>(7).await, Ok(Some(User(7))));
///     assert!(row::fetch::<User>(7).await.unwrap().is_hit());
/// })
/// .await;
/// # }
/// ```
///
/// # Companions
/// The attribute adds these functions: `user::fetch` and so on for a function `user`; for a method
/// `user` they are methods, `user_fetch` and so on. Those of a function belong to a struct of its
/// name. If the compiler says that "the name `user` is defined multiple times" in "the type
/// namespace", as with `mod user;` beside `use user::user;`, `companions = user_cache` gives the
/// struct another name: `user_cache::fetch`.
///
/// | companion | arguments | |
/// |---|---|---|
/// | `fetch` | all | the same call, which returns a [`Fetched`]: the value, its source, age and outcome |
/// | `refresh` | all | gets a new value from the origin and stores it in place of the old one |
/// | `uncached` | all | the function without the cache |
/// | `peek` | of the key, and those that `cache` names, or a `policy` that uses some | the cached value, fresh or stale, if there is one; never calls the origin |
/// | `put` | the same, and `&value` | stores a value |
/// | `put_with` | the same, and `&policy` | stores a value as that policy says |
/// | `invalidate` | the same | removes the cached value: acknowledged, or a [`CacheError`] |
/// | `expire` | the same | makes the cached value stale: acknowledged, or a [`CacheError`] |
/// | `flush` | those that `cache` names | removes all of the function's values: acknowledged by every server, or a [`CacheError`] |
/// | `key` | of the key | its [`Key`], for [`Cache::get_or_fetch_many`] and others |
/// | `invalidate_many` | those that `cache` names, and a `Vec` of what is of the key | as `invalidate`, with one wait for all |
/// | `put_many` | those of `peek` that are not of the key, and a `Vec` of pairs with `&value` | as `put`, with one wait for all |
/// | `fetch_many` | those that `cache`, `policy` and `many` name, and a `Vec` of what is of the key | a map of [`Fetched`] by argument: [below](#many-keys) |
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
/// # Tags
/// [`Scope::Tag`] flushes all entries with a tag, of whichever function. A tag is a text, as a
/// `format!` has it, with arguments or fields of arguments in braces. They must be part of the key:
/// not in `skip`, and of a function with `key = …` one of its parts, or a field of one. A call
/// whose tag is empty, or longer than 256 bytes, goes to its origin as [`Bypass::Key`].
///
/// ```
/// # use larder::{Cache, Scope, with_cache};
/// #[larder::cached("total", ttl = "60s", tags("tenant:{tenant}", "orders"))]
/// async fn total(tenant: u32, year: u16) -> u64 {
///     u64::from(tenant) * u64::from(year)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let cache = Cache::memory();
/// with_cache(cache.clone(), async {
///     total(7, 2026).await;
///     total(8, 2026).await;
///     cache.flush(Scope::Tag("tenant:7")).await.unwrap();
///     assert!(total::peek(7, 2026).await.is_none());
///     assert!(total::peek(8, 2026).await.is_some());
/// })
/// .await;
/// # }
/// ```
///
/// # Many keys
/// `many` names what answers many keys at once: a function of a `Vec`, or a closure, which may use
/// the arguments that are not in the key. It returns what [`Cache::get_or_fetch_many`] wants of its
/// origin, pairs of argument and value such as a `HashMap`, in a `Result` if the function returns
/// one. Then there is `fetch_many`: one lookup on each server, and one origin call for all keys that
/// are missing. Several arguments are a tuple. An argument that the origin does not answer is
/// neither in the result nor in the cache.
///
/// ```
/// # use std::collections::HashMap;
/// # use larder::{Cache, with_cache};
/// # struct Db;
/// # #[derive(Debug, PartialEq)]
/// # struct DbError;
/// # impl Db {
/// #     async fn users(&self, ids: Vec<u64>) -> Result<HashMap<u64, String>, DbError> {
/// #         Ok(ids.into_iter().map(|id| (id, format!("user {id}"))).collect())
/// #     }
/// # }
/// #[larder::cached("user", ttl = "60s", skip(db), many = |ids| db.users(ids))]
/// async fn user(id: u64, db: &Db) -> Result<String, DbError> {
///     Ok(format!("user {id}")) // select name from users where id = $1
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let db = Db;
/// with_cache(Cache::memory(), async {
///     let users = user::fetch_many(&db, vec![7, 8, 9]).await.unwrap(); // … where id = any($1)
///     assert_eq!(*users[&8], "user 8");
///     user::put_many(vec![(8, &"Ada".to_owned())]).await.unwrap();
///     user::invalidate_many(vec![7, 9]).await.unwrap();
///     assert_eq!(user(8, &db).await.unwrap(), "Ada");
///     assert!(user::peek(7).await.is_none());
/// })
/// .await;
/// # }
/// ```
///
/// Functions without an argument in their key have none of these three, and neither have those whose
/// `cache` names one; those whose `policy` names one have `invalidate_many` alone.
///
/// # Refresh in the background
/// Within the `stale_while_revalidate` window one caller refreshes the value and waits for it, while
/// others are served the stale one. With `background_refresh = true` no caller waits: a task of its
/// own refreshes, one for a key. The function's arguments must be owned, since the task has them
/// when the call has ended. In counters and events the refresh is one more call. If the runtime ends
/// meanwhile, only the refresh is lost. On Lambda (`AWS_LAMBDA_FUNCTION_NAME` is set) nothing runs
/// after an answer: there the caller refreshes within its own call.
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use larder::{Cache, Source, with_cache};
/// # struct Db;
/// #[larder::cached(
///     "name",
///     ttl = "60s",
///     stale_while_revalidate = "30s",
///     background_refresh = true,
///     skip(db)
/// )]
/// async fn name(id: u64, db: Arc<Db>) -> String {
/// #   let _ = db;
///     tokio::time::sleep(Duration::from_secs(1)).await; // select name from users where id = $1
///     format!("user {id}")
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// # let db = Arc::new(Db);
/// with_cache(Cache::memory(), async {
///     name(7, db.clone()).await;
///     tokio::time::advance(Duration::from_secs(70)).await;
///     assert_eq!(name::fetch(7, db.clone()).await.source(), Source::Stale); // at once
///     tokio::time::sleep(Duration::from_secs(2)).await;
///     assert!(name::fetch(7, db).await.is_hit());
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
/// `Result` only `Ok` is cached, and errors that `negative` chooses; `None` is cached only with a
/// `negative_ttl`. An alias of `Result`
/// is recognised in plain functions; generic functions and methods must write `Result<…>`, and a
/// return type there that may hide a `Result` is an error, because its errors would be cached. So
/// is a `Result` within the value, such as `Option<Result<…>>`; behind an alias it is found when
/// the function is first called, which then is not cached. A generic function needs `key`.
///
/// An argument may be a `&mut` of anything, such as a database connection, if it is in `skip`.
pub use larder_macros::cached;
pub use near::unsettled;
pub use options::{Builder, Configuration, OptionsError};
pub use outcome::{Bypass, CacheFailure, Fill, Freshness, Outcome, Source};
pub use policy::{Policy, PolicyError, PolicyParts};
pub use store::BreakerState;
pub use telemetry::{
    events::{BreakerChange, Event, Observer, Verb, VerbEvent},
    metrics::{FailureCounts, Stats},
};

/// For generated code. Not part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::{
        cached::{
            Kept, KeptAsBytes, PLAIN, Plain, Probe, RESULT, Shape, current, each, expire, fetch,
            fetch_in_background, fetch_many, flush, given, invalidate, invalidate_many, key, label,
            negative, no_result, origin, part, parts, peek, put, put_many, refresh, tag, tagged,
            value, with_negative_ttl,
        },
        shared::name_registry::{Function, Site},
    };
}
