//! A cached call whose stale value is refreshed in a task of its own.

use std::sync::LazyLock;

use futures_util::FutureExt as _;
use tokio::{runtime::Handle, time::timeout};
use tracing::Instrument as _;

use super::{Codec, Coded, Function, Keep, Shape, answer, boxed, current, fetch, prepared};
use crate::{
    cache::{Cache, with_cache},
    key::{Key, KeyError},
    policy::Policy,
};

/// On Lambda nothing runs after an answer.
static IS_FROZEN_BETWEEN_CALLS: LazyLock<bool> =
    LazyLock::new(|| std::env::var_os("AWS_LAMBDA_FUNCTION_NAME").is_some());

/// As [`fetch`]; but a call that could refresh a stale value is served that value.
pub async fn fetch_in_background<R, const KIND: u8, C, K, F, Fut>(
    cache: Option<Cache>,
    function: Function,
    policy: &Policy,
    key: Result<Key, KeyError>,
    codec: C,
    keep: K,
    origin: F,
) -> R::Fetched
where
    R: Shape<KIND, Value: Send, Error: Send> + Send + 'static,
    C: Codec<R::Value, R::Error, Cached: Send> + Send + Sync + 'static,
    K: Keep<Coded<R::Value, C, R::Error>> + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = R> + Send + 'static,
{
    let prepared = match *IS_FROZEN_BETWEEN_CALLS {
        true => None,
        false => prepared::<R::Value, _>(cache.clone(), function, key.clone()).ok(),
    };
    let Some((cache, key)) = prepared else {
        let origin = async move || origin().await;
        return fetch::<R, KIND, C, K>(cache, function, policy, key, codec, keep, origin).await;
    };
    // Still there after a call that was served a stale value.
    let mut origin = Some(origin);
    let own = async || {
        let origin = origin.take().expect("a call has one origin call");
        Coded::of(&codec, policy, boxed(origin).await.into_result())
    };
    let (coded, to_refresh) = cache.get_stale_as::<K, _, _, _, _>(&key, policy, own).await;
    if to_refresh && let Some(origin) = origin {
        refresh::<R, KIND, C, K, F, Fut>(cache, key, *policy, codec, origin);
    }
    R::wrap(coded.and_then(answer))
}

/// Starts an ordinary call, which refreshes the value if no other process does.
fn refresh<R, const KIND: u8, C, K, F, Fut>(
    cache: Cache,
    key: Key,
    policy: Policy,
    codec: C,
    origin: F,
) where
    R: Shape<KIND, Value: Send, Error: Send> + Send + 'static,
    C: Codec<R::Value, R::Error, Cached: Send> + Send + Sync + 'static,
    K: Keep<Coded<R::Value, C, R::Error>> + 'static,
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = R> + Send + 'static,
{
    let (Ok(runtime), Some(turn)) = (
        Handle::try_current(),
        cache.shared().refreshing.begin(key.digest()),
    ) else {
        return;
    };
    let run = async move {
        let origin = || {
            let answer = boxed(origin);
            async { Coded::of(&codec, &policy, answer.await.into_result()) }
        };
        // Its error is the next caller's, who finds the marker of a refresh that failed.
        let refreshed = cache.get_as::<K, _, _, _, _>(&key, &policy, origin).await;
        drop(refreshed);
        drop(turn);
    };
    // Longer than that the entry is not kept, so that there is nothing to replace.
    let most = policy.parts.stale().saturating_add(policy.parts.lease);
    let run = timeout(most, run).map(drop).in_current_span();
    // What the function calls finds the cache that it finds in the call itself.
    match current() {
        Some(around) => runtime.spawn(with_cache(around, run)),
        None => runtime.spawn(run),
    };
}
