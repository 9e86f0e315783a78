//! A cache: a store, a namespace, and the rules that hold for all of its functions. Cheap to clone, shared by all clones.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::Arc,
};

use serde::{Serialize, de::DeserializeOwned};
use tracing::Instrument as _;

use crate::{
    budget::VERB_TIMEOUT,
    context,
    error::{CacheError, ServerError},
    fetched::Fetched,
    key::Key,
    options::Configuration,
    policy::Policy,
    read_through::{read_through, read_through_many},
    shared::Shared,
    telemetry::events,
    telemetry::metrics::Stats,
};

mod installed;
mod open;
mod verbs;
pub(crate) use installed::current;
pub use installed::{AlreadyInstalled, install, with_cache};

/// What a flush empties. Never more than this cache's own namespace.
///
/// ```
/// # use larder::{Cache, Scope, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let cache = Cache::memory();
/// with_cache(cache.clone(), square(12)).await;
/// cache.flush(Scope::Name("cube")).await.unwrap();
/// assert!(with_cache(cache.clone(), square::peek(12)).await.is_some());
/// cache.flush(Scope::Name("square")).await.unwrap(); // or Scope::All
/// assert!(with_cache(cache, square::peek(12)).await.is_none());
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// Every function of the namespace.
    All,
    /// One function, by the name in its attribute.
    Name(&'a str),
}

/// A cache.
///
/// Making one never connects: a server that is down costs its callers hits, not their start.
///
/// ```
/// # use larder::{Cache, with_cache};
/// # #[larder::cached("square", ttl = "60s")]
/// # async fn square(n: u64) -> u64 { n * n }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let cache = Cache::memory(); // or Cache::from_env()
/// let same = cache.clone();
/// with_cache(cache, square(12)).await;
/// with_cache(same.clone(), square(12)).await;
/// assert_eq!((same.stats().miss, same.stats().hit), (1, 1));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Cache(Arc<Shared>);

