use std::time::Duration;

use futures_util::future::join_all;
use larder::Cache;
use larder_testing::{Fault, Memcached, Proxy};

use crate::support::{MINUTE, cache, key};

const CALLERS: u64 = 64;

/// A cache on `url` with the number of each caller under its key. The budget is large: these tests
/// are not about time.
async fn filled(url: &str, protocol: &str) -> Cache {
    let url = format!("{url}?protocol={protocol}");
    let settings = [
        ("CACHE_URL", url.as_str()),
        ("CACHE_NAMESPACE", protocol),
        ("CACHE_BUDGET_MS", "10000"),
    ];
    let cache = cache(&settings);
    for n in 0..CALLERS {
        cache.put(&key("crowd", n), &MINUTE, &n).await.unwrap();
    }
    cache
}

/// Whether the caller with this number was answered by the cache. Panics at a wrong answer.
async fn hit(cache: &Cache, n: u64) -> bool {
    let origin = || async { Ok::<_, ()>(n) };
    let fetched = cache.get_or_fetch(&key("crowd", n), &MINUTE, origin).await;
    let fetched = fetched.unwrap();
    assert_eq!(*fetched, n, "another key's value");
    fetched.is_hit()
}

#[tokio::test]
async fn callers_who_come_together_share_exchanges() {
    let server = Memcached::start();
    for protocol in ["classic", "meta"] {
        let cache = filled(&server.url(), protocol).await;
        let read = || server.stat("get_hits");
        let before = read();
        let hits = join_all((0..CALLERS).map(|n| hit(&cache, n))).await;
        assert!(hits.iter().all(|hit| *hit), "{protocol}");
        // A single call would also have read two generations.
        let items = read() - before;
        assert!(items < 2 * CALLERS, "{protocol}: {items} items read");
    }
}

#[tokio::test]
async fn callers_of_one_key_share_its_item() {
    let server = Memcached::start();
    for protocol in ["classic", "meta"] {
        let cache = filled(&server.url(), protocol).await;
        let before = server.stat("get_hits");
        let hits = join_all((0..CALLERS).map(|_| hit(&cache, 7))).await;
        assert!(hits.iter().all(|hit| *hit), "{protocol}");
        let items = server.stat("get_hits") - before;
        assert!(items < CALLERS, "{protocol}: {items} items read");
    }
}

#[tokio::test]
async fn a_caller_who_leaves_a_crowd_shifts_nobodys_answer() {
    let server = Memcached::start();
    for protocol in ["classic", "meta"] {
        let halves = Fault {
            split: 1000,
            ..Fault::default()
        };
        let proxy = Proxy::start(server.port(), 1, halves).await;
        let cache = filled(&proxy.url(), protocol).await;
        for round in 0..20 {
            let callers = (0..CALLERS).map(|n| {
                let cache = cache.clone();
                tokio::spawn(async move {
                    let call = hit(&cache, n);
                    if n % 3 == round % 3 {
                        // Drops the call after as many polls as its number says.
                        let polls = tokio::time::timeout(Duration::from_micros(n * 20), call);
                        return polls.await.unwrap_or(true);
                    }
                    call.await
                })
            });
            for caller in join_all(callers).await {
                assert!(caller.unwrap(), "{protocol}, round {round}: no hit");
            }
        }
        assert_eq!(cache.stats().unreadable, 0);
    }
}

#[test]
fn a_crowd_whose_runtime_ends_leaves_the_cache_usable() {
    let server = Memcached::start();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    for protocol in ["classic", "meta"] {
        let first = runtime();
        let cache = first.block_on(filled(&server.url(), protocol));
        for n in 0..CALLERS {
            let cache = cache.clone();
            first.spawn(async move { hit(&cache, n).await });
        }
        first.block_on(tokio::task::yield_now());
        drop(first);
        let second = runtime();
        second.block_on(async {
            // The first calls may find connections of the runtime that has ended.
            for n in 0..CALLERS {
                hit(&cache, n).await;
            }
            assert!(hit(&cache, 7).await, "{protocol}");
            let hits = join_all((0..CALLERS).map(|n| hit(&cache, n))).await;
            assert!(hits.iter().all(|hit| *hit), "{protocol}");
        });
    }
}
