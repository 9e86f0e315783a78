use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use larder::{Cache, Fill, Outcome, Policy, with_cache};
use larder_testing::Memcached;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::support::{MINUTE, at, cache, every_store};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum NameError {
    NotFound { id: u64 },
    Down(String),
}

#[derive(Debug, Default)]
struct Calls(AtomicUsize);

impl Calls {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[larder::cached(
    "negative-name",
    ttl = "60s",
    jitter = 0,
    negative_ttl = "5s",
    near = "1s",
    skip(calls),
    negative = |error| matches!(error, NameError::NotFound { .. }),
    many = names
)]
async fn name(id: u64, calls: &Calls) -> Result<String, NameError> {
    calls.0.fetch_add(1, Ordering::Relaxed);
    tokio::task::yield_now().await;
    match id {
        0 => Err(NameError::Down("the database".to_owned())),
        7 => Ok("Ada".to_owned()),
        id => Err(NameError::NotFound { id }),
    }
}

async fn names(ids: Vec<u64>) -> Result<Vec<(u64, String)>, NameError> {
    Ok(ids.into_iter().map(|id| (id, id.to_string())).collect())
}

const NOT_FOUND: Result<String, NameError> = Err(NameError::NotFound { id: 8 });

#[tokio::test]
async fn a_chosen_error_is_cached_and_no_other_is() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (at, calls) = (cache.location().to_owned(), Calls::default());
        with_cache(cache.clone(), async {
            for _ in 0..3 {
                assert_eq!(name(8, &calls).await, NOT_FOUND, "{at}");
            }
            assert_eq!(calls.count(), 1, "{at}");
            assert_eq!((cache.stats().stored, cache.stats().hit), (1, 2), "{at}");
            for _ in 0..2 {
                let down = name(0, &calls).await.unwrap_err();
                assert_eq!(down, NameError::Down("the database".to_owned()));
            }
            assert_eq!(calls.count(), 3, "{at}");
            assert_eq!(name(7, &calls).await.as_deref(), Ok("Ada"));
            assert!(name::fetch(7, &calls).await.unwrap().is_hit(), "{at}");
            // It is an error, and not a value.
            assert!(name::peek(8).await.is_none(), "{at}");
            assert_eq!(
                name::refresh(8, &calls).await.unwrap_err(),
                NOT_FOUND.unwrap_err()
            );
            let many = name::fetch_many(vec![7, 8, 9]).await.unwrap();
            assert_eq!((many.len(), many.contains_key(&8)), (2, false), "{at}");
            name::put(8, &"Grace".to_owned()).await.unwrap();
            assert_eq!(name(8, &calls).await.as_deref(), Ok("Grace"));
            name::invalidate(8).await.unwrap();
            assert_eq!(name(8, &calls).await, NOT_FOUND, "{at}");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn it_lives_for_the_negative_ttl() {
    let (cache, calls) = (Cache::memory(), Calls::default());
    with_cache(cache, async {
        for (after, expected) in [(0, 1), (4, 1), (2, 2)] {
            tokio::time::advance(Duration::from_secs(after)).await;
            assert_eq!(name(8, &calls).await, NOT_FOUND);
            assert_eq!(calls.count(), expected, "after {after} s more");
        }
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_the_call_gets_its_error() {
    let (cache, calls) = (Cache::memory(), Calls::default());
    with_cache(cache, async {
        let both = tokio::join!(name(8, &calls), name(8, &calls));
        assert_eq!(both, (NOT_FOUND, NOT_FOUND));
        assert_eq!(calls.count(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_near_copy_may_be_one() {
    let server = Memcached::start();
    let on = cache(&[
        ("CACHE_URL", &server.url()),
        ("CACHE_BUDGET_MS", "10000"),
        ("CACHE_NEAR", "on"),
    ]);
    let calls = Calls::default();
    with_cache(on.clone(), async {
        while on.stats().near_hit == 0 {
            assert_eq!(name(8, &calls).await, NOT_FOUND);
        }
    })
    .await;
}

/// What a release without `negative` would do with the entry: nothing reads it as a value.
async fn is_a_miss<T: Serialize + DeserializeOwned>(cache: &Cache, value: T) {
    let calls = Calls::default();
    name::invalidate(8).await.unwrap();
    assert_eq!(name(8, &calls).await, NOT_FOUND);
    let key = name::key(8).unwrap();
    assert!(cache.peek::<T>(&key, &MINUTE).await.is_none());
    let fetched = cache.get_or_fetch(&key, &MINUTE, || async { Ok::<_, NameError>(value) });
    let outcome = fetched.await.unwrap().outcome();
    assert_eq!(outcome, Outcome::Miss(Fill::Stored));
    assert!(cache.stats().unreadable > 0);
}

#[tokio::test]
async fn a_release_without_it_reads_none_of_its_entries() {
    let server = Memcached::start();
    let cache = at(&server.url());
    with_cache(cache.clone(), async {
        is_a_miss(&cache, "Ada".to_owned()).await;
        is_a_miss(&cache, Some(7)).await;
        is_a_miss(&cache, ()).await;
        is_a_miss(&cache, serde_json::json!({ "NotFound": { "id": 8 } })).await;
        is_a_miss(&cache, NameError::NotFound { id: 8 }).await;
    })
    .await;
}

const fn covered(_: u64) -> Policy {
    let minute = Duration::from_secs(60);
    Policy::ttl(minute).stale_if_error(minute)
}

/// Its policy, which is only known in a call, keeps no errors.
#[larder::cached(
    "negative-without-ttl",
    policy = covered(n),
    skip(fails),
    negative = |error| matches!(error, NameError::NotFound { .. })
)]
async fn without_ttl(n: u64, fails: bool) -> Result<u64, NameError> {
    match fails {
        true => Err(NameError::NotFound { id: n }),
        false => Ok(n),
    }
}

#[tokio::test]
async fn an_error_that_is_not_kept_leaves_the_stale_entry_alone() {
    with_cache(Cache::memory(), async {
        assert_eq!(without_ttl(7, false).await.unwrap(), 7);
        without_ttl::expire(7).await.unwrap();
        for _ in 0..3 {
            assert_eq!(without_ttl(7, true).await.unwrap(), 7);
        }
    })
    .await;
}
