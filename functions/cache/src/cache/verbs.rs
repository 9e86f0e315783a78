//! The explicit verbs. Unlike a cached call they report failures of the cache: each is acknowledged
//! or returns an error. Repeating them is safe.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::Cache;
use crate::{
    budget::VERB_TIMEOUT,
    context,
    error::{CacheError, ServerError},
    fetched::Fetched,
    key::{CacheKeys, Key},
    near::{AsBytes, Keep},
    origin::CacheDirective,
    outcome::{Fill, Freshness, Outcome},
    payload::{self, Payload},
    policy::Policy,
    read_through::{Call, MAX_TRIES, WriteResult, read_through},
    store::VerbError,
    telemetry::events::{Verb, VerbEvent},
};

impl Cache {
    /// Removes the entry of `key`. Once this has returned `Ok`, no value whose origin call began
    /// before this call is served again, not even one that a slow caller stores later, nor one that
    /// another process keeps ([`Policy::near`]): this waits until all such copies have ended. The
    /// server has a second to answer, of which a configuration endpoint whose list is a minute old
    /// may take half. See [`unsettled`](crate::unsettled) for not waiting.
    ///
    /// # Errors
    /// [`CacheError::Unacknowledged`]: the entry may still be there. Repeating is safe.
    /// [`CacheError::Disabled`]: the cache is disabled, and no server was asked.
    pub async fn invalidate(&self, key: &Key) -> Result<(), CacheError> {
        let removed = self.removed(key);
        self.reported(Verb::Invalidate, key, removed).await
    }

    async fn removed(&self, key: &Key) -> Result<(), CacheError> {
        self.check_verb()?;
        let call = Call::verb(self.shared(), key, &ANY.parts);
        let answers = call.invalidate(VERB_TIMEOUT).await;
        let answers = answers.map_err(|error| self.unacknowledged(key, error))?;
        self.shared().until_final(answers).await;
        Ok(())
    }

