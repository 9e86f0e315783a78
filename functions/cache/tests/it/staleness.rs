//! Entries past their ttl: which caller refreshes, which is served, and which waits for a refresh
//! that fails or dies.

use std::{convert::Infallible, time::Duration};

use larder::{Cache, Fill, Outcome, Policy};
use larder_testing::Memcached;
use tokio::{sync::Notify, time::Instant};

use crate::support::{MINUTE, every_store, key};

/// No call may wait this long in these tests.
const LEASE: Duration = Duration::from_secs(30);
const COVERED: Policy = MINUTE.stale_if_error(MINUTE_LONG).lease(LEASE).wait(LEASE);
const MINUTE_LONG: Duration = Duration::from_secs(60);

/// An entry with this value whose ttl has just ended.
async fn outdate(cache: &Cache, n: u64, policy: &Policy, value: u64) {
    cache.put(&key("stale", n), policy, &value).await.unwrap();
    cache.expire(&key("stale", n), policy).await.unwrap();
}

#[tokio::test]
async fn a_refresh_that_began_before_an_expire_does_not_make_the_entry_fresh() {
    const STALE: Policy = MINUTE.stale_while_revalidate(MINUTE_LONG);
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (key, begun, go) = (key("expire", 1), Notify::new(), Notify::new());
        cache.put(&key, &STALE, &1_u64).await.unwrap();
        cache.expire(&key, &STALE).await.unwrap();
        let refresh = cache.get_or_fetch(&key, &STALE, || async {
            begun.notify_one();
            go.notified().await;
            Ok::<_, Infallible>(2_u64)
        });
        let expire = async {
            begun.notified().await;
            cache.expire(&key, &STALE).await.unwrap();
            go.notify_one();
        };
        let (refreshed, ()) = tokio::join!(refresh, expire);
        let location = cache.location();
        assert_eq!(
            refreshed.unwrap().outcome(),
            Outcome::Expired(Fill::NotStored),
            "{location}"
        );
        let left = cache.peek::<u64>(&key, &STALE).await.unwrap();
        assert_eq!((left.outcome(), *left), (Outcome::Stale, 1), "{location}");
    }
}

#[tokio::test]
async fn each_caller_of_a_failing_origin_is_served_the_covering_value_at_once() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        outdate(&cache, 1, &COVERED, 7).await;
        let (begun, key) = (Instant::now(), key("stale", 1));
        let call = async || {
            let called = std::cell::Cell::new(false);
            let failing = async || {
                called.set(true);
                Err::<u64, _>("down")
            };
            let fetched = cache.get_or_fetch(&key, &COVERED, failing).await.unwrap();
            (fetched.outcome(), *fetched, called.get())
        };
        for (outcome, value, called) in futures_util::future::join_all((0..5).map(|_| call())).await
        {
            let expected = if called {
                Outcome::StaleOnError
            } else {
                Outcome::StaleAfterError
            };
            assert_eq!((outcome, value), (expected, 7), "{}", cache.location());
        }
        let stats = cache.stats();
        let covered = (stats.stale_on_error, stats.stale_after_error);
        assert_eq!(covered, (1, 4), "{}", cache.location());
        assert!(
            begun.elapsed() < LEASE / 2,
            "{}: callers waited for a failed refresh",
            cache.location()
        );
    }
}

#[tokio::test]
async fn who_waits_in_vain_and_then_fails_is_served_the_covering_value_too() {
    const IMPATIENT: Policy = COVERED.wait(Duration::from_millis(50));
    let server = Memcached::start();
    for cache in every_store(&server) {
        outdate(&cache, 1, &COVERED, 7).await;
        let key = key("stale", 1);
        let (begun, go) = (Notify::new(), Notify::new());
        let refresh = cache.get_or_fetch(&key, &COVERED, async || {
            begun.notify_one();
            go.notified().await;
            Ok::<_, &str>(8)
        });
        let other = async {
            begun.notified().await;
            let late = cache
                .get_or_fetch(&key, &IMPATIENT, async || Err::<u64, _>("down"))
                .await;
            go.notify_one();
            late.unwrap()
        };
        let (refreshed, late) = tokio::join!(refresh, other);
        assert_eq!(
            (late.outcome(), *late),
            (Outcome::StaleOnError, 7),
            "{}",
            cache.location()
        );
        assert_eq!(*refreshed.unwrap(), 8);
    }
}
