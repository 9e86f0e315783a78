use std::{
    future::Future,
    pin::Pin,
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use larder::{BreakerState, Bypass, Cache, Outcome, Policy};
use larder_testing::{Fault, Memcached, Noise, Proxy};

use crate::{
    cancellation::{ALL, LEASE, POLICY, call},
    support::{MINUTE, cache, key},
};

const CALLS: u64 = 100;

/// Polls as often as `polls`, each time when it was woken. Whether it was ready before.
async fn polled(future: &mut Pin<Box<impl Future + ?Sized>>, polls: u32) -> bool {
    let mut left = polls;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        let ready = future.as_mut().poll(cx).is_ready();
        if ready || left == 0 {
            Poll::Ready(ready)
        } else {
            Poll::Pending
        }
    })
    .await
}

async fn outcome(cache: &Cache, name: &'static str, n: u64, policy: &Policy) -> Outcome {
    let origin = || async { Ok::<_, ()>(n.to_string()) };
    let fetched = cache.get_or_fetch(&key(name, n), policy, origin).await;
    let fetched = fetched.unwrap();
    assert_eq!(fetched.trim_start_matches('0'), n.to_string());
    fetched.outcome()
}

async fn warm(cache: &Cache) {
    for n in 1..=CALLS {
        let value = n.to_string();
        while cache.put(&key("warm", n), &MINUTE, &value).await.is_err() {}
    }
}

fn on(url: &str, protocol: &str, budget: &str) -> Cache {
    let url = format!("{url}?protocol={protocol}");
    cache(&[
        ("CACHE_URL", &url),
        ("CACHE_NAMESPACE", protocol),
        ("CACHE_BUDGET_MS", budget),
    ])
}

/// A server 1 ms away: on the loopback alone the first poll may end the call.
async fn far(server: &Memcached) -> Proxy {
    let fault = Fault {
        delay: Duration::from_millis(1),
        ..Fault::default()
    };
    Proxy::start(server.port(), 1, fault).await
}

#[tokio::test]
async fn warm_calls_are_hits_while_lookups_are_held_unpolled() {
    let server = Memcached::start();
    let proxy = far(&server).await;
    for protocol in ["classic", "meta"] {
        let cache = on(&proxy.url(), protocol, "500");
        warm(&cache).await;
        join_all((1..=64).map(|n| outcome(&cache, "warm", n, &MINUTE))).await;
        let mut held = Vec::new();
        for n in 1..=8 {
            let mut one = Box::pin(outcome(&cache, "warm", n, &MINUTE));
            assert!(!polled(&mut one, 1).await, "{protocol}: not held");
            held.push(one);
        }
        let noise = Noise::start();
        for n in 1..=CALLS {
            let begun = Instant::now();
            assert_eq!(
                outcome(&cache, "warm", n, &MINUTE).await,
                Outcome::Hit,
                "{protocol}"
            );
            let (took, bound) = (begun.elapsed(), noise.forgive(Duration::from_millis(50)));
            assert!(took < bound, "{protocol}: {took:?}");
        }
        cache.invalidate(&key("warm", 99)).await.unwrap();
        for one in held {
            assert_eq!(one.await, Outcome::Hit, "{protocol}: held for a while");
        }
    }
}

/// Every public call, held at every point at which it waits. What it holds for a key of its own
/// keeps others from that key for a lease's life at most.
async fn enumerate(protocol: &str) {
    let server = Memcached::start();
    let proxy = far(&server).await;
    let cache = on(&proxy.url(), protocol, "1000");
    warm(&cache).await;
    let (mut n, mut all) = (0, Vec::new());
    for entry in ALL {
        for polls in 1..60 {
            n += 1;
            let mut held = Box::pin(call(&cache, entry, n));
            if polled(&mut held, polls).await {
                break;
            }
            let what = format!("{protocol} {entry:?} held after {polls} polls");
            let (noise, begun) = (Noise::start(), Instant::now());
            let calls = (1..=CALLS).map(|n| outcome(&cache, "warm", n, &MINUTE));
            for outcome in join_all(calls).await {
                // A flush that is under way makes misses; nothing else does.
                let flushed = matches!(outcome, Outcome::Miss(_) | Outcome::Collapsed);
                assert!(outcome == Outcome::Hit || flushed, "{what}: {outcome:?}");
            }
            let (took, bound) = (begun.elapsed(), noise.forgive(Duration::from_millis(700)));
            assert!(took < bound, "{what}: {took:?}");
            all.push(held);
        }
    }
    // All of them at once: as a rule eight have a connection each, or a lease.
    let (noise, begun) = (Noise::start(), Instant::now());
    let same = (1..=n).flat_map(|n| [n; 4]);
    join_all(same.map(|n| outcome(&cache, "dropped", n, &POLICY))).await;
    let (took, bound) = (begun.elapsed(), noise.forgive(LEASE + LEASE / 2));
    println!(
        "{protocol}: {} calls held, the same keys after {took:?}",
        all.len()
    );
    assert!(took < bound, "{protocol}, the same keys: {took:?}");
    assert_eq!(cache.stats().breaker, 0, "{protocol}: the server is well");
}

