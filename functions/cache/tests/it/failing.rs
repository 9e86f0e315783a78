use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use larder::{Cache, Key, Outcome, Policy, Source};
use larder_testing::{Fault, Memcached, Noise, Proxy};

use crate::support::{cache, key};

const WINDOW: Duration = Duration::from_secs(600);
const TTL: Duration = Duration::from_secs(1);
const BUDGET: &str = "200";
/// What a caller who has a copy may take: the budget, and the contract's slack.
const BOUND: Duration = Duration::from_millis(200 + 25);

const WINDOWS: [(&str, Policy); 3] = [
    (
        "on error",
        Policy::ttl(TTL).jitter(0).stale_if_error(WINDOW),
    ),
    (
        "revalidate",
        Policy::ttl(TTL).jitter(0).stale_while_revalidate(WINDOW),
    ),
    (
        "both",
        Policy::ttl(TTL)
            .jitter(0)
            .stale_while_revalidate(Duration::from_secs(1))
            .stale_if_error(WINDOW),
    ),
];

fn caches(url: &str, protocol: &str, count: usize) -> Vec<Cache> {
    let url = format!("{url}?protocol={protocol}");
    let one = |_| {
        cache(&[
            ("CACHE_URL", &url),
            ("CACHE_NAMESPACE", protocol),
            ("CACHE_BUDGET_MS", BUDGET),
        ])
    };
    (0..count).map(one).collect()
}

/// An origin that fails after 300 ms, in six seconds of an outage: 20 processes ask every 100 ms.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn during_an_outage_of_the_origin_every_caller_with_a_copy_has_it_at_once() {
    const OUTAGE: Duration = Duration::from_secs(6);
    let server = Memcached::start();
    let kinds = WINDOWS.iter().enumerate();
    for (n, (what, policy)) in kinds {
        for protocol in ["classic", "meta"] {
            let (key, calls) = (key("outage", n as u64), Arc::new(AtomicU64::new(0)));
            let caches = caches(&server.url(), protocol, 20);
            for cache in &caches {
                while cache.put(&key, policy, &7_u64).await.is_err() {}
            }
            tokio::time::sleep(TTL + Duration::from_millis(1300)).await;
            let noise = Noise::start();
            let mut tasks = tokio::task::JoinSet::new();
            for cache in caches {
                let (key, policy, calls) = (key.clone(), *policy, calls.clone());
                tasks.spawn(async move {
                    let (mut waited, begun) = (Vec::new(), Instant::now());
                    while begun.elapsed() < OUTAGE {
                        let called = AtomicBool::new(false);
                        let origin = || async {
                            called.store(true, Ordering::Relaxed);
                            calls.fetch_add(1, Ordering::Relaxed);
                            tokio::time::sleep(Duration::from_millis(300)).await;
                            Err::<u64, _>("down")
                        };
                        let begun = Instant::now();
                        let fetched = cache.get_or_fetch(&key, &policy, origin).await;
                        // Who refreshes pays for that, with the error if the policy says so.
                        let Ok(fetched) = fetched else {
                            assert!(called.into_inner(), "a copy may be served");
                            continue;
                        };
                        assert_eq!(*fetched, 7);
                        if !called.into_inner() {
                            waited.push((begun.elapsed(), fetched.outcome()));
                        }
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    waited
                });
            }
            let all: Vec<_> = tasks.join_all().await.concat();
            let calls = calls.load(Ordering::Relaxed);
            let slowest = all.iter().max_by_key(|(took, _)| *took).unwrap();
            println!(
                "{what}, {protocol}: {} answers, {calls} origin calls, {slowest:?}",
                all.len()
            );
            // A machine that stands still may fail one lookup of each, who then has no copy.
            let stood_still = noise.forgive(Duration::ZERO) > BOUND / 2;
            let most = if stood_still { 2 + 20 } else { 2 };
            assert!(calls <= most, "{what}, {protocol}: {calls} origin calls");
            // Those who came while the first refresh ran have waited for it, once.
            let late: Vec<_> = all
                .iter()
                .filter(|(took, _)| *took > noise.forgive(BOUND))
                .collect();
            assert!(late.len() <= 40, "{what}, {protocol}: {late:?}");
        }
    }
}

