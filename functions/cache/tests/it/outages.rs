use std::time::{Duration, Instant};

use larder::{Bypass, Cache, CacheError, CacheFailure, Fill, Outcome, Scope};
use larder_testing::{Fault, Memcached, Noise, Proxy};

use crate::support::{MINUTE, Origin, cache, key};

/// The longest time for a call whose origin takes none: the budget, and a tolerance.
const BOUND: Duration = Duration::from_millis(50 + 25);

fn both(url: &str) -> [Cache; 2] {
    with_budget(url, "50")
}

fn with_budget(url: &str, budget: &str) -> [Cache; 2] {
    ["classic", "meta"].map(|protocol| {
        cache(&[
            ("CACHE_URL", &format!("{url}?protocol={protocol}")),
            ("CACHE_NAMESPACE", protocol),
            ("CACHE_BUDGET_MS", budget),
        ])
    })
}

async fn timed(cache: &Cache, origin: &Origin, n: u64) -> (Outcome, Duration) {
    let begun = Instant::now();
    let fetched = cache
        .get_or_fetch(&key("outage", n), &MINUTE, || origin.call())
        .await
        .unwrap();
    (fetched.outcome(), begun.elapsed())
}

/// Calls until a hit; returns how long that took.
async fn until_hit(cache: &Cache, origin: &Origin) -> Duration {
    let begun = Instant::now();
    while timed(cache, origin, 1).await.0 != Outcome::Hit {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "no hit came back"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begun.elapsed()
}

#[tokio::test]
async fn a_refused_connection_costs_nothing_but_the_hit() {
    let noise = Noise::start();
    let mut server = Memcached::start();
    server.kill();
    for cache in both(&server.url()) {
        let origin = Origin::default();
        for n in 0..200 {
            let (outcome, took) = timed(&cache, &origin, n).await;
            let expected = [
                Outcome::Miss(Fill::Failed(CacheFailure::Refused)),
                Outcome::Bypassed(Bypass::Breaker),
            ];
            assert!(expected.contains(&outcome), "{outcome:?}");
            assert!(took < noise.forgive(BOUND), "{took:?}");
        }
        let error = cache.flush(Scope::All).await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("127.0.0.1:{}", server.port())),
            "{error}"
        );
        assert!(matches!(
            cache.invalidate(&key("x", 1)).await,
            Err(CacheError::Unacknowledged(_))
        ));
    }
}

#[tokio::test]
async fn a_frozen_server_costs_at_most_the_budget_and_is_back_within_a_second() {
    let noise = Noise::start();
    let server = Memcached::start();
    for cache in both(&server.url()) {
        let origin = Origin::default();
        until_hit(&cache, &origin).await;
        server.stop();
        for _ in 0..30 {
            let (outcome, took) = timed(&cache, &origin, 1).await;
            let expected = [
                Outcome::Miss(Fill::Failed(CacheFailure::Timeout)),
                Outcome::Bypassed(Bypass::Breaker),
            ];
            assert!(expected.contains(&outcome), "{outcome:?}");
            assert!(took < noise.forgive(BOUND), "{took:?}");
        }
        assert!(cache.flush(Scope::All).await.is_err());
        server.resume();
        let back = until_hit(&cache, &origin).await;
        assert!(back < noise.forgive(Duration::from_secs(1)), "{back:?}");
    }
}

#[tokio::test]
async fn a_frozen_server_costs_each_of_sixteen_callers_at_most_the_budget() {
    let noise = Noise::start();
    let server = Memcached::start();
    for cache in both(&server.url()) {
        let origin = Origin::default();
        until_hit(&cache, &origin).await;
        server.stop();
        for round in 0..10 {
            let calls = (0..16).map(|n| timed(&cache, &origin, 16 * round + n));
            for (_, took) in futures_util::future::join_all(calls).await {
                assert!(took < noise.forgive(BOUND), "{took:?}");
            }
        }
        server.resume();
        let back = until_hit(&cache, &origin).await;
        assert!(back < noise.forgive(Duration::from_secs(1)), "{back:?}");
    }
}

