//! What the attribute's one call leads to: a function's return type told apart, its name checked, its cache found.
//!
//! Not for use by hand; the attribute names it by way of `larder::__private`.

use std::{convert::Infallible, marker::PhantomData};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    cache::Cache,
    context,
    error::CacheError,
    fetched::Fetched,
    key::{Key, KeyError},
    names::Site,
    outcome::{Bypass, Outcome},
    policy::Policy,
};

/// Functions whose value is all that they return.
pub const PLAIN: u8 = 0;
/// Functions that may fail: only `Ok` is cached.
pub const RESULT: u8 = 1;

/// Tells a `Result` from everything else, through any alias: `Probe::<R>::KIND`. The inherent constant of a `Result` hides
/// the trait's.
#[derive(Debug)]
pub struct Probe<R>(PhantomData<R>);

impl<T, E> Probe<Result<T, E>> {
    /// [`RESULT`]
    pub const KIND: u8 = RESULT;
}

/// Everything that is not a `Result`.
pub trait Plain {
    /// [`PLAIN`]
    const KIND: u8 = PLAIN;
}

impl<R> Plain for Probe<R> {}

/// A return type, taken apart into what is cached and what is not. `KIND` comes from [`Probe`].
pub trait Shape<const KIND: u8>: Sized {
    /// What is cached.
    type Value: Serialize + DeserializeOwned;
    /// What is not.
    type Error;
    /// What `fetch` returns.
    type Fetched;

    /// Takes a return value apart.
    fn split(self) -> Result<Self::Value, Self::Error>;
    /// What `fetch` returns of a call.
    fn join(result: Result<Fetched<Self::Value>, Self::Error>) -> Self::Fetched;
    /// What the function itself returns of what `fetch` returned.
    fn whole(fetched: Self::Fetched) -> Self;
}

impl<T: Serialize + DeserializeOwned> Shape<PLAIN> for T {
    type Value = T;
    type Error = Infallible;
    type Fetched = Fetched<T>;

    fn split(self) -> Result<T, Infallible> {
        Ok(self)
    }

    fn join(result: Result<Fetched<T>, Infallible>) -> Fetched<T> {
        let Ok(fetched) = result;
        fetched
    }

    fn whole(fetched: Fetched<T>) -> T {
        fetched.value
    }
}

impl<T: Serialize + DeserializeOwned, E> Shape<RESULT> for Result<T, E> {
    type Value = T;
    type Error = E;
    type Fetched = Result<Fetched<T>, E>;

    fn split(self) -> Self {
        self
    }

    fn join(result: Result<Fetched<T>, E>) -> Result<Fetched<T>, E> {
        result
    }

    fn whole(fetched: Result<Fetched<T>, E>) -> Self {
        fetched.map(Fetched::into_inner)
    }
}

/// A memoised call.
pub async fn fetch<R, const KIND: u8, F, Fut>(
    site: &'static Site,
    policy: &Policy,
    key: Result<Key, KeyError>,
    origin: F,
) -> R::Fetched
where
    R: Shape<KIND>,
    F: FnOnce() -> Fut,
    Fut: Future<Output = R>,
{
    let origin = async || origin().await.split();
    R::join(match prepared(site, key) {
        Some((cache, key)) => cache.get_or_fetch(&key, policy, origin).await,
        None => uncached(origin).await,
    })
}

/// As [`fetch`], with a new value whatever stands there.
pub async fn refresh<R, const KIND: u8, F, Fut>(
    site: &'static Site,
    policy: &Policy,
    key: Result<Key, KeyError>,
    origin: F,
) -> R::Fetched
where
    R: Shape<KIND>,
    F: FnOnce() -> Fut,
    Fut: Future<Output = R>,
{
    let origin = async || origin().await.split();
    R::join(match prepared(site, key) {
        Some((cache, key)) => cache.refresh(&key, policy, origin).await,
        None => uncached(origin).await,
    })
}

/// The entry of a call's key, if one can be served.
pub async fn peek<R, const KIND: u8>(
    site: &'static Site,
    policy: &Policy,
    key: Result<Key, KeyError>,
) -> Option<Fetched<R::Value>>
where
    R: Shape<KIND>,
{
    let (cache, key) = prepared(site, key)?;
    cache.peek(&key, policy).await
}

/// Stores a value under a call's key.
pub async fn put<R, const KIND: u8>(
    site: &'static Site,
    policy: &Policy,
    key: Result<Key, KeyError>,
    value: &R::Value,
) -> Result<(), CacheError>
where
    R: Shape<KIND>,
{
    let cache = context::cache().ok_or(CacheError::NotInstalled)?;
    if !cache.inner().accepts(site) {
        return Err(CacheError::NameTaken(site.name()));
    }
    cache.put(&key?, policy, value).await
}

/// Removes the entry of a call's key.
pub async fn invalidate(key: Result<Key, KeyError>) -> Result<(), CacheError> {
    context::cache()
        .ok_or(CacheError::NotInstalled)?
        .invalidate(&key?)
        .await
}

/// Makes the entry of a call's key stale.
pub async fn expire(policy: &Policy, key: Result<Key, KeyError>) -> Result<(), CacheError> {
    context::cache()
        .ok_or(CacheError::NotInstalled)?
        .expire(&key?, policy)
        .await
}

/// The key of a call.
pub fn key<A: Serialize>(
    site: &'static Site,
    policy: &Policy,
    arguments: &A,
) -> Result<Key, KeyError> {
    Key::versioned(site.name(), policy.parts.version, arguments)
}

/// The cache and the key of a call; `None`: there is no cache for it, and the origin answers.
fn prepared(site: &'static Site, key: Result<Key, KeyError>) -> Option<(Cache, Key)> {
    let cache = context::cache()?;
    if !cache.inner().accepts(site) {
        return None;
    }
    match key {
        Ok(key) => Some((cache, key)),
        Err(error) => {
            cache.inner().log().key(site.name(), &error);
            None
        }
    }
}

async fn uncached<T, E>(origin: impl AsyncFnOnce() -> Result<T, E>) -> Result<Fetched<T>, E> {
    let begun = tokio::time::Instant::now();
    let value = origin().await?;
    Ok(Fetched {
        value,
        outcome: Outcome::Bypassed(Bypass::Disabled),
        age: std::time::Duration::ZERO,
        ttl_left: 0,
        cache_time: std::time::Duration::ZERO,
        origin_time: Some(begun.elapsed()),
    })
}
