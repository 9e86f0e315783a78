//! Verbs for many keys: some run at a time, and all wait once until they are final.

use futures_util::stream::{self, StreamExt as _};
use serde::Serialize;
use tokio::time::Instant;

use super::{Answer, Cache, CacheError, Key, Policy, Verb};

/// How many verbs are under way at a time.
const AT_ONCE: usize = 64;

impl Cache {
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
    /// cache.invalidate_many(keys).await // as square::invalidate_many([7, 8])
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
        let keys: Vec<_> = keys.into_iter().collect();
        let each = keys.iter().map(|key| (key, self.removed(key)));
        self.reported_many(Verb::Invalidate, each.collect()).await
    }

    /// Stores values under many keys, as [`Cache::put`] does, with one wait for all of them. If a
    /// key is given twice, either value may stay.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use larder::{Cache, CacheError, Key, Policy};
    /// const NAME: Policy = Policy::ttl(Duration::from_secs(60));
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), CacheError> {
    /// # let cache = Cache::memory();
    /// let names = [(Key::new("name", &(7,))?, "Ada"), (Key::new("name", &(8,))?, "Grace")];
    /// cache.put_many(names, &NAME).await
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Cache::put`]. All values are tried: after an error some may be stored.
    /// [`CacheError::Unacknowledged`] has a line for each value that may not be.
    pub async fn put_many<T: Serialize>(
        &self,
        pairs: impl IntoIterator<Item = (Key, T)>,
        policy: &Policy,
    ) -> Result<(), CacheError> {
        let pairs: Vec<_> = pairs.into_iter().collect();
        let each = pairs
            .iter()
            .map(|(key, value)| (key, self.stored(key, policy, value)));
        self.reported_many(Verb::Put, each.collect()).await
    }

    /// Runs a verb for each key, waits until all that succeeded are final, and notifies the
    /// observer of each.
    async fn reported_many(
        &self,
        verb: Verb,
        each: Vec<(&Key, impl Future<Output = Result<Vec<Answer>, CacheError>>)>,
    ) -> Result<(), CacheError> {
        self.check_verb()?;
        let begun = Instant::now();
        let each = each.into_iter();
        let each = each.map(|(key, run)| async move { (key, run.await) });
        // Collected first: a future that holds the closure is not `Send` for every lifetime.
        let each: Vec<_> = each.collect();
        let each: Vec<_> = stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
        let (mut answers, mut done) = (Vec::new(), Vec::new());
        let (mut unacknowledged, mut other) = (Vec::new(), None);
        for (key, shown) in each {
            match shown {
                Ok(shown) => {
                    answers.extend(shown);
                    done.push(key);
                }
                Err(error) => {
                    self.report(verb, Some(key.name()), Some(key), begun, Some(&error));
                    match error {
                        CacheError::Unacknowledged(servers) => unacknowledged.extend(servers),
                        error => other = other.or(Some(error)),
                    }
                }
            }
        }
        self.shared().until_final(answers).await;
        for key in done {
            self.report(verb, Some(key.name()), Some(key), begun, None);
        }
        match other {
            Some(error) => Err(error),
            None if !unacknowledged.is_empty() => Err(CacheError::Unacknowledged(unacknowledged)),
            None => Ok(()),
        }
    }
}
