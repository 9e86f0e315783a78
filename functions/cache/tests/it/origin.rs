use std::{convert::Infallible, time::Duration};

use larder::{Fill, Outcome, Policy, origin, with_cache};
use larder_testing::Memcached;

use crate::support::{MINUTE, Origin, cache, every_store, key};

/// Sets `ttl`, or that the value must not be stored.
async fn said(ttl: Option<u64>, calls: &Origin) -> Result<u64, Infallible> {
    match ttl {
        Some(seconds) => origin::ttl(Duration::from_secs(seconds)),
        None => origin::no_store(),
    }
    calls.call().await
}

#[tokio::test]
async fn an_origin_shortens_and_lengthens_what_its_policy_says() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        for (n, seconds) in [(1, 5), (2, 3600), (3, 86400 * 31)] {
            let (calls, key) = (Origin::default(), key("said", n));
            for outcome in [Outcome::Miss(Fill::Stored), Outcome::Hit] {
                let value = cache.get_or_fetch(&key, &MINUTE, || said(Some(seconds), &calls));
                let value = value.await.unwrap();
                assert_eq!(
                    value.outcome(),
                    outcome,
                    "{seconds} s, {}",
                    cache.location()
                );
                let left = value.ttl_left().unsigned_abs();
                assert!(
                    left <= seconds && left + 20 > seconds,
                    "{left} of {seconds} s"
                );
            }
        }
    }
}

#[tokio::test]
async fn what_an_origin_does_not_want_stored_is_not_and_nothing_older_stays() {
    const STALE: Policy = MINUTE.stale_while_revalidate(Duration::from_secs(60));
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (calls, key) = (Origin::default(), key("secret", 1));
        cache.put(&key, &STALE, &100_u64).await.unwrap();
        cache.expire(&key, &STALE).await.unwrap();
        let value = cache
            .get_or_fetch(&key, &STALE, || said(None, &calls))
            .await
            .unwrap();
        assert_eq!(value.outcome(), Outcome::Expired(Fill::NotStored));
        assert!(
            cache.peek::<u64>(&key, &STALE).await.is_none(),
            "{}",
            cache.location()
        );
        let again = cache
            .get_or_fetch(&key, &STALE, || said(Some(0), &calls))
            .await
            .unwrap();
        assert_eq!((again.outcome(), *again), (Outcome::Passed, 2));
    }
}

#[larder::cached("said-outer", ttl = "60s", jitter = 0)]
async fn outer(n: u64) -> Result<u64, Infallible> {
    let inner = inner(n).await?;
    Ok(inner + 1)
}

#[larder::cached("said-inner", ttl = "60s", jitter = 0)]
async fn inner(n: u64) -> Result<u64, Infallible> {
    origin::ttl(Duration::from_secs(3));
    Ok(n)
}

#[tokio::test]
async fn what_a_memoised_function_says_is_about_its_own_value_only() {
    with_cache(larder::Cache::memory(), async {
        assert_eq!(outer::fetch(1).await.unwrap().ttl_left(), 60);
        assert_eq!(inner::fetch(1).await.unwrap().ttl_left(), 3);
        // Outside an origin call nothing happens.
        assert_eq!(inner::uncached(2).await, Ok(2));
    })
    .await;
}

#[larder::cached("said-outside", ttl = "60s", jitter = 0)]
async fn outside(n: u64) -> Result<u64, Infallible> {
    // No server listens on port 1.
    let unreachable = cache(&[("CACHE_URL", "memcached://127.0.0.1:1")]);
    with_cache(unreachable, inner(n)).await
}

#[tokio::test]
async fn what_a_memoised_function_says_without_a_lease_is_about_its_own_value_only_too() {
    with_cache(larder::Cache::memory(), async {
        assert_eq!(outside::fetch(1).await.unwrap().ttl_left(), 60);
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_another_is_told_for_how_long_that_one_keeps_the_value() {
    let (cache, key) = (larder::Cache::memory(), key("joined", 1));
    let origin = || async {
        origin::ttl(Duration::from_secs(9));
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok::<_, Infallible>(1)
    };
    let calls = [(); 8].map(|()| cache.get_or_fetch(&key, &MINUTE, origin));
    for fetched in futures_util::future::join_all(calls).await {
        let fetched = fetched.unwrap();
        assert!((8..=9).contains(&fetched.ttl_left()), "{fetched:?}");
    }
}

#[tokio::test]
async fn an_absence_is_kept_if_the_origin_says_so() {
    let (cache, key) = (larder::Cache::memory(), key("none", 1));
    let none = || async {
        origin::ttl(Duration::from_secs(9));
        Ok::<_, Infallible>(None::<u64>)
    };
    let first = cache.get_or_fetch(&key, &MINUTE, none).await.unwrap();
    assert_eq!(
        (first.outcome(), first.ttl_left()),
        (Outcome::Miss(Fill::Stored), 9)
    );
    assert!(
        cache
            .get_or_fetch(&key, &MINUTE, none)
            .await
            .unwrap()
            .is_hit()
    );
}