    /// Removes the entries of many keys, as [`Cache::invalidate`] does, with one wait for all of
    /// them. Each server gets one command a key, some at a time, and has a second for each, of
    /// which a configuration endpoint whose list is a minute old may take half.
    ///
    /// ```
    /// # use larder::{Cache, with_cache};
    /// # #[larder::cached("square", ttl = "60s")]
    /// # async fn square(n: u64) -> u64 { n * n }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), larder::CacheError> {
    /// # let cache = Cache::memory();
    /// let keys = [7, 8].map(square::key).into_iter().collect::<Result<Vec<_>, _>>()?;
    /// cache.invalidate_many(keys).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CacheError::Unacknowledged`] has a line for each entry that may still be there. Repeating
    /// is safe.
    pub async fn invalidate_many(
        &self,
        keys: impl IntoIterator<Item = Key>,
    ) -> Result<(), CacheError> {
        self.check_verb()?;
        let begun = Instant::now();
        let keys: Vec<_> = keys.into_iter().collect();
        let each = keys.iter().map(|key| async move {
            let call = Call::verb(self.shared(), key, &ANY.parts);
            let answers = call.invalidate(VERB_TIMEOUT).await;
            (
                key,
                answers.map_err(|error| self.unacknowledged(key, error)),
            )
        });
        // Collected first: a future that holds the closure is not `Send` for every lifetime.
        let each: Vec<_> = each.collect();
        let each: Vec<_> = stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
        let (mut answers, mut done, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for (key, shown) in each {
            match shown {
                Ok(shown) => {
                    answers.extend(shown);
                    done.push(key);
                }
                Err(error) => {
                    self.report(
                        Verb::Invalidate,
                        Some(key.name()),
                        Some(key),
                        begun,
                        Some(&error),
                    );
                    match error {
                        CacheError::Unacknowledged(servers) => failed.extend(servers),
                        error => return Err(error),
                    }
                }
            }
        }
        self.shared().until_final(answers).await;
        for key in done {
            self.report(Verb::Invalidate, Some(key.name()), Some(key), begun, None);
        }
        match failed.is_empty() {
            true => Ok(()),
            false => Err(CacheError::Unacknowledged(failed)),
        }
    }

    /// Makes the entry of `key` stale, so that the next caller refreshes it while others may still
    /// be served it, as `policy` allows. If `policy` has no stale window, this is
    /// [`Cache::invalidate`]. Tries up to four times, each within a second, and has a second before
    /// that if the list of a configuration endpoint is a minute old or the server's breaker is open.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Cache, Key, Policy, Source};
    /// const NAME: Policy =
    ///     Policy::ttl(Duration::from_secs(60)).stale_while_revalidate(Duration::from_secs(30));
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
    /// cache.put(&key, &NAME, &"Ada").await.unwrap();
    /// cache.expire(&key, &NAME).await.unwrap();
    /// let stale = cache.peek::<String>(&key, &NAME).await.unwrap();
    /// assert_eq!((stale.as_str(), stale.source()), ("Ada", Source::Stale));
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Cache::invalidate`]; [`CacheError::Contended`] if other callers kept writing the entry.
    pub async fn expire(&self, key: &Key, policy: &Policy) -> Result<(), CacheError> {
        let expired = self.expired(key, policy);
        self.reported(Verb::Expire, key, expired).await
    }

    async fn expired(&self, key: &Key, policy: &Policy) -> Result<(), CacheError> {
        if policy.parts.stale().is_zero() {
            return self.removed(key).await;
        }
        self.check_verb()?;
        self.reach(key).await?;
        for _ in 0..MAX_TRIES {
            let call = Call::verb(self.shared(), key, &policy.parts);
            match call
                .expire()
                .await
                .map_err(|error| self.unacknowledged(key, error))?
            {
                WriteResult::Done(answers) => {
                    self.shared().until_final(answers).await;
                    return Ok(());
                }
                WriteResult::NoEntry => return self.removed(key).await,
                WriteResult::Again | WriteResult::NameTaken => {}
            }
        }
        Err(CacheError::Contended)
    }

    /// Stores `value` as if the origin had just answered with it. May take as long as
    /// [`Cache::expire`].
    ///
    /// # Errors
    /// As [`Cache::expire`]; [`CacheError::Value`] if `value` cannot be encoded or is too large for
    /// `policy`, or if it is `None` and `policy` has no `negative_ttl`.
    pub async fn put<T: Serialize>(
        &self,
        key: &Key,
        policy: &Policy,
        value: &T,
    ) -> Result<(), CacheError> {
        let stored = self.stored(key, policy, value);
        self.reported(Verb::Put, key, stored).await
    }

    async fn stored<T: Serialize>(
        &self,
        key: &Key,
        policy: &Policy,
        value: &T,
    ) -> Result<(), CacheError> {
        let call = Call::verb(self.shared(), key, &policy.parts);
        let payload = payload::encode(value, call.longest());
        let payload = payload.map_err(|error| CacheError::Value(error.to_string()))?;
        let compressed = call.compressed(&payload);
        let stored = compressed
            .as_deref()
            .map_or(Payload::Plain(&payload), Payload::Lz4);
        if let Some(problem) = call.size_error(stored) {
            return Err(CacheError::Value(problem));
        }
        let Some(ttl) = call.ttl(value, Duration::MAX, CacheDirective::None) else {
            return Err(CacheError::Value(
                "None, and the policy has no negative_ttl".to_owned(),
            ));
        };
        self.check_verb()?;
        self.reach(key).await?;
        for _ in 0..MAX_TRIES {
            // A new call each: each has a budget of its own.
            let call = Call::verb(self.shared(), key, &policy.parts);
            match call
                .put(stored, ttl)
                .await
                .map_err(|error| self.unacknowledged(key, error))?
            {
                WriteResult::Done(answers) => {
                    self.shared().until_final(answers).await;
                    return Ok(());
                }
                WriteResult::NameTaken => return Err(CacheError::NameTaken(key.static_name())),
                WriteResult::NoEntry | WriteResult::Again => {}
            }
        }
        Err(CacheError::Contended)
    }

    /// The entry of `key`, if there is one that `policy` allows to be served, fresh or stale.
    /// Neither calls an origin nor waits for one. `None` if the cache fails or is
    /// [`disabled`](crate::Builder::disabled).
    pub async fn peek<T: DeserializeOwned>(
        &self,
        key: &Key,
        policy: &Policy,
    ) -> Option<Fetched<T>> {
        if self.shared().disabled || self.shared().verbs_have_no_runtime() {
            return None;
        }
        Call::new(self.shared(), key, &policy.parts, context::deadline())
            .peek()
            .await
    }

    /// Gets a new value from `origin` and stores it in place of the present entry.
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use larder::{Cache, Key, Policy};
    /// # const NAME: Policy = Policy::ttl(Duration::from_secs(60));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
    /// cache.put(&key, &NAME, &"Ada").await.unwrap();
    /// let origin = || async { Ok::<_, Infallible>("Grace".to_owned()) };
    /// cache.refresh(&key, &NAME, origin).await.unwrap();
    /// assert_eq!(*cache.peek::<String>(&key, &NAME).await.unwrap(), "Grace");
    /// # }
    /// ```
    ///
    /// # Errors
    /// The origin's own. A failure of the cache shows in the [`Outcome`](crate::Outcome).
    pub async fn refresh<T, E, F, Fut>(
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
        self.refresh_as::<AsBytes, T, E, F, Fut>(key, policy, origin)
            .await
    }

    /// The same, with copies kept as `K` says.
    pub(crate) async fn refresh_as<K, T, E, F, Fut>(
        &self,
        key: &Key,
        policy: &Policy,
        origin: F,
    ) -> Result<Fetched<T>, E>
    where
        K: Keep<T>,
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let (deadline, freshness) = (context::deadline(), Freshness::Refresh);
        let (cache, parts) = (self.shared(), &policy.parts);
        let refreshed =
            read_through::<K, _, _, _, _>(cache, key, parts, freshness, deadline, origin).await;
        if let Ok(fetched) = &refreshed
            && fetched.outcome() == Outcome::Refreshed(Fill::Stored)
        {
            let answer = Call::verb(cache, key, parts).records().await;
            cache.until_final(vec![answer]).await;
        }
        refreshed
    }

