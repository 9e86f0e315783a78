//! The explicit verbs. Unlike a cached call they report failures of the cache: each is acknowledged
//! or returns an error. Repeating them is safe.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::Cache;
use crate::{
    budget::VERB_TIMEOUT,
    context,
    error::{CacheError, ServerError},
    fetched::Fetched,
    key::{CacheKeys, Key},
    near::{Answer, AsBytes, Keep},
    origin::CacheDirective,
    payload::{self, Payload},
    policy::Policy,
    read_through::{Call, MAX_TRIES, WriteResult, refresh},
    store::VerbError,
    telemetry::events::{Verb, VerbEvent},
};

mod many;

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
        self.reported(Verb::Invalidate, key, self.removed(key))
            .await
    }

    async fn removed(&self, key: &Key) -> Result<Vec<Answer>, CacheError> {
        self.check_verb()?;
        let call = Call::verb(self.shared(), key, &ANY.parts);
        let answers = call.invalidate(VERB_TIMEOUT).await;
        answers.map_err(|error| self.unacknowledged(key, error))
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

    async fn expired(&self, key: &Key, policy: &Policy) -> Result<Vec<Answer>, CacheError> {
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
                WriteResult::Done(answers) => return Ok(answers),
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
    ) -> Result<Vec<Answer>, CacheError> {
        let parts = &policy.parts;
        let payload = payload::encode(value, parts.longest());
        let payload = payload.map_err(|error| CacheError::Value(error.to_string()))?;
        let compressed = parts.compressed(&payload);
        let stored = compressed
            .as_deref()
            .map_or(Payload::Plain(&payload), Payload::Lz4);
        if let Some(problem) = parts.size_error(stored) {
            return Err(CacheError::Value(problem));
        }
        let Some(ttl) = parts.ttl_of(value, Duration::MAX, CacheDirective::None) else {
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
                WriteResult::Done(answers) => return Ok(answers),
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
        let (cache, parts, deadline) = (self.shared(), &policy.parts, context::deadline());
        let (refreshed, shown) =
            refresh::<K, _, _, _, _>(cache, key, parts, deadline, origin).await;
        if let Some(shown) = shown {
            cache.until_final(shown).await;
        }
        refreshed
    }

    /// Runs a verb of one key, waits until it is final, and notifies the observer.
    async fn reported(
        &self,
        verb: Verb,
        key: &Key,
        run: impl Future<Output = Result<Vec<Answer>, CacheError>>,
    ) -> Result<(), CacheError> {
        let begun = Instant::now();
        let result = match run.await {
            Ok(answers) => {
                self.shared().until_final(answers).await;
                Ok(())
            }
            Err(error) => Err(error),
        };
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

/// For verbs that do not depend on a policy.
const ANY: Policy = Policy::ttl(Duration::from_secs(1));
