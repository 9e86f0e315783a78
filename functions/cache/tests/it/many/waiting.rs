//! Leases of other callers are waited for, and taken over when they are left.

use super::*;

/// A second cache on the same server and in the same namespace: for leases it is another process.
fn another(cache: &Cache) -> Cache {
    if cache.location() == "memory:" {
        return cache.clone();
    }
    let url = format!("{}?protocol={}", cache.location(), cache.namespace());
    crate::support::cache(&[
        ("CACHE_URL", &url),
        ("CACHE_NAMESPACE", cache.namespace()),
        ("CACHE_BUDGET_MS", "2000"),
    ])
}

#[tokio::test]
async fn a_key_that_another_computes_is_waited_for_while_the_rest_is_computed() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        for (other, n) in [(cache.clone(), 2), (another(&cache), 12)] {
            let (origin, key) = (Tens::default(), key("tens", n));
            let holder = other.get_or_fetch(&key, &MINUTE, || async {
                tokio::time::sleep(Duration::from_millis(150)).await;
                Ok::<_, Infallible>(n * 10)
            });
            let many = async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                tens(&cache, &MINUTE, &[n - 1, n, n + 1], &origin).await
            };
            let (held, values) = tokio::join!(holder, many);
            assert_eq!(held.unwrap().outcome(), Outcome::Miss(Fill::Stored));
            assert_eq!(
                values[&n].outcome(),
                Outcome::Collapsed,
                "{}",
                cache.location()
            );
            assert_eq!(count(&values, Outcome::Miss(Fill::Stored)), 2);
            assert_eq!(origin.asked(), [vec![n - 1, n + 1]], "{}", cache.location());
        }
    }
}

#[tokio::test]
async fn two_that_want_overlapping_keys_do_not_wait_for_each_other_in_a_circle() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (other, origin) = (another(&cache), Tens::default());
        let slow = |missing: Vec<u64>| async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            origin.of(missing).await
        };
        let (up, down): (Vec<u64>, Vec<u64>) = ((0..40).collect(), (20..60).rev().collect());
        let (one, two) = tokio::join!(
            cache.get_or_fetch_many(keyed("tens", up), &MINUTE, slow),
            other.get_or_fetch_many(keyed("tens", down), &MINUTE, slow),
        );
        assert_eq!((one.unwrap().len(), two.unwrap().len()), (40, 40));
        let mut asked: Vec<_> = origin.asked().concat();
        asked.sort_unstable();
        assert_eq!(
            asked,
            (0..60).collect::<Vec<_>>(),
            "each key once, at {}",
            cache.location()
        );
    }
}

#[tokio::test]
async fn a_single_caller_takes_its_value_from_a_call_for_many() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let origin = Tens::default();
        let called = tokio::sync::Notify::new();
        let slow = |missing: Vec<u64>| async {
            called.notify_one();
            tokio::time::sleep(Duration::from_millis(150)).await;
            origin.of(missing).await
        };
        let many = cache.get_or_fetch_many(keyed("tens", [1, 2]), &MINUTE, slow);
        let single = async {
            called.notified().await;
            let key = key("tens", 2);
            cache
                .get_or_fetch(&key, &MINUTE, || async { Ok::<_, Infallible>(0_u64) })
                .await
        };
        let (many, single) = tokio::join!(many, single);
        assert_eq!(many.unwrap().len(), 2);
        let single = single.unwrap();
        assert_eq!(
            (*single, single.outcome()),
            (20, Outcome::Collapsed),
            "{}",
            cache.location()
        );
    }
}

#[tokio::test]
async fn what_a_failing_holder_leaves_is_called_for_once_more() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (origin, key) = (Tens::default(), key("tens", 2));
        let failing = cache.get_or_fetch(&key, &MINUTE, || async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            Err::<u64, _>("down")
        });
        let many = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            tens(&cache, &MINUTE, &[1, 2], &origin).await
        };
        let (failed, values) = tokio::join!(failing, many);
        assert_eq!(failed.unwrap_err(), "down");
        // A call that has waited for an origin that failed goes on alone: it stores nothing.
        assert_eq!(
            (values[&1].outcome(), values[&2].outcome()),
            (Outcome::Miss(Fill::Stored), Outcome::Miss(Fill::NotStored)),
            "{}",
            cache.location()
        );
        assert_eq!(origin.asked(), [vec![1], vec![2]], "{}", cache.location());
    }
}

#[tokio::test]
async fn nobody_waits_for_longer_than_the_policy_says() {
    const BRIEF: Policy = MINUTE.wait(Duration::from_millis(50));
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (origin, key) = (Tens::default(), key("tens", 1));
        let done = tokio::sync::Notify::new();
        let holder = cache.get_or_fetch(&key, &MINUTE, || async {
            done.notified().await;
            Ok::<_, Infallible>(10)
        });
        let many = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let values = tens(&cache, &BRIEF, &[1], &origin).await;
            done.notify_one();
            values
        };
        let (_, values) = tokio::join!(holder, many);
        assert_eq!(
            values[&1].outcome(),
            Outcome::Miss(Fill::NotStored),
            "{}",
            cache.location()
        );
    }
}

#[tokio::test]
async fn leases_are_kept_alive_while_the_origin_takes_longer_than_they_last() {
    const SHORT: Policy = MINUTE.lease(Duration::from_secs(2));
    let server = Memcached::start();
    let caches = every_store(&server);
    let long = caches.iter().map(|cache| async {
        let origin = Tens::default();
        let slow = |missing: Vec<u64>| async {
            tokio::time::sleep(Duration::from_millis(3500)).await;
            origin.of(missing).await
        };
        let others = another(cache);
        let many = cache.get_or_fetch_many(keyed("long", [1, 2]), &SHORT, slow);
        let other = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            others
                .get_or_fetch_many(keyed("long", [2, 1]), &SHORT, |missing| origin.of(missing))
                .await
        };
        let (values, other) = tokio::join!(many, other);
        let values = values.unwrap();
        assert_eq!(
            count(&values, Outcome::Miss(Fill::Stored)),
            2,
            "{}",
            cache.location()
        );
        assert_eq!(
            count(&other.unwrap(), Outcome::Collapsed),
            2,
            "{}",
            cache.location()
        );
        assert_eq!(origin.asked().len(), 1, "{}", cache.location());
    });
    futures_util::future::join_all(long).await;
}