#[tokio::test]
async fn a_held_classic_call_keeps_no_other_from_its_answer() {
    enumerate("classic").await;
}

#[tokio::test]
async fn a_held_meta_call_keeps_no_other_from_its_answer() {
    enumerate("meta").await;
}

/// More load, more hits: what is under way grows with the line.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_warm_calls_takes_few_exchanges_and_opens_no_breaker() {
    const BURST: u64 = 5000;
    let server = Memcached::start();
    let proxy = Proxy::start(server.port(), 1, Fault::default()).await;
    for protocol in ["classic", "meta"] {
        let fill = on(&server.url(), protocol, "10000");
        for n in 0..BURST {
            fill.put(&key("burst", n), &MINUTE, &n).await.unwrap();
        }
        for budget in ["10000", "50"] {
            proxy.set(Fault {
                delay: Duration::from_millis(2),
                ..Fault::default()
            });
            let cache = on(&proxy.url(), protocol, budget);
            let hit = |n: u64| {
                let cache = cache.clone();
                async move {
                    let origin = || async { Ok::<_, ()>(n) };
                    let fetched = cache.get_or_fetch(&key("burst", n), &MINUTE, origin).await;
                    fetched.unwrap().outcome()
                }
            };
            join_all((0..64).map(hit)).await;
            let (before, begun) = (proxy.exchanges(), Instant::now());
            let mut tasks = tokio::task::JoinSet::new();
            for n in 0..BURST {
                tasks.spawn(hit(n));
            }
            let outcomes = tasks.join_all().await;
            let exchanges = proxy.exchanges() - before;
            let hits = outcomes.iter().filter(|one| **one == Outcome::Hit).count();
            println!(
                "{protocol}, budget {budget} ms: {hits} hits of {BURST}, {exchanges} exchanges, {:?}",
                begun.elapsed()
            );
            let breaker = Outcome::Bypassed(Bypass::Breaker);
            assert!(!outcomes.contains(&breaker), "{protocol}, {budget} ms");
            for n in 0..20 {
                assert_ne!(hit(n).await, breaker, "{protocol}, {budget} ms");
            }
            if budget == "10000" {
                assert_eq!(hits, BURST as usize, "{protocol}");
                assert!(exchanges <= BURST / 50, "{protocol}: {exchanges} exchanges");
            }
        }
    }
}

/// What the default budget does not suffice for goes to the origin, and the breaker of a healthy
/// server stays closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_warm_calls_at_once_are_hits_within_a_second_of_budget() {
    const BURST: u64 = 20_000;
    let server = Memcached::start();
    let proxy = Proxy::start(server.port(), 1, Fault::default()).await;
    for protocol in ["classic", "meta"] {
        let fill = on(&server.url(), protocol, "10000");
        for some in (0..BURST).step_by(64) {
            let puts = (some..BURST.min(some + 64)).map(|n| {
                let fill = &fill;
                async move { fill.put(&key("burst", n), &MINUTE, &n).await.unwrap() }
            });
            join_all(puts).await;
        }
        proxy.set(Fault {
            delay: Duration::from_millis(2),
            ..Fault::default()
        });
        for budget in ["1000", "50"] {
            let cache = on(&proxy.url(), protocol, budget);
            join_all((0..64).map(|n| warm_call(&cache, n))).await;
            let (noise, begun) = (Noise::start(), Instant::now());
            let mut tasks = tokio::task::JoinSet::new();
            for n in 0..BURST {
                let cache = cache.clone();
                tasks.spawn(async move { warm_call(&cache, n).await });
            }
            let outcomes = tasks.join_all().await;
            let hits = outcomes.iter().filter(|one| **one == Outcome::Hit).count();
            let took = begun.elapsed();
            println!("{protocol}, budget {budget} ms: {hits} hits of {BURST} in {took:?}");
            assert_eq!(cache.stats().breaker, 0, "{protocol}, {budget} ms");
            let states = cache.breakers();
            assert!(
                states
                    .iter()
                    .all(|(_, state)| *state == BreakerState::Closed)
            );
            // On a machine that is late by itself the time for them is another.
            let late = noise.forgive(Duration::ZERO) > Duration::from_millis(250);
            if budget == "1000" && !late {
                assert!(hits as u64 >= BURST / 100 * 99, "{protocol}: {hits} hits");
            }
        }
    }
}

