//! What the attribute's generated code calls: it distinguishes return types, checks the function's
//! name and finds its cache.
//!
//! Not a public API; the attribute uses it through `larder::__private`.

use std::{any::type_name, convert::Infallible, fmt, marker::PhantomData, time::Duration};

use crate::{
    boxed::boxed,
    cache::{self, Cache, Scope},
    error::CacheError,
    fetched::Fetched,
    key::{Key, KeyError, Tags, Tuple},
    near::Keep,
    origin::capture_directive,
    outcome::{Bypass, Outcome},
    shared::name_registry::Function,
    telemetry::{events::Event, metrics::Counter},
};

mod value_traits;
use value_traits::{Codec, Coded, Lent};
pub use value_traits::{Kept, KeptAsBytes, part, parts, value};

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

/// A return type, split into the part that is cached and the part that is not. `KIND` comes from
/// [`Probe`].
pub trait Shape<const KIND: u8>: Sized {
    /// The part that is cached.
    type Value;
    /// The part that is not cached.
    type Error;
    /// What `fetch` returns.
    type Fetched;

    /// Splits a return value.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
    /// The return value of `fetch`.
    fn wrap(result: Result<Fetched<Self::Value>, Self::Error>) -> Self::Fetched;
    /// The function's return value, from that of `fetch`.
    fn unwrap(fetched: Self::Fetched) -> Self;
}

impl<T> Shape<PLAIN> for T {
    type Value = T;
    type Error = Infallible;
    type Fetched = Fetched<T>;

    fn into_result(self) -> Result<T, Infallible> {
        Ok(self)
    }

    fn wrap(result: Result<Fetched<T>, Infallible>) -> Fetched<T> {
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

    fn into_result(self) -> Self {
        self
    }

    fn wrap(result: Result<Fetched<T>, E>) -> Result<Fetched<T>, E> {
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
    key: Result<Key, KeyError>,
    _: C,
    _: K,
    origin: impl AsyncFnOnce() -> R,
) -> R::Fetched
where
    R: Shape<KIND>,
    C: Codec<R::Value>,
    K: Keep<Coded<R::Value, C>>,
{
    let origin = async || boxed(|| origin()).await.into_result();
    R::wrap(match prepared::<R::Value>(cache, function, key) {
        Ok((cache, key)) => {
            let origin = async || origin().await.map(Coded::<_, C>::new);
            let coded = cache.get_as::<K, _, _, _, _>(&key, function.policy(), origin);
            let coded = coded.await;
            coded.map(|coded| coded.map(Coded::into_inner))
        }
        Err(uncached) => uncached.call(origin).await,
    })
}

/// As [`fetch`], with a new value in place of the present one.
pub async fn refresh<R: Shape<KIND>, const KIND: u8, C: Codec<R::Value>>(
    cache: Option<Cache>,
    function: Function,
    key: Result<Key, KeyError>,
    _: C,
    origin: impl AsyncFnOnce() -> R,
) -> R::Fetched {
    let origin = async || boxed(|| origin()).await.into_result();
    R::wrap(match prepared::<R::Value>(cache, function, key) {
        Ok((cache, key)) => {
            let origin = async || origin().await.map(Coded::<_, C>::new);
            let coded = cache.refresh(&key, function.policy(), origin).await;
            coded.map(|coded| coded.map(Coded::into_inner))
        }
        Err(uncached) => uncached.call(origin).await,
    })
}

/// The entry of a call's key, if one can be served.
pub async fn peek<R: Shape<KIND>, const KIND: u8, C: Codec<R::Value>>(
    cache: Option<Cache>,
    function: Function,
    key: Result<Key, KeyError>,
    _: C,
) -> Option<Fetched<R::Value>> {
    let prepared = prepared::<R::Value>(cache, function, key);
    let (cache, key) = prepared.inspect_err(Uncached::count).ok()?;
    let coded = cache.peek::<Coded<_, C>>(&key, function.policy()).await;
    coded.map(|coded| coded.map(Coded::into_inner))
}

/// Stores a value under a call's key.
pub async fn put<R: Shape<KIND>, const KIND: u8, C: Codec<R::Value>>(
    cache: Option<Cache>,
    function: Function,
    key: Result<Key, KeyError>,
    _: C,
    value: &R::Value,
) -> Result<(), CacheError> {
    let cache = cache.ok_or(CacheError::NotInstalled)?;
    if !cache.shared().accepts(function, type_name::<R::Value>()) {
        let counters = cache.shared().counters.of(function.name());
        counters.increment(Counter::Refused);
        return Err(CacheError::NameTaken(function.name()));
    }
    let lent = Lent::<_, C>::new(value);
    cache.put(&key?, function.policy(), &lent).await
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
    cache.flush(Scope::Name(function.name())).await
}

/// Makes the entry of a call's key stale.
pub async fn expire(
    cache: Option<Cache>,
    function: Function,
    key: Result<Key, KeyError>,
) -> Result<(), CacheError> {
    let cache = cache.ok_or(CacheError::NotInstalled)?;
    cache.expire(&key?, function.policy()).await
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

/// The cache and the key of a call, or why there is none and the origin answers.
fn prepared<V>(
    cache: Option<Cache>,
    function: Function,
    key: Result<Key, KeyError>,
) -> Result<(Cache, Key), Uncached> {
    let Some(cache) = cache else {
        return Err(Uncached {
            cache: None,
            function,
            why: Bypass::Disabled,
        });
    };
    let why = match key {
        _ if !cache.shared().accepts(function, type_name::<V>()) => Bypass::Name,
        Ok(key) => return Ok((cache, key)),
        Err(error) => {
            cache.shared().log.key(function.name(), &error);
            Bypass::Key
        }
    };
    let cache = Some(cache);
    Err(Uncached {
        cache,
        function,
        why,
    })
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
        let result = value.map(|value| Fetched {
            value,
            outcome: Outcome::Bypassed(self.why),
            near: false,
            age: Duration::ZERO,
            ttl_left: 0,
            cache_time: Duration::ZERO,
            origin_time: Some(begun.elapsed()),
        });
        if let Some(cache) = self.cache {
            let name = self.function.name();
            let event = match &result {
                Ok(fetched) => Event::value(name, fetched),
                Err(_) => Event::error(name, Duration::ZERO),
            };
            let counters = cache.shared().counters.of(name);
            cache.shared().publish(&counters, &event);
        }
        result
    }

    /// Of what is no call there is no event.
    fn count(&self) {
        if let Some(cache) = &self.cache {
            let counters = cache.shared().counters.of(self.function.name());
            counters.outcome(Outcome::Bypassed(self.why));
        }
    }
}
