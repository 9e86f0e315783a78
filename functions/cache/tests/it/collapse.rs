use std::time::Duration;

use larder::{Cache, Fill, Outcome, Policy};
use larder_testing::{Fault, Memcached, Proxy};

use crate::support::{MINUTE, Origin, cache, every_store, key};

/// An origin that takes long enough for all callers to begin.
async fn slow(origin: &Origin) -> Result<u64, std::convert::Infallible> {
    tokio::time::sleep(Duration::from_millis(200)).await;
    origin.call().await
}

#[tokio::test]
async fn callers_of_one_process_share_one_origin_call() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (origin, key) = (Origin::default(), key("process", 1));
        let calls = (0..50).map(|_| cache.get_or_fetch(&key, &MINUTE, || slow(&origin)));
        let fetched = futures_util::future::join_all(calls).await;
        assert_eq!(origin.calls(), 1, "{}", cache.location());
        let of = |outcome| {
            fetched
                .iter()
                .filter(|f| f.as_ref().unwrap().outcome() == outcome)
                .count()
        };
        assert_eq!(of(Outcome::Miss(Fill::Stored)), 1);
        assert_eq!(of(Outcome::Collapsed), 49, "{}", cache.location());
    }
}

#[tokio::test]
async fn callers_of_several_caches_share_one_origin_call() {
    let server = Memcached::start();
    for protocols in [
        ["classic", "classic"],
        ["meta", "meta"],
        ["classic", "meta"],
    ] {
        let caches = protocols.map(|protocol| {
            let url = format!("{}?protocol={protocol}", server.url());
            let namespace = protocols.concat();
            cache(&[
                ("CACHE_URL", &url),
                ("CACHE_NAMESPACE", &namespace),
                ("CACHE_BUDGET_MS", "10000"),
            ])
        });
        let (origin, key) = (Origin::default(), key("processes", 1));
        let calls = (0..40).map(|i| caches[i % 2].get_or_fetch(&key, &MINUTE, || slow(&origin)));
        let fetched = futures_util::future::join_all(calls).await;
        assert_eq!(origin.calls(), 1, "{protocols:?}");
        assert!(
            fetched
                .iter()
                .all(|fetched| **fetched.as_ref().unwrap() == 1)
        );
    }
}

#[tokio::test]
async fn a_cancelled_leader_leaves_its_work_to_another() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (origin, key) = (Origin::default(), key("cancelled", 1));
        let stuck = cache.get_or_fetch(
            &key,
            &MINUTE,
            std::future::pending::<Result<u64, std::convert::Infallible>>,
        );
        let follower = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            cache.get_or_fetch(&key, &MINUTE, || origin.call()).await
        };
        let leader = tokio::time::timeout(Duration::from_millis(150), stuck);
        let (leader, follower) = tokio::join!(leader, follower);
        assert!(leader.is_err());
        assert_eq!(
            (*follower.unwrap(), origin.calls()),
            (1, 1),
            "{}",
            cache.location()
        );
    }
}

#[tokio::test]
async fn a_leaders_error_is_its_own_and_those_who_waited_go_on_alone() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (origin, key) = (Origin::default(), key("failing", 1));
        let failing = async || {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Err::<u64, _>("down")
        };
        let first = cache.get_or_fetch(&key, &MINUTE, failing);
        let others = (0..10).map(|_| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let origin = || async { Ok::<_, &str>(origin.call().await.unwrap()) };
            cache.get_or_fetch(&key, &MINUTE, origin).await
        });
        let (first, others) = tokio::join!(first, futures_util::future::join_all(others));
        assert_eq!(first.unwrap_err(), "down");
        let mut values: Vec<_> = others.into_iter().map(|other| *other.unwrap()).collect();
        values.sort_unstable();
        assert_eq!(values, Vec::from_iter(1..=10), "{}", cache.location());
        // Who has not waited leads, and stores.
        let next = async || Ok::<_, &str>(origin.call().await.unwrap());
        let next = cache.get_or_fetch(&key, &MINUTE, next).await.unwrap();
        assert_eq!(
            next.outcome(),
            Outcome::Miss(Fill::Stored),
            "{}",
            cache.location()
        );
        assert_eq!(origin.calls(), 11, "{}", cache.location());
    }
}

#[tokio::test]
async fn waiting_does_not_use_up_the_budget() {
    let server = Memcached::start();
    // Each poll takes 40 ms: a dozen of them are more than the budget of 400 ms.
    let delay = Fault {
        delay: Duration::from_millis(40),
        ..Fault::default()
    };
    let proxy = Proxy::start(server.port(), 1, delay).await;
    for protocol in ["classic", "meta"] {
        let url = format!("{}?protocol={protocol}", proxy.url());
        let caches = [(); 2].map(|()| {
            let settings = [
                ("CACHE_URL", url.as_str()),
                ("CACHE_NAMESPACE", protocol),
                ("CACHE_BUDGET_MS", "400"),
            ];
            cache(&settings)
        });
        for cache in &caches {
            // Makes the connections and generations before the measurement.
            let warm = key("warm", 1);
            while cache.put(&warm, &MINUTE, &1_u64).await.is_err() {}
        }
        let (origin, key) = (Origin::default(), key("polls", 1));
        let slow = || async {
            tokio::time::sleep(Duration::from_millis(2000)).await;
            origin.call().await
        };
        let calls = caches
            .iter()
            .map(|cache| cache.get_or_fetch(&key, &MINUTE, slow));
        let fetched = futures_util::future::join_all(calls).await;
        let outcomes: Vec<_> = fetched
            .iter()
            .map(|f| f.as_ref().unwrap().outcome())
            .collect();
        assert_eq!(origin.calls(), 1, "{protocol}: {outcomes:?}");
    }
}

/// Both say for how long the value is fresh: the same, although each entry has its own jitter.
#[tokio::test]
async fn a_joiner_knows_the_entrys_own_time() {
    let cache = Cache::memory();
    let (key, policy) = (
        key("jitter", 1),
        Policy::ttl(Duration::from_secs(1_000_000)).jitter(50),
    );
    let origin = || async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok::<_, ()>(7_u64)
    };
    let call = || cache.get_or_fetch(&key, &policy, origin);
    let (one, other) = futures_util::future::join(call(), call()).await;
    let (one, other) = (one.unwrap(), other.unwrap());
    let outcomes = [one.outcome(), other.outcome()];
    assert!(outcomes.contains(&Outcome::Collapsed), "{outcomes:?}");
    assert!(
        one.ttl_left().abs_diff(other.ttl_left()) <= 1,
        "{one:?} {other:?}"
    );
}