/// Runs sixteen callers; returns how many of their calls the breaker kept from the server.
async fn short_circuited(cache: &Cache, calls: u64) -> u64 {
    let callers = (0..16).map(|caller| async move {
        let (origin, mut kept) = (Origin::default(), 0);
        for n in 0..calls / 16 {
            let (outcome, _) = timed(cache, &origin, caller + 16 * (n % 50)).await;
            kept += u64::from(outcome == Outcome::Bypassed(Bypass::Breaker));
        }
        kept
    });
    futures_util::future::join_all(callers).await.iter().sum()
}

#[tokio::test]
async fn the_breaker_bears_one_failure_in_a_hundred_and_spares_a_dead_server() {
    const CALLS: u64 = 4000;
    let mut server = Memcached::start();
    let one_percent = Fault {
        cut: 10,
        ..Fault::default()
    };
    let proxy = Proxy::start(server.port(), 21, one_percent).await;
    for cache in with_budget(&proxy.url(), "5000") {
        let kept = short_circuited(&cache, CALLS).await;
        println!("{kept} of {CALLS} calls short-circuited at 1 % failures");
        assert!(kept <= CALLS / 100, "{kept}");
    }
    assert!(proxy.struck() > 10, "hardly anything failed");
    server.kill();
    for cache in with_budget(&server.url(), "5000") {
        let kept = short_circuited(&cache, CALLS).await;
        println!("{kept} of {CALLS} calls short-circuited by a dead server");
        assert!(kept >= CALLS * 95 / 100, "{kept}");
    }
}