impl Cache {
    /// The value of `key`: from the cache, from another caller's origin call, or from `origin`.
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use larder::{Cache, Key, Policy};
    /// const LENGTH: Policy = Policy::ttl(Duration::from_secs(60));
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let cache = Cache::memory();
    /// let key = Key::new("length", &("pantry",)).unwrap();
    /// for hit in [false, true] {
    ///     let origin = || async { Ok::<_, Infallible>("pantry".len()) };
    ///     let length = cache.get_or_fetch(&key, &LENGTH, origin).await.unwrap();
    ///     assert_eq!((*length, length.is_hit()), (6, hit));
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// The origin's own, and no other: trouble with the cache becomes an [`Outcome`](crate::Outcome).
    pub async fn get_or_fetch<T, E, F, Fut>(
        &self,
        key: &Key,
        policy: &Policy,
        origin: F,
    ) -> Result<Fetched<T>, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let (freshness, deadline) = (context::freshness(), context::deadline());
        read_through(&self.0, key, &policy.parts, freshness, deadline, origin).await
    }

    /// The values of many keys, each given with the argument that the origin knows it by: what is cached from the cache, the rest from
    /// `origin`, which is called once for all that are missing.
    ///
    /// One lookup a server finds what is there, and one write a server stores what was not. Each key has a lease of its own, as in
    /// [`Cache::get_or_fetch`]: those that another caller computes just now are waited for while `origin` computes the others.
    /// Should that caller fail, or take longer than the policy's `wait`, `origin` is called once more, for these.
    ///
    /// The result has an entry for each argument, however often it was given; what `origin` did not answer with is in neither the
    /// result nor the cache. To cache an absence, answer with `None` and give the policy a
    /// [`negative_ttl`](Policy::negative_ttl). An answer that was not asked for is dropped.
    ///
    /// ```
    /// # use std::{collections::HashMap, convert::Infallible, time::Duration};
    /// # use larder::{Cache, Key, KeyError, Policy};
    /// const NAME: Policy = Policy::ttl(Duration::from_secs(60));
    ///
    /// /// One query for all: `select id, name from users where id = any($1)`
    /// async fn names(ids: Vec<u64>) -> Result<HashMap<u64, String>, Infallible> {
    ///     let known = ids.into_iter().filter(|id| *id < 500);
    ///     Ok(known.map(|id| (id, format!("user {id}"))).collect())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), KeyError> {
    /// # let cache = Cache::memory();
    /// let mut keyed = Vec::new();
    /// for id in [7, 8, 7, 999] {
    ///     keyed.push((Key::new("name", &(id,))?, id));
    /// }
    /// let names = cache.get_or_fetch_many(keyed, &NAME, names).await.unwrap();
    /// assert_eq!(*names[&7], "user 7");
    /// assert_eq!(names.len(), 2); // 7 and 8: the origin knows no 999
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A server is asked for 128 keys at a time, one such lookup after the other within the budget of the whole call: with thousands of
    /// keys a server, give the call a larger [budget](crate::Builder::budget) or divide it. Keys that it does not suffice for go to the
    /// origin and are not stored.
    ///
    /// An outcome's origin time, and what [`min_cost`](Policy::min_cost) compares with, is that of the whole origin call. While the
    /// cache is unreachable, callers of this process do not share an origin call for many, as they do one for a single key.
    ///
    /// # Errors
    /// The origin's own, unchanged, even if some of the values were there: unless a stale one may be served for every key that it was
    /// called for ([`stale_if_error`](Policy::stale_if_error)).
    pub async fn get_or_fetch_many<A, T, E, M, F, Fut>(
        &self,
        keyed: impl IntoIterator<Item = (Key, A)>,
        policy: &Policy,
        origin: F,
    ) -> Result<HashMap<A, Fetched<T>>, E>
    where
        A: Clone + Eq + Hash,
        T: Serialize + DeserializeOwned,
        M: IntoIterator<Item = (A, T)>,
        F: FnMut(Vec<A>) -> Fut,
        Fut: Future<Output = Result<M, E>>,
    {
        let keyed: Vec<_> = keyed.into_iter().collect();
        let (freshness, deadline) = (context::freshness(), context::deadline());
        read_through_many(&self.0, &keyed, &policy.parts, freshness, deadline, origin)
            .instrument(events::call_many(keyed.len()))
            .await
    }

    /// Empties `scope` on every server, in parallel; other namespaces keep their entries.
    /// Costs one small write a server however many entries there are.
    ///
    /// ```
    /// # use larder::{Cache, Scope, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let cache = Cache::memory();
    /// with_cache(cache.clone(), square(12)).await;
    /// cache.flush(Scope::All).await.unwrap();
    /// assert!(with_cache(cache, square::peek(12)).await.is_none());
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CacheError::Unacknowledged`] names the servers whose entries may live on; repeating is safe.
    pub async fn flush(&self, scope: Scope<'_>) -> Result<(), CacheError> {
        let generation = match scope {
            Scope::All => self.0.namespace.generation().to_owned(),
            Scope::Name(name) => {
                crate::key::check_name(name)?;
                self.0.namespace.function(name)
            }
        };
        self.0
            .store
            .flush(&generation, VERB_TIMEOUT)
            .await
            .map_err(|failed| {
                let failed = failed
                    .into_iter()
                    .map(|(server, reason)| ServerError::new(server, reason));
                CacheError::Unacknowledged(failed.collect())
            })
    }

    /// Asks every server whether it is there. For start lines and health checks; nothing depends on the answer.
    ///
    /// ```
    /// # use larder::Cache;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let cache = Cache::builder().url("memcached://127.0.0.1:1").build().unwrap();
    /// for (server, answer) in cache.ping().await {
    ///     assert_eq!(server, "127.0.0.1:1");
    ///     assert!(answer.is_err()); // nobody is there
    /// }
    /// # }
    /// ```
    pub async fn ping(&self) -> Vec<(String, Result<(), CacheError>)> {
        let answers = self.0.store.ping(VERB_TIMEOUT).await.into_iter();
        let error = |server: &str, reason| {
            CacheError::Unacknowledged(vec![ServerError::new(server, reason)])
        };
        answers
            .map(|(server, answer)| (server.clone(), answer.map_err(|e| error(&server, e))))
            .collect()
    }

    /// Where the cache is, as a URL without secrets: `memory:` or `memcached://host:port,…`.
    ///
    /// ```
    /// # use larder::Cache;
    /// assert_eq!(Cache::memory().location(), "memory:");
    /// ```
    #[must_use]
    pub fn location(&self) -> &str {
        &self.0.location
    }

    /// The settings that count, and who said so. Shows no secret.
    ///
    /// ```
    /// # use larder::Cache;
    /// let shown = Cache::memory().configuration().to_string();
    /// assert!(shown.starts_with("CACHE_URL=memory: (builder)"));
    /// ```
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.0.configuration
    }

    /// The prefix of every key.
    ///
    /// ```
    /// # use larder::Cache;
    /// assert_eq!(Cache::memory().namespace(), "larder");
    /// ```
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0.namespace.name()
    }

    /// How many calls ended how.
    ///
    /// ```
    /// # use larder::{Cache, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let cache = Cache::memory();
    /// with_cache(cache.clone(), square(12)).await;
    /// assert_eq!((cache.stats().miss, cache.stats().hit), (1, 0));
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.counters.total()
    }

    /// The same for each function, by its name; of more than 256 names the others are counted together.
    ///
    /// ```
    /// # use larder::{Cache, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let cache = Cache::memory();
    /// with_cache(cache.clone(), square(12)).await;
    /// assert_eq!(cache.stats_by_name()["square"].miss, 1);
    /// # }
    /// ```
    #[must_use]
    pub fn stats_by_name(&self) -> BTreeMap<String, Stats> {
        self.0.counters.by_name()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}
