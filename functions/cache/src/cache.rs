//! A cache: a store, a namespace, and the settings of all its functions.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::Arc,
};

use futures_util::future::join_all;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{
    budget::VERB_TIMEOUT,
    context,
    error::{CacheError, ServerError},
    fetched::Fetched,
    key::{Key, Namespace},
    near::{Answer, AsBytes, Keep},
    options::{Configuration, closest},
    policy::Policy,
    read_through::{read_stale, read_through, read_through_many},
    shared::Shared,
    store::{BreakerState, StoreError},
    telemetry::events::{self, Verb, VerbEvent},
    telemetry::metrics::Stats,
};

mod installed;
mod open;
mod verbs;
pub(crate) use installed::current;
pub use installed::{AlreadyInstalled, install, installed, with_cache};

/// What [`Cache::flush`] empties: at most the cache's own namespace.
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
    /// One function, by the name in its attribute or [`Key`].
    Name(&'a str),
    /// All entries with this tag, of whichever function: `tags("tenant:{tenant}")` in the
    /// attribute, or [`Key::with_tags`].
    Tag(&'a str),
}

/// A cache. Cloning it is cheap, and all clones share connections and counters. Several caches can
/// be used side by side.
///
/// Making one does not connect, so a server that is down cannot prevent a start.
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
/// assert_eq!(same.stats_by_name()["square"].hit, 1);
/// assert_eq!((same.location(), same.namespace()), ("memory:", "larder"));
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Cache(Arc<Shared>);

impl Cache {
    /// Gets the value of `key`: from the cache, from another caller's origin call, or from
    /// `origin`.
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
    /// The origin's own. A failure of the cache is no error; it shows in the
    /// [`Outcome`](crate::Outcome).
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
        self.get_as::<AsBytes, T, E, F, Fut>(key, policy, origin)
            .await
    }

    /// The same, with copies kept as `K` says.
    pub(crate) fn get_as<K, T, E, F, Fut>(
        &self,
        key: &Key,
        policy: &Policy,
        origin: F,
    ) -> impl Future<Output = Result<Fetched<T>, E>>
    where
        K: Keep<T>,
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let (freshness, deadline) = (context::freshness(), context::deadline());
        read_through::<K, _, _, _, _>(&self.0, key, &policy.parts, freshness, deadline, origin)
    }

    /// The same; but a call that could refresh a stale value is served that value. The second is
    /// whether that has happened, so that its caller has to refresh it.
    pub(crate) async fn get_stale_as<K, T, E, F, Fut>(
        &self,
        key: &Key,
        policy: &Policy,
        origin: F,
    ) -> (Result<Fetched<T>, E>, bool)
    where
        K: Keep<T>,
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let (freshness, deadline) = (context::freshness(), context::deadline());
        let parts = &policy.parts;
        read_stale::<K, _, _, _, _>(&self.0, key, parts, freshness, deadline, origin).await
    }

    /// Gets the values of many keys. Each is given with the argument by which the origin knows it.
    /// `origin` is called once, with the arguments of all keys that are not cached.
    ///
    /// Each server gets one lookup and one write for all of its keys. Each key has its own lease,
    /// as in [`Cache::get_or_fetch`]: for keys that another caller is computing, this call waits
    /// while `origin` computes the others. If that caller fails, or takes longer than the policy's
    /// `wait`, `origin` is called once more for these keys.
    ///
    /// The result has one entry for each distinct argument. An argument that `origin` does not
    /// answer is neither in the result nor in the cache. To cache an absence, let `origin` answer
    /// `None`, and give the policy a [`negative_ttl`](Policy::negative_ttl). Answers for other
    /// arguments are dropped.
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
    /// assert_eq!(names.len(), 2); // 7 and 8: the origin does not answer 999
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A lookup asks a server for at most 128 keys, or for fewer if some have more than 4 tags;
    /// further lookups follow one after the other, within the [budget](crate::Builder::budget) of
    /// the whole call. Keys for which the budget does not suffice go to the origin and are not
    /// stored: with thousands of keys on a server, raise the budget or split the call.
    ///
    /// The origin time of each value, with which [`min_cost`](Policy::min_cost) is compared, is
    /// that of the whole origin call. While the cache is unreachable, callers of one process do not
    /// share the origin calls for many keys, as they share those for a single key.
    ///
    /// # Errors
    /// The origin's own, even if other keys had cached values; unless every key of that origin call
    /// has a stale value that may be served ([`stale_if_error`](Policy::stale_if_error)).
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
        let keyed = keyed.into_iter().collect();
        self.get_many_as::<AsBytes, A, T, E, M, F, Fut>(keyed, policy, origin)
            .await
    }

    /// The same, with copies kept as `K` says.
    pub(crate) async fn get_many_as<K, A, T, E, M, F, Fut>(
        &self,
        keyed: Vec<(Key, A)>,
        policy: &Policy,
        origin: F,
    ) -> Result<HashMap<A, Fetched<T>>, E>
    where
        K: Keep<T>,
        A: Clone + Eq + Hash,
        T: Serialize + DeserializeOwned,
        M: IntoIterator<Item = (A, T)>,
        F: FnMut(Vec<A>) -> Fut,
        Fut: Future<Output = Result<M, E>>,
    {
        let (cache, parts) = (&self.0, &policy.parts);
        let (freshness, deadline) = (context::freshness(), context::deadline());
        read_through_many::<K, _, _, _, _, _, _>(cache, &keyed, parts, freshness, deadline, origin)
            .instrument(events::call_many(keyed.len()))
            .await
    }

    /// Empties `scope` on every server, in parallel; each has a second to answer. Other namespaces
    /// keep their entries. It costs one small write on each server, however many entries there are,
    /// and waits until no process holds a copy of them ([`Policy::near`]).
    ///
    /// A name is not checked: its function may be another program's. If no function of this process
    /// has used it, and no server had anything of it either, a warning says so, once a name, with
    /// the name that is meant if one is close.
    ///
    /// # Errors
    /// [`CacheError::Unacknowledged`] names the servers that did not acknowledge: their entries may
    /// live on, and repeating is safe. [`CacheError::Key`] if the name or the tag in `scope` is
    /// invalid, [`CacheError::Disabled`] if the cache is disabled.
    pub async fn flush(&self, scope: Scope<'_>) -> Result<(), CacheError> {
        let removed = self.reported_flush(scope).await?;
        if let (Scope::Name(name), false) = (scope, removed) {
            let used = self.0.counters.by_name();
            if !used.contains_key(name) {
                let used = used.keys().map(String::as_str);
                self.0.log.unknown_name(name, closest(name, used));
            }
        }
        Ok(())
    }

    /// The same for a name that is a function's. Whether a server had anything of it.
    pub(crate) async fn reported_flush(&self, scope: Scope<'_>) -> Result<bool, CacheError> {
        let begun = Instant::now();
        let flushed = self.flushed(scope).await;
        let (name, tag) = match scope {
            Scope::All => (None, None),
            Scope::Name(name) => (Some(name), None),
            Scope::Tag(tag) => (None, Some(tag)),
        };
        self.0.observers.notify_verb(&VerbEvent {
            verb: Verb::Flush,
            name,
            tag,
            digest: None,
            error: flushed.as_ref().err(),
            took: begun.elapsed(),
        });
        flushed
    }

    async fn flushed(&self, scope: Scope<'_>) -> Result<bool, CacheError> {
        let cache = &self.0;
        match scope {
            Scope::All => {}
            Scope::Name(name) => crate::key::check_name(name)?,
            Scope::Tag(tag) => crate::key::check_tag(tag)?,
        }
        self.check_verb()?;
        // Dropped when the exchanges have ended, however they have.
        let own = cache.near.forgetting_all();
        let parts = cache.namespace.parts().iter();
        let parts = parts.map(|part| self.flushed_part(part, scope));
        let flushed = join_all(parts.collect::<Vec<_>>()).await;
        drop(own);
        let (mut answers, mut failed, mut removed) = (Vec::new(), BTreeMap::new(), false);
        for part in flushed {
            match part {
                Ok((part, was_there)) => {
                    answers.extend(part);
                    removed |= was_there;
                }
                Err(part) => failed.extend(part),
            }
        }
        if failed.is_empty() {
            cache.until_final(answers).await;
            return Ok(removed);
        }
        let failed = failed.into_iter();
        let failed = failed.map(|(server, reason)| ServerError::new(&cache.store, server, reason));
        Err(CacheError::Unacknowledged(failed.collect()))
    }

    /// What its servers have shown, and whether one had anything.
    async fn flushed_part(
        &self,
        part: &Namespace,
        scope: Scope<'_>,
    ) -> Result<(Vec<Answer>, bool), Vec<(String, StoreError)>> {
        let cache = &self.0;
        // What is deleted, and whose records bound the near copies of what that empties.
        let (whole, mut scopes) = (part.whole(), vec![part.whole().clone()]);
        let generation = match scope {
            Scope::All => whole.generation.key().to_owned(),
            Scope::Name(name) => {
                let named = part.of(name);
                scopes.push(named.clone());
                named.generation.key().to_owned()
            }
            // Of whichever function.
            Scope::Tag(tag) => part.tag(tag).key().to_owned(),
        };
        let flushed = cache
            .store
            .flush(&generation, &scopes, VERB_TIMEOUT)
            .await?;
        let received = cache.near.clocks().now().monotonic;
        let removed = flushed.iter().any(|(_, effected)| effected.done);
        let answers = flushed
            .into_iter()
            .map(|(server, effected)| Answer::new(server, &scopes, &effected.records, received));
        Ok((answers.collect(), removed))
    }

    /// Drops all near copies of this process: see [`Policy::near`]. A host that may
    /// freeze the process between calls has to call this when the last call ends: while a guest is
    /// stopped, its clocks may stop too.
    pub fn forget_near(&self) {
        self.0.near.forget_all();
    }

    /// Asks every server, as `host:port`, whether it answers within a second. For health checks;
    /// calls do not depend on it.
    pub async fn ping(&self) -> Vec<(String, Result<(), CacheError>)> {
        if let Err(error) = self.check_runtime() {
            return vec![(self.location().to_owned(), Err(error))];
        }
        let answers = self.0.store.ping(VERB_TIMEOUT).await.into_iter();
        let error = |server: &str, reason| {
            CacheError::Unacknowledged(vec![ServerError::new(&self.0.store, server, reason)])
        };
        answers
            .map(|(server, answer)| (server.clone(), answer.map_err(|e| error(&server, e))))
            .collect()
    }

    /// The circuit breaker of each server, as `host:port`: a gauge. Empty for a cache in this
    /// process, and until the first list of servers has come.
    /// [`Observer::breaker_changed`](crate::Observer::breaker_changed) is notified of each change.
    #[must_use]
    pub fn breakers(&self) -> Vec<(String, BreakerState)> {
        self.0.store.breakers()
    }

    /// Where the cache is, as a URL without secrets: `memory:`, `memcached://host:port,…`.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.0.location
    }

    /// The settings in use, and where each comes from. Shows no secret.
    #[must_use]
    pub fn configuration(&self) -> &Configuration {
        &self.0.configuration
    }

    /// The prefix of every key.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.0.namespace.name()
    }

    /// The counters of all calls since the cache was made.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.0.counters.total()
    }

    /// The counters of each function, by its name. Above 256 names the others are counted together.
    #[must_use]
    pub fn stats_by_name(&self) -> BTreeMap<String, Stats> {
        self.0.counters.by_name()
    }

    /// Whether a verb may be tried: not without a runtime, nor while the cache is disabled. Of a
    /// disabled cache in this process no entry is ever read, so any verb may succeed.
    fn check_verb(&self) -> Result<(), CacheError> {
        if self.0.disabled && self.0.store.is_shared() {
            return Err(CacheError::Disabled);
        }
        self.check_runtime()
    }

    /// A verb on a server needs sockets, and a limit for its time.
    fn check_runtime(&self) -> Result<(), CacheError> {
        if self.0.verbs_have_no_runtime() {
            let error = ServerError::new(&self.0.store, self.location(), StoreError::NoRuntime);
            return Err(CacheError::Unacknowledged(vec![error]));
        }
        Ok(())
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}