    /// Runs a verb of one key and notifies the observer.
    async fn reported(
        &self,
        verb: Verb,
        key: &Key,
        run: impl Future<Output = Result<(), CacheError>>,
    ) -> Result<(), CacheError> {
        let begun = Instant::now();
        let result = run.await;
        self.report(
            verb,
            Some(key.name()),
            Some(key),
            begun,
            result.as_ref().err(),
        );
        result
    }

    fn report(
        &self,
        verb: Verb,
        name: Option<&str>,
        key: Option<&Key>,
        begun: Instant,
        error: Option<&CacheError>,
    ) {
        self.shared().observers.notify_verb(&VerbEvent {
            verb,
            name,
            tag: None,
            digest: key.map(Key::digest),
            error,
            took: begun.elapsed(),
        });
    }

    /// Asks the server whose breaker is open whether it answers again: unlike a call, a verb is
    /// always tried.
    async fn reach(&self, key: &Key) -> Result<(), CacheError> {
        let keys = CacheKeys::new(&self.shared().namespace, key);
        let reached = self.shared().store.reach(&keys, VERB_TIMEOUT).await;
        reached.map_err(|error| self.unacknowledged(key, error))
    }

    fn unacknowledged(&self, key: &Key, failed: VerbError) -> CacheError {
        let (store, error) = (&self.shared().store, failed.error);
        let holding = || store.holding(&CacheKeys::new(&self.shared().namespace, key));
        let server = failed.server.or_else(holding);
        let server = server.as_deref().unwrap_or_else(|| self.location());
        CacheError::Unacknowledged(vec![ServerError::new(store, server, error)])
    }
}

/// How many verbs are under way at a time.
const AT_ONCE: usize = 64;

/// For verbs that do not depend on a policy.
const ANY: Policy = Policy::ttl(Duration::from_secs(1));
