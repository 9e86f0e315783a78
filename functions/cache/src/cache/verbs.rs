//! The explicit verbs. They are acknowledged or they are errors; unlike a memoised call they do report the cache's trouble.
//! All can be repeated.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use super::Cache;
use crate::{
    budget::VERB_TIMEOUT,
    context,
    error::{CacheError, ServerError},
    fetched::Fetched,
    key::{CacheKeys, Key},
    origin::CacheDirective,
    outcome::Freshness,
    payload::{self, Payload},
    policy::Policy,
    read_through::{Call, WriteResult, read_through},
    store::StoreError,
};

/// Each round lost means that somebody else has just written.
const ROUNDS: u32 = 4;

impl Cache {
    /// Removes the entry of `key`. Once this has returned, no value whose origin read began before is ever served again,
    /// also not one that a slow caller stores later. Its server has a second to answer, whatever the budget of calls.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Cache, Key, Policy};
    /// # const NAME: Policy = Policy::ttl(Duration::from_secs(60));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
    /// cache.put(&key, &NAME, &"Ada").await.unwrap();
    /// cache.invalidate(&key).await.unwrap();
    /// assert!(cache.peek::<String>(&key, &NAME).await.is_none());
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`CacheError::Unacknowledged`]: the entry may still be there.
    pub async fn invalidate(&self, key: &Key) -> Result<(), CacheError> {
        let call = Call::verb(self.shared(), key, &ANY.parts);
        call.invalidate(VERB_TIMEOUT)
            .await
            .map_err(|error| self.unacknowledged(key, error))
    }

    /// Makes the entry of `key` stale: served as `policy` serves stale entries, refreshed by the next caller. With a policy
    /// that serves none, this is [`Cache::invalidate`]. Each of up to four tries has a second for its exchanges.
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
    /// As [`Cache::invalidate`]; [`CacheError::Contended`] if others kept writing.
    pub async fn expire(&self, key: &Key, policy: &Policy) -> Result<(), CacheError> {
        if policy.parts.stale().is_zero() {
            return self.invalidate(key).await;
        }
        for _ in 0..ROUNDS {
            let call = Call::verb(self.shared(), key, &policy.parts);
            match call
                .expire()
                .await
                .map_err(|error| self.unacknowledged(key, error))?
            {
                WriteResult::Done => return Ok(()),
                WriteResult::NoEntry => return self.invalidate(key).await,
                WriteResult::Again => {}
            }
        }
        Err(CacheError::Contended)
    }

    /// Stores `value` as if the origin had just answered with it. Each of up to four tries has a second for its exchanges.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Cache, Key, Policy};
    /// # const NAME: Policy = Policy::ttl(Duration::from_secs(60));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
    /// cache.put(&key, &NAME, &"Ada").await.unwrap();
    /// assert_eq!(*cache.peek::<String>(&key, &NAME).await.unwrap(), "Ada");
    /// assert!(cache.put(&key, &NAME, &None::<String>).await.is_err()); // no negative_ttl
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Cache::expire`]; [`CacheError::Value`] if it can not be encoded or is too large for `policy`, or is `None`
    /// and `policy` has no `negative_ttl`.
    pub async fn put<T: Serialize>(
        &self,
        key: &Key,
        policy: &Policy,
        value: &T,
    ) -> Result<(), CacheError> {
        let payload = payload::encode(value).map_err(|e| CacheError::Value(e.to_string()))?;
        let call = Call::verb(self.shared(), key, &policy.parts);
        let compressed = call.compressed(&payload);
        let packed = compressed
            .as_deref()
            .map_or(Payload::Plain(&payload), Payload::Lz4);
        if let Some(problem) = call.size_error(packed) {
            return Err(CacheError::Value(problem));
        }
        let Some(ttl) = call.ttl(value, Duration::MAX, CacheDirective::None) else {
            return Err(CacheError::Value(
                "None, and the policy has no negative_ttl".to_owned(),
            ));
        };
        for _ in 0..ROUNDS {
            // A new call each: each has a budget of its own.
            let call = Call::verb(self.shared(), key, &policy.parts);
            match call
                .put(packed, ttl)
                .await
                .map_err(|error| self.unacknowledged(key, error))?
            {
                WriteResult::Done => return Ok(()),
                WriteResult::NoEntry | WriteResult::Again => {}
            }
        }
        Err(CacheError::Contended)
    }

    /// The entry of `key` if one can be served, fresh or stale. Never calls an origin, never waits for one. A cache that is
    /// [`disabled`](crate::Builder::disabled) has none.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Cache, Key, Policy};
    /// # const NAME: Policy = Policy::ttl(Duration::from_secs(60));
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let (cache, key) = (Cache::memory(), Key::new("name", &(7,)).unwrap());
    /// assert!(cache.peek::<String>(&key, &NAME).await.is_none());
    /// cache.put(&key, &NAME, &"Ada").await.unwrap();
    /// assert!(cache.peek::<String>(&key, &NAME).await.unwrap().is_hit());
    /// # }
    /// ```
    pub async fn peek<T: DeserializeOwned>(
        &self,
        key: &Key,
        policy: &Policy,
    ) -> Option<Fetched<T>> {
        if self.shared().disabled {
            return None;
        }
        Call::new(self.shared(), key, &policy.parts, context::deadline())
            .peek()
            .await
    }

    /// A new value from `origin`, stored for others in place of whatever stands there.
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
    /// The origin's own, and no other.
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
        let deadline = context::deadline();
        read_through(
            self.shared(),
            key,
            &policy.parts,
            Freshness::Refresh,
            deadline,
            origin,
        )
        .await
    }

    fn unacknowledged(&self, key: &Key, error: StoreError) -> CacheError {
        let keys = CacheKeys::new(&self.shared().namespace, key);
        let server = self.shared().store.holding(&keys);
        let server = server.as_deref().unwrap_or_else(|| self.location());
        CacheError::Unacknowledged(vec![ServerError::new(server, error)])
    }
}

/// For verbs that no policy changes.
const ANY: Policy = Policy::ttl(Duration::from_secs(1));
