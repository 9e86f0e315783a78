use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use larder::{Cache, Scope};
use larder_testing::{Memcached, Noise};

use crate::{
    clusters::{Endpoint, KEYS, hits, list},
    support::{MINUTE, at, key},
};

/// Enough keys for a server's share of them to be close to its share of the ring.
const MANY: u64 = 4000;

/// Calls for many keys and counts the hits; every answer must belong to its key.
async fn hits_of_many(cache: &Cache) -> usize {
    let keyed = (0..MANY).map(|n| (key("cluster", n), n));
    let origin =
        |missing: Vec<u64>| async move { Ok::<_, ()>(missing.into_iter().map(|n| (n, n))) };
    let fetched: HashMap<u64, _> = cache
        .get_or_fetch_many(keyed, &MINUTE, origin)
        .await
        .unwrap();
    assert_eq!(fetched.len() as u64, MANY);
    assert!(fetched.iter().all(|(n, fetched)| *n == **fetched));
    fetched.values().filter(|fetched| fetched.is_hit()).count()
}

#[tokio::test]
async fn a_server_more_moves_its_share_of_the_keys_and_no_invalidation_is_lost() {
    let servers: Vec<_> = (0..5).map(|_| Memcached::start()).collect();
    let (four, five) = (at(&list(&servers[..4])), at(&list(&servers)));
    hits_of_many(&four).await;
    assert_eq!(hits_of_many(&four).await as u64, MANY);
    let moved = MANY - hits_of_many(&five).await as u64;
    println!("{moved} of {MANY} keys moved to the fifth server");
    // At most 1.3 / n of the keys move; and if none did, the new server would not be used.
    assert!((1..=MANY * 13 / 50).contains(&moved), "{moved}");
    assert_eq!(hits_of_many(&five).await as u64, MANY);

    for n in 0..20 {
        five.invalidate(&key("cluster", n)).await.unwrap();
    }
    assert_eq!(hits_of_many(&five).await as u64, MANY - 20);
    five.flush(Scope::All).await.unwrap();
    assert_eq!(hits_of_many(&five).await, 0);
    // A cache with the old list reads from the four servers, and nothing from before the flush.
    hits_of_many(&four).await;
    assert_eq!(hits_of_many(&four).await as u64, MANY);
}

#[tokio::test]
async fn a_server_lost_under_load_costs_nobody_an_error() {
    let mut servers: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
    let cache = at(&list(&servers));
    hits(&cache).await;
    let held: u64 = servers.iter().map(|server| server.stat("curr_items")).sum();
    let share = servers[1].stat("curr_items") as f64 / held as f64;
    // Eight callers with all keys each. A wrong answer or an error ends the test.
    let ratio = async |cache: &Cache| {
        let found = Arc::new(AtomicU64::new(0));
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (cache, found) = (cache.clone(), found.clone());
            callers.spawn(async move {
                found.fetch_add(hits(&cache).await as u64, Ordering::Relaxed);
            });
        }
        while let Some(ended) = callers.join_next().await {
            ended.expect("every caller has its answers");
        }
        found.load(Ordering::Relaxed) as f64 / (8 * KEYS) as f64
    };
    let before = ratio(&cache).await;
    let (dying, ()) = tokio::join!(ratio(&cache), async {
        tokio::task::yield_now().await;
        servers[1].kill();
    });
    let without = ratio(&cache).await;
    servers[1].restart();
    // The breaker tries it again within a second.
    let (begun, mut after) = (Instant::now(), 0.0);
    while after < 1.0 && begun.elapsed() < Duration::from_secs(20) {
        after = ratio(&cache).await;
    }
    println!(
        "hit ratio {before:.3}, {dying:.3} while one dies, {without:.3} without it, {after:.3} after; its share {share:.3}"
    );
    assert!(before == 1.0 && after == 1.0, "{before}, {after}");
    assert!(
        (without - (1.0 - share)).abs() < 0.05,
        "{without} without {share}"
    );
}

#[tokio::test]
async fn an_endpoint_that_is_slow_holds_nobody_up() {
    let noise = Noise::start();
    let mut servers: Vec<_> = (0..2).map(|_| Memcached::start()).collect();
    let endpoint = Endpoint::start().await;
    endpoint.tell(1, &servers.iter().collect::<Vec<_>>());
    let cache = endpoint.cache("50");
    // Until the list has arrived and both connections are made.
    let begun = Instant::now();
    while hits(&cache).await < KEYS as usize {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the servers are not used"
        );
    }
    // The failed connect makes it request the list again, and the answer takes six times a call's
    // budget.
    endpoint.delay(Duration::from_millis(300));
    servers[0].kill();
    for n in 0..100 {
        let begun = Instant::now();
        let key = key("cluster", n);
        let origin = || async move { Ok::<_, ()>(n) };
        let fetched = cache.get_or_fetch(&key, &MINUTE, origin).await.unwrap();
        assert_eq!(*fetched, n);
        let took = begun.elapsed();
        assert!(took < noise.forgive(Duration::from_millis(75)), "{took:?}");
    }
    // The last valid list is still used: the keys of the other server are hits.
    assert!(hits(&cache).await > 40);
}

#[tokio::test]
async fn a_server_is_reached_by_ipv6_and_by_name() {
    let server = Memcached::start_with(&["-l", "::1"]);
    for host in ["[::1]", "localhost"] {
        let cache = at(&format!("memcached://{host}:{}", server.port()));
        hits(&cache).await;
        assert_eq!(hits(&cache).await as u64, KEYS, "{host}");
        cache.flush(Scope::All).await.unwrap();
    }
}
