//! What the attribute's generated code calls: it distinguishes return types, checks the function's
//! name and finds its cache.
//!
//! Not a public API; the attribute uses it through `larder::__private`.

use std::{
    any::type_name, collections::HashMap, convert::Infallible, fmt, marker::PhantomData,
    time::Duration,
};

use crate::{
    boxed::boxed,
    cache::{self, Cache, Scope},
    error::CacheError,
    fetched::Fetched,
    key::{Key, KeyError, Tags, Tuple},
    near::Keep,
    origin::capture_directive,
    outcome::{Bypass, Outcome},
    policy::Policy,
    shared::name_registry::Function,
    telemetry::{events::Event, metrics::Counter},
};

mod background;
mod many;
mod value_traits;
pub use background::fetch_in_background;
pub use many::{each, fetch_many, invalidate_many, put_many};
use value_traits::{Codec, Coded, Lent};
pub use value_traits::{Kept, KeptAsBytes, negative, part, parts, value, with_negative_ttl};

/// Functions that return their value.
pub const PLAIN: u8 = 0;
/// Functions that return a `Result`: only `Ok` is cached.
pub const RESULT: u8 = 1;

/// Distinguishes a `Result` from everything else, through any alias: `Probe::<R>::__LARDER_KIND`.
/// The inherent constants of a `Result` hide those of the trait. No other trait in scope has
/// constants of these names.
#[derive(Debug)]
pub struct Probe<R>(PhantomData<R>);

impl<T, E> Probe<Result<T, E>> {
    /// [`RESULT`]
    pub const __LARDER_KIND: u8 = RESULT;
    /// `Fallible`
    pub const __LARDER_SHAPE: Fallible = Fallible;
}

/// Everything that is not a `Result`.
pub trait Plain {
    /// [`PLAIN`]
    const __LARDER_KIND: u8 = PLAIN;
    /// `Whole`
    const __LARDER_SHAPE: Whole = Whole;
}

impl<R> Plain for Probe<R> {}

/// Marks a type that is a `Result`.
#[derive(Debug)]
pub struct Fallible;
/// Marks a type that is not a `Result`.
#[derive(Debug)]
pub struct Whole;

/// A return type that is not a `Result`.
#[diagnostic::on_unimplemented(
    message = "this return type is an alias of `Result`, which its name does not show",
    label = "its errors would be cached",
    note = "write `Result<…>`"
)]
pub trait NoResult {}
impl NoResult for Whole {}

/// Only compiles for return types that are not a `Result`: a proof where their kind cannot be
/// computed.
pub fn no_result<S: NoResult>(_: S) {}

#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `Result`",
    label = "the cached function returns a `Result`",
    note = "the origin that `many` names returns a `Result` with the same error, and in its `Ok` a value for each argument"
)]
/// A return type, split into the part that is cached and the part that is not. `KIND` comes from
/// [`Probe`].
pub trait Shape<const KIND: u8>: Sized {
    /// The part that is cached.
    type Value;
    /// The part that is not cached.
    type Error;
    /// What `fetch` returns.
    type Fetched;
    /// What `fetch_many` returns, by arguments `A`.
    type FetchedMany<A>;

    /// Splits a return value.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
    /// The return value of `fetch`.
    fn wrap(result: Result<Fetched<Self::Value>, Self::Error>) -> Self::Fetched;
    /// The return value of `fetch_many`.
    fn wrap_many<A>(
        result: Result<HashMap<A, Fetched<Self::Value>>, Self::Error>,
    ) -> Self::FetchedMany<A>;
    /// The function's return value, from that of `fetch`.
    fn unwrap(fetched: Self::Fetched) -> Self;
}

impl<T> Shape<PLAIN> for T {
    type Value = T;
    type Error = Infallible;
    type Fetched = Fetched<T>;
    type FetchedMany<A> = HashMap<A, Fetched<T>>;

    fn into_result(self) -> Result<T, Infallible> {
        Ok(self)
    }

    fn wrap(result: Result<Fetched<T>, Infallible>) -> Fetched<T> {
        let Ok(fetched) = result;
        fetched
    }

    fn wrap_many<A>(result: Result<HashMap<A, Fetched<T>>, Infallible>) -> Self::FetchedMany<A> {
        let Ok(fetched) = result;
        fetched
    }

    fn unwrap(fetched: Fetched<T>) -> T {
        fetched.value
    }
}