/// Lookups pass, and what is written is swallowed.
#[tokio::test]
async fn a_copy_that_was_read_is_served_when_only_the_claim_fails() {
    let server = Memcached::start();
    let proxy = Proxy::start(server.port(), 1, Fault::default()).await;
    for (what, policy) in WINDOWS {
        for protocol in ["classic", "meta"] {
            proxy.set(Fault::default());
            let cache = caches(&proxy.url(), protocol, 1).remove(0);
            let key = key("claim", 1);
            cache.put(&key, &policy, &7_u64).await.unwrap();
            tokio::time::sleep(TTL + Duration::from_millis(300)).await;
            proxy.set(Fault {
                swallow: &["ms ", "add ", "cas "],
                ..Fault::default()
            });
            for fails in [true, false] {
                for _ in 0..3 {
                    let origin = || async { if fails { Err("down") } else { Ok(8) } };
                    let fetched = cache.get_or_fetch(&key, &policy, origin).await;
                    let fetched = fetched.expect("the copy may be served");
                    assert_eq!(
                        (*fetched, fetched.source()),
                        (7, Source::Stale),
                        "{what}, {protocol}: {:?}",
                        fetched.outcome()
                    );
                }
            }
        }
    }
}

/// What is written passes, and lookups are swallowed: nothing was read, so nothing is served but
/// the origin's own answer.
#[tokio::test]
async fn without_a_lookup_each_call_has_its_origins_answer() {
    let noise = Noise::start();
    let server = Memcached::start();
    let proxy = Proxy::start(server.port(), 1, Fault::default()).await;
    for protocol in ["classic", "meta"] {
        proxy.set(Fault::default());
        let cache = caches(&proxy.url(), protocol, 1).remove(0);
        let (key, policy) = (key("reads", 1), WINDOWS[0].1);
        cache.put(&key, &policy, &7_u64).await.unwrap();
        proxy.set(Fault {
            swallow: &["mg ", "get "],
            ..Fault::default()
        });
        for n in 0..20 {
            let begun = Instant::now();
            let fetched = cache
                .get_or_fetch(&key, &policy, || async { Ok::<_, ()>(n) })
                .await;
            assert_eq!(*fetched.unwrap(), n, "{protocol}");
            let took = begun.elapsed();
            assert!(took < noise.forgive(BOUND), "{protocol}: {took:?}");
        }
    }
}

async fn waits_for_many(cache: &Cache, key: Key, calls: &AtomicU64) -> Outcome {
    let origin = |_| async move {
        calls.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok::<_, ()>([((), 7_u64)])
    };
    let policy = crate::support::MINUTE;
    let fetched = cache.get_or_fetch_many([(key, ())], &policy, origin).await;
    fetched.unwrap()[&()].outcome()
}

/// A leader's origin takes 2 s, and after 1 s the server pauses: those who wait go on waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_short_pause_of_the_server_sends_no_waiter_to_the_origin() {
    let server = Memcached::start();
    for (n, protocol) in ["classic", "meta"].into_iter().enumerate() {
        let calls = Arc::new(AtomicU64::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for (place, cache) in caches(&server.url(), protocol, 21).into_iter().enumerate() {
            let (calls, key) = (calls.clone(), key("pause", n as u64));
            tasks.spawn(async move {
                if place % 2 == 1 {
                    // A call for several keys waits by the same rules.
                    return waits_for_many(&cache, key, &calls).await;
                }
                let origin = || async move {
                    calls.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    Ok::<_, ()>(7_u64)
                };
                let policy = crate::support::MINUTE;
                let fetched = cache.get_or_fetch(&key, &policy, origin).await.unwrap();
                fetched.outcome()
            });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = calls.load(Ordering::Relaxed);
        server.stop();
        // Longer than the budget: one poll of each fails.
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.resume();
        let outcomes = tasks.join_all().await;
        let waited = outcomes.iter().filter(|one| **one == Outcome::Collapsed);
        println!(
            "{protocol}: {before} calls before, {} collapsed",
            waited.count()
        );
        assert_eq!(
            calls.load(Ordering::Relaxed),
            before,
            "{protocol}: {outcomes:?}"
        );
    }
}