/// Its answers come when their callers have gone on: none of them makes the next caller wait.
#[tokio::test]
async fn a_server_slower_than_the_budget_is_asked_once_a_pause() {
    let server = Memcached::start();
    let proxy = Proxy::start(server.port(), 1, Fault::default()).await;
    for cache in both(&proxy.url()) {
        proxy.set(Fault::default());
        let origin = Origin::default();
        until_hit(&cache, &origin).await;
        proxy.set(Fault {
            delay: Duration::from_millis(80),
            ..Fault::default()
        });
        while timed(&cache, &origin, 1).await.0 != Outcome::Bypassed(Bypass::Breaker) {}
        let (opened, mut asked) = (Instant::now(), 0);
        for _ in 0..500 {
            let (outcome, _) = timed(&cache, &origin, 1).await;
            asked += u128::from(outcome != Outcome::Bypassed(Bypass::Breaker));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let pauses = opened.elapsed().as_millis() / 250;
        println!("{asked} of 500 calls asked in {pauses} pauses");
        assert!(asked <= pauses + 2, "{asked} in {pauses} pauses");
    }
}

/// A budget's time and more passes before the first connection is there. That is no failure of the
/// server.
#[tokio::test]
async fn a_slow_first_connect_opens_no_breaker() {
    let server = Memcached::start();
    let slow = Fault {
        connect: Duration::from_millis(200),
        ..Fault::default()
    };
    let proxy = Proxy::start(server.port(), 1, slow).await;
    for cache in both(&proxy.url()) {
        let origin = Origin::default();
        // From the moment that it is connected, a call may fail on a machine that is busy.
        let mut connected = false;
        while !connected {
            let calls = (0..20).map(|n| timed(&cache, &origin, n));
            for (outcome, _) in futures_util::future::join_all(calls).await {
                assert_ne!(outcome, Outcome::Bypassed(Bypass::Breaker));
                connected |= !matches!(outcome, Outcome::Bypassed(_));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        until_hit(&cache, &origin).await;
    }
}

#[tokio::test]
async fn a_restarted_server_is_found_again_at_once() {
    let mut server = Memcached::start();
    // "At once" means in the next call. How long that takes on a busy machine is not tested here.
    for cache in with_budget(&server.url(), "5000") {
        let origin = Origin::default();
        until_hit(&cache, &origin).await;
        server.restart();
        let (outcome, _) = timed(&cache, &origin, 1).await;
        assert_eq!(
            outcome,
            Outcome::Miss(Fill::Stored),
            "the dead connection was replaced"
        );
        assert_eq!(timed(&cache, &origin, 1).await.0, Outcome::Hit);
        server.restart();
        cache
            .invalidate(&key("outage", 1))
            .await
            .expect("acknowledged by the new server");
    }
}

#[tokio::test]
async fn a_slow_connect_is_not_cancelled_and_serves_the_next_calls() {
    let noise = Noise::start();
    let server = Memcached::start();
    let slow = Fault {
        connect: Duration::from_millis(80),
        ..Fault::default()
    };
    let proxy = Proxy::start(server.port(), 1, slow).await;
    for cache in both(&proxy.url()) {
        let origin = Origin::default();
        let (outcome, took) = timed(&cache, &origin, 1).await;
        assert_eq!(outcome, Outcome::Miss(Fill::Failed(CacheFailure::Timeout)));
        assert!(took < noise.forgive(BOUND), "{took:?}");
        until_hit(&cache, &origin).await;
        let mut hits = 0;
        for _ in 0..100 {
            hits += u32::from(timed(&cache, &origin, 1).await.0 == Outcome::Hit);
        }
        assert!(hits >= 95, "{hits} hits of 100");
    }
}

#[tokio::test]
async fn a_server_that_trickles_resets_or_swallows_costs_at_most_the_budget() {
    let noise = Noise::start();
    let server = Memcached::start();
    let proxy = Proxy::start(server.port(), 1, Fault::default()).await;
    let trickle = Fault {
        trickle: Duration::from_millis(10),
        ..Fault::default()
    };
    let reset = Fault {
        reset: 1000,
        ..Fault::default()
    };
    let blackhole = Fault {
        blackhole: true,
        ..Fault::default()
    };
    for cache in both(&proxy.url()) {
        for fault in [trickle, reset, blackhole] {
            proxy.set(Fault::default());
            let origin = Origin::default();
            until_hit(&cache, &origin).await;
            proxy.set(fault);
            for _ in 0..50 {
                let (outcome, took) = timed(&cache, &origin, 1).await;
                assert_ne!(outcome, Outcome::Hit);
                assert!(took < noise.forgive(BOUND), "{fault:?}: {took:?}");
            }
        }
        assert!(cache.invalidate(&key("outage", 1)).await.is_err());
    }
}

#[test]
fn a_runtime_that_ends_while_it_connects_leaves_the_next_one_a_cache() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    };
    let (server, proxies) = (Memcached::start(), runtime());
    let silent = Fault {
        blackhole: true,
        ..Fault::default()
    };
    let proxy = proxies.block_on(Proxy::start(server.port(), 0, silent));
    for cache in both(&proxy.url()) {
        proxy.set(silent);
        let (first, origin) = (runtime(), Origin::default());
        first.block_on(async {
            let calls = (0..50).map(|n| timed(&cache, &origin, n));
            futures_util::future::join_all(calls).await;
        });
        first.shutdown_background();
        proxy.set(Fault::default());
        runtime().block_on(until_hit(&cache, &origin));
    }
}

/// As in web servers that run a single-threaded runtime on each thread.
#[test]
fn a_runtime_that_does_not_run_holds_no_call_of_another_one() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    };
    let server = Memcached::start();
    for cache in both(&server.url()) {
        let (first, second, origin) = (runtime(), runtime(), Origin::default());
        first.block_on(until_hit(&cache, &origin));
        second.block_on(until_hit(&cache, &origin));
        // Each has a connection now, and only one of them runs.
        for n in 0..20 {
            let (runs, calls) = if n % 2 == 0 {
                (&first, 1)
            } else {
                (&second, 3)
            };
            for _ in 0..calls {
                let (outcome, _) = runs.block_on(timed(&cache, &origin, 1));
                assert_eq!(outcome, Outcome::Hit, "call {n}");
            }
        }
    }
}
