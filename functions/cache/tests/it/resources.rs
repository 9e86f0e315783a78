use std::time::{Duration, Instant, SystemTime};

use larder::{Outcome, Policy};
use larder_testing::{Fault, Memcached, Proxy};

use crate::support::{MINUTE, Origin, cache, key};

/// A cache with a budget large enough for a busy machine.
fn patient(url: &str, namespace: &str) -> larder::Cache {
    cache(&[
        ("CACHE_URL", url),
        ("CACHE_NAMESPACE", namespace),
        ("CACHE_BUDGET_MS", "10000"),
    ])
}

/// When the server lets an item go, by the clocks at hand: the server's own stands still while it
/// has no core, so the time that is left says nothing without that clock.
#[tokio::test]
async fn every_ttl_reaches_the_server_honestly() {
    let server = Memcached::start();
    let cache = cache(&[("CACHE_URL", &server.url()), ("CACHE_BUDGET_MS", "10000")]);
    let servers_clock = || server.stat("time");
    let clock = || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap().as_secs()
    };
    let day = 24 * 60 * 60;
    let rows = [
        (Duration::from_millis(1), 1..=2),
        (Duration::from_millis(500), 1..=2),
        (Duration::from_secs(1), 1..=2),
        (Duration::from_secs(30 * day), 30 * day - 1..=30 * day + 1),
        (Duration::from_secs(30 * day + 1), 30 * day..=30 * day + 2),
        (Duration::from_secs(3650 * day), 300 * day..=3650 * day + 1),
    ];
    for (n, (ttl, expected)) in (0..).zip(rows) {
        let key = key("ttl", n);
        let earliest = servers_clock().min(clock()) + expected.start();
        cache
            .put(&key, &Policy::ttl(ttl).jitter(0), &n)
            .await
            .unwrap();
        let latest = servers_clock().max(clock()) + expected.end();
        let wire = format!("larder:ttl:{}", hex::encode(key.digest()));
        let asked = servers_clock();
        let answer = server.ask(&format!("mg {wire} t\r\n"), "\r\n");
        let answered = servers_clock();
        let left = answer
            .trim()
            .strip_prefix("HD t")
            .and_then(|t| t.parse::<u64>().ok());
        // A second's item may have gone already on a machine that is so busy.
        let left = left.unwrap_or_else(|| {
            assert!(answered >= earliest, "{ttl:?}: {answer}");
            0
        });
        assert!(
            answered + left >= earliest && asked + left <= latest.max(asked),
            "{ttl:?}: {left} s, asked between {asked} and {answered}, not from {earliest} to {latest}"
        );
    }
}

#[tokio::test]
async fn nothing_is_served_past_its_ttl() {
    const SHORT: Policy = Policy::ttl(Duration::from_millis(300)).jitter(0);
    let server = Memcached::start();
    for protocol in ["classic", "meta"] {
        let url = format!("{}?protocol={protocol}", server.url());
        let cache = patient(&url, protocol);
        let key = key("past", 1);
        // The entry's time begins somewhere between these two moments, however long a busy machine
        // makes it.
        let begun = Instant::now();
        cache.put(&key, &SHORT, &1_u64).await.unwrap();
        let filled = Instant::now();
        loop {
            let asked = Instant::now();
            let there = cache.peek::<u64>(&key, &SHORT).await.is_some();
            if !there {
                assert!(
                    begun.elapsed() >= Duration::from_millis(299),
                    "{protocol}: gone too early"
                );
                break;
            }
            assert!(
                asked - filled < Duration::from_millis(301),
                "{protocol}: served too late"
            );
        }
    }
}

#[tokio::test]
async fn a_hit_does_not_wait_for_delayed_acknowledgements() {
    let server = Memcached::start();
    for protocol in ["classic", "meta"] {
        let url = format!("{}?protocol={protocol}", server.url());
        let cache = patient(&url, protocol);
        let mut took = Vec::new();
        for n in 0..200 {
            let key = key("nagle", n);
            let begun = Instant::now();
            cache.put(&key, &MINUTE, &"x".repeat(2000)).await.unwrap();
            cache.peek::<String>(&key, &MINUTE).await.unwrap();
            took.push(begun.elapsed());
        }
        took.sort();
        // Nagle's algorithm with delayed acknowledgement costs 40 ms for each exchange.
        assert!(
            took[100] < Duration::from_millis(20),
            "{protocol}: {:?}",
            took[100]
        );
    }
}

fn files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test]
async fn broken_connections_leave_nothing_behind() {
    // 10,000 is the long run.
    let reconnects = std::env::var("LEAK_RECONNECTS")
        .map_or(100, |number| number.parse().expect("LEAK_RECONNECTS"));
    let server = Memcached::start();
    let proxy = Proxy::start(server.port(), 1, Fault::default()).await;
    for protocol in ["classic", "meta"] {
        let url = format!("{}?protocol={protocol}", proxy.url());
        let cache = patient(&url, protocol);
        let before = proxy.connections();
        proxy.set(Fault {
            cut: 200,
            ..Fault::default()
        });
        let origin = Origin::default();
        let mut calls = 0;
        while proxy.connections() - before < reconnects {
            calls += 1;
            assert!(calls < 100 * reconnects, "hardly a connection is broken");
            let key = key("leak", calls);
            let call = || cache.get_or_fetch(&key, &MINUTE, || origin.call());
            // An open breaker lets no call break a connection.
            while let Outcome::Bypassed(_) = call().await.unwrap().outcome() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        proxy.set(Fault::default());
        drop(cache);
        let begun = Instant::now();
        // One of the connections is the one that asks for the number.
        while server.stat("curr_connections") > 3 {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "{}",
                server.stat("curr_connections")
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    println!(
        "{reconnects} reconnects on each protocol; {} files are open",
        files()
    );
    assert!(files() < 500, "{} files are open", files());
}

#[tokio::test]
async fn a_busy_process_shares_a_few_connections() {
    let server = Memcached::start();
    let cache = cache(&[("CACHE_URL", &server.url()), ("CACHE_BUDGET_MS", "10000")]);
    let origin = Origin::default();
    let calls = (0..500).map(|n| {
        let (cache, origin) = (&cache, &origin);
        async move {
            cache
                .get_or_fetch(&key("busy", n), &MINUTE, || origin.call())
                .await
        }
    });
    let fetched = futures_util::future::join_all(calls).await;
    assert!(fetched.iter().all(|f| matches!(
        f.as_ref().unwrap().outcome(),
        Outcome::Miss(larder::Fill::Stored)
    )));
    // 8 of the cache, one that asks for the number, and memcached's listener.
    let connections = server.stat("curr_connections");
    assert!(connections <= 10, "{connections}");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_is_replaced_unseen() {
    let server = Memcached::start_with(&["-o", "idle_timeout=1"]);
    for protocol in ["classic", "meta"] {
        let url = format!("{}?protocol={protocol}", server.url());
        let cache = patient(&url, protocol);
        let origin = Origin::default();
        let key = key("idle", 1);
        cache
            .get_or_fetch(&key, &MINUTE, || origin.call())
            .await
            .unwrap();
        let kicked = server.stat("idle_kicks");
        let begun = Instant::now();
        while server.stat("idle_kicks") == kicked {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "the server kept the connection"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(
            cache
                .get_or_fetch(&key, &MINUTE, || origin.call())
                .await
                .unwrap()
                .is_hit()
        );
        cache.invalidate(&key).await.unwrap();
        assert!(cache.peek::<u64>(&key, &MINUTE).await.is_none());
    }
}