impl<T, E> Shape<RESULT> for Result<T, E> {
    type Value = T;
    type Error = E;
    type Fetched = Result<Fetched<T>, E>;
    type FetchedMany<A> = Result<HashMap<A, Fetched<T>>, E>;

    fn into_result(self) -> Self {
        self
    }

    fn wrap(result: Result<Fetched<T>, E>) -> Result<Fetched<T>, E> {
        result
    }

    fn wrap_many<A>(result: Result<HashMap<A, Fetched<T>>, E>) -> Self::FetchedMany<A> {
        result
    }

    fn unwrap(fetched: Result<Fetched<T>, E>) -> Self {
        fetched.map(Fetched::into_inner)
    }
}

/// What distinguishes a function's types in place of their names: the same in every build.
#[must_use]
pub const fn label(label: &'static str) -> &'static str {
    label
}

/// The origin of a call, which runs at most once: the closure may give its arguments away.
pub fn origin<F: FnOnce() -> T, T>(origin: F) -> F {
    origin
}

/// The cache of a call whose attribute names none.
#[must_use]
pub fn current() -> Option<Cache> {
    cache::current()
}

/// The cache that `cache = …` names, also behind references and smart pointers.
#[must_use]
pub fn given(cache: &Cache) -> Option<Cache> {
    Some(cache.clone())
}

/// A cached call. The origin's future is boxed: a hit never runs it, and nested cached functions
/// would exceed rustc's recursion limit.
pub async fn fetch<R, const KIND: u8, C, K>(
    cache: Option<Cache>,
    function: Function,
    policy: &Policy,
    key: Result<Key, KeyError>,
    codec: C,
    _: K,
    origin: impl AsyncFnOnce() -> R,
) -> R::Fetched
where
    R: Shape<KIND>,
    C: Codec<R::Value, R::Error>,
    K: Keep<Coded<R::Value, C, R::Error>>,
{
    let origin = async || boxed(|| origin()).await.into_result();
    R::wrap(match prepared::<R::Value, _>(cache, function, key) {
        Ok((cache, key)) => {
            let origin = async || Coded::of(&codec, policy, origin().await);
            let coded = cache.get_as::<K, _, _, _, _>(&key, policy, origin);
            coded.await.and_then(answer)
        }
        Err(uncached) => uncached.call(origin).await,
    })
}

/// As [`fetch`], with a new value in place of the present one.
pub async fn refresh<R: Shape<KIND>, const KIND: u8, C: Codec<R::Value, R::Error>>(
    cache: Option<Cache>,
    function: Function,
    policy: &Policy,
    key: Result<Key, KeyError>,
    codec: C,
    origin: impl AsyncFnOnce() -> R,
) -> R::Fetched {
    let origin = async || boxed(|| origin()).await.into_result();
    R::wrap(match prepared::<R::Value, _>(cache, function, key) {
        Ok((cache, key)) => {
            let origin = async || Coded::of(&codec, policy, origin().await);
            let coded = cache.refresh(&key, policy, origin).await;
            coded.and_then(answer)
        }
        Err(uncached) => uncached.call(origin).await,
    })
}

/// The entry of a call's key, if one can be served.
pub async fn peek<R: Shape<KIND>, const KIND: u8, C: Codec<R::Value, R::Error>>(
    cache: Option<Cache>,
    function: Function,
    policy: &Policy,
    key: Result<Key, KeyError>,
    _: C,
) -> Option<Fetched<R::Value>> {
    let prepared = prepared::<R::Value, _>(cache, function, key);
    let (cache, key) = prepared.inspect_err(Uncached::count).ok()?;
    let coded = cache.peek::<Coded<_, C, R::Error>>(&key, policy).await;
    answer(coded?).ok()
}

/// What was cached, as the function answers it.
fn answer<T, C: Codec<T, E>, E>(coded: Fetched<Coded<T, C, E>>) -> Result<Fetched<T>, E> {
    coded.map(Coded::answer).transpose()
}

/// Stores a value under a call's key.
pub async fn put<R: Shape<KIND>, const KIND: u8, C: Codec<R::Value, R::Error>>(
    cache: Option<Cache>,
    function: Function,
    policy: &Policy,
    key: Result<Key, KeyError>,
    _: C,
    value: &R::Value,
) -> Result<(), CacheError> {
    let cache = writable::<R::Value>(cache, function)?;
    let lent = Lent::<_, C, R::Error>::new(value);
    cache.put(&key?, policy, &lent).await
}

/// The cache that values of `function` may be stored in.
fn writable<V>(cache: Option<Cache>, function: Function) -> Result<Cache, CacheError> {
    let cache = cache.ok_or(CacheError::NotInstalled)?;
    if cache.shared().accepts(function, type_name::<V>()) {
        return Ok(cache);
    }
    let counters = cache.shared().counters.of(function.name());
    counters.increment(Counter::Refused);
    Err(CacheError::NameTaken(function.name()))
}

/// Removes the entry of a call's key.
pub async fn invalidate(
    cache: Option<Cache>,
    key: Result<Key, KeyError>,
) -> Result<(), CacheError> {
    let cache = cache.ok_or(CacheError::NotInstalled)?;
    cache.invalidate(&key?).await
}

/// Removes all entries of a function.
pub async fn flush(cache: Option<Cache>, function: Function) -> Result<(), CacheError> {
    let cache = cache.ok_or(CacheError::NotInstalled)?;
    let flushed = cache.reported_flush(Scope::Name(function.name())).await;
    flushed.map(drop)
}

/// Makes the entry of a call's key stale.
pub async fn expire(
    cache: Option<Cache>,
    policy: &Policy,
    key: Result<Key, KeyError>,
) -> Result<(), CacheError> {
    let cache = cache.ok_or(CacheError::NotInstalled)?;
    cache.expire(&key?, policy).await
}

/// The key of a call.
pub fn key(
    function: Function,
    arguments: impl FnOnce(&mut Tuple<'_>) -> Result<(), KeyError>,
) -> Result<Key, KeyError> {
    let version = function.policy().parts.version;
    Key::of_elements(
        function.name(),
        version,
        function.types(),
        function.path(),
        arguments,
    )
}

/// The key with the tags of a call.
pub fn tagged(
    key: Result<Key, KeyError>,
    tags: impl FnOnce(&mut Tags) -> Result<(), KeyError>,
) -> Result<Key, KeyError> {
    key?.tagged(tags)
}

/// Adds a tag.
pub fn tag(tags: &mut Tags, tag: fmt::Arguments<'_>) -> Result<(), KeyError> {
    tags.format(tag)
}

/// The cache and the key, or keys, of a call, or why there is none and the origin answers.
fn prepared<V, K>(
    cache: Option<Cache>,
    function: Function,
    key: Result<K, KeyError>,
) -> Result<(Cache, K), Uncached> {
    let uncached = |cache, why| Uncached {
        cache,
        function,
        why,
    };
    let Some(cache) = cache else {
        return Err(uncached(None, Bypass::Disabled));
    };
    if !cache.shared().accepts(function, type_name::<V>()) {
        return Err(uncached(Some(cache), Bypass::Name));
    }
    match key {
        Ok(key) => Ok((cache, key)),
        Err(error) => {
            cache.shared().log.key(function.name(), &error);
            Err(uncached(Some(cache), Bypass::Key))
        }
    }
}

/// A call that its origin answers. Its cache, if it has one, reports that.
struct Uncached {
    cache: Option<Cache>,
    function: Function,
    why: Bypass,
}

impl Uncached {
    async fn call<T, E>(self, origin: impl AsyncFnOnce() -> Result<T, E>) -> Result<Fetched<T>, E> {
        let begun = tokio::time::Instant::now();
        let (value, _) = capture_directive([], origin()).await;
        let result = value.map(|value| self.fetched(value, begun.elapsed()));
        match &result {
            Ok(fetched) => self.publish(&Event::value(self.function.name(), fetched)),
            Err(_) => self.publish(&Event::error(self.function.name(), Duration::ZERO)),
        }
        result
    }

    fn fetched<T>(&self, value: T, origin_time: Duration) -> Fetched<T> {
        Fetched {
            value,
            outcome: Outcome::Bypassed(self.why),
            near: false,
            age: Duration::ZERO,
            ttl_left: 0,
            cache_time: Duration::ZERO,
            origin_time: Some(origin_time),
        }
    }

    fn publish(&self, event: &Event<'_>) {
        if let Some(cache) = &self.cache {
            let counters = cache.shared().counters.of(self.function.name());
            cache.shared().publish(&counters, event);
        }
    }

    /// Of what is no call there is no event.
    fn count(&self) {
        if let Some(cache) = &self.cache {
            let counters = cache.shared().counters.of(self.function.name());
            counters.outcome(Outcome::Bypassed(self.why));
        }
    }
}