async fn warm_call(cache: &Cache, n: u64) -> Outcome {
    let origin = || async { Ok::<_, ()>(n) };
    let fetched = cache.get_or_fetch(&key("burst", n), &MINUTE, origin).await;
    fetched.unwrap().outcome()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_cold_keys_at_once_are_stored_by_the_second_round() {
    const KEYS: u64 = 1000;
    let server = Memcached::start();
    let proxy = Proxy::start(server.port(), 1, Fault::default()).await;
    for protocol in ["classic", "meta"] {
        proxy.set(Fault {
            delay: Duration::from_millis(2),
            ..Fault::default()
        });
        // Wide enough for a busy machine, and not for a thousand writes one after the other.
        let cache = on(&proxy.url(), protocol, "1000");
        for round in 1..=3 {
            let mut tasks = tokio::task::JoinSet::new();
            let (before, begun) = (proxy.exchanges(), Instant::now());
            for n in 0..KEYS {
                let cache = cache.clone();
                tasks.spawn(async move { outcome(&cache, "cold", n + 1, &MINUTE).await });
            }
            let outcomes = tasks.join_all().await;
            let hits = outcomes.iter().filter(|one| **one == Outcome::Hit).count();
            let exchanges = proxy.exchanges() - before;
            println!(
                "{protocol}, round {round}: {hits} hits, {exchanges} exchanges, {:?}",
                begun.elapsed()
            );
            if round == 3 {
                assert_eq!(hits, KEYS as usize, "{protocol}");
            }
            assert!(exchanges < KEYS, "{protocol}: {exchanges} exchanges");
        }
    }
}

/// A caller who is dropped in its lookup, or whose answer comes too late, leaves no lease behind.
#[tokio::test]
async fn a_caller_who_leaves_its_lookup_delays_nobody() {
    const SOON: Duration = Duration::from_millis(150);
    let server = Memcached::start();
    let proxy = Proxy::start(server.port(), 1, Fault::default()).await;
    for protocol in ["classic", "meta"] {
        let new = |url: &str| on(url, protocol, "100");
        let (leaving, other) = (new(&proxy.url()), new(&server.url()));
        warm(&other).await;
        for n in 1..=3 {
            for late in [false, true] {
                let n = n + 100 * u64::from(late);
                proxy.set(Fault::default());
                outcome(&leaving, "warm", 1, &MINUTE).await;
                proxy.set(Fault {
                    delay: Duration::from_millis(if late { 120 } else { 5 }),
                    ..Fault::default()
                });
                let patience = Duration::from_millis(if late { 5000 } else { 2 });
                let call = outcome(&leaving, "left", n, &MINUTE);
                let left = tokio::time::timeout(patience, call).await;
                assert_eq!(left.is_err(), !late, "{protocol}: {left:?}");
                tokio::time::sleep(Duration::from_millis(30)).await;
                proxy.set(Fault::default());
                let (noise, begun) = (Noise::start(), Instant::now());
                let calls = [&leaving, &other].map(|cache| outcome(cache, "left", n, &MINUTE));
                let outcomes = join_all(calls).await;
                let took = begun.elapsed();
                let what = format!("{protocol}, late: {late}, {outcomes:?}");
                assert!(took < noise.forgive(SOON), "{what}: {took:?}");
            }
        }
    }
}
