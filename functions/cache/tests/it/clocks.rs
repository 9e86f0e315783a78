//! Machines whose clocks differ: the server's decides where it is shown, and a difference is named
//! where it is not.

use std::time::{Duration, Instant};

use larder::{Cache, Fill, Outcome, Policy, fuzzing::set_clock_ahead};
use larder_testing::Memcached;

use crate::support::{MINUTE, alone, at, key, logged};

const HOUR: i64 = 3_600_000;
const STALE: Policy = MINUTE.stale_while_revalidate(Duration::from_secs(600));

/// A cache on a machine whose clock is `ahead` by so many milliseconds.
fn ahead(server: &Memcached, protocol: &str, ahead: i64) -> Cache {
    let cache = at(&format!("{}?protocol={protocol}", server.url()));
    set_clock_ahead(&cache, ahead);
    cache
}

async fn outcome(cache: &Cache, n: u64, policy: &Policy) -> Outcome {
    let (key, origin) = (key("clocks", n), || async move { Ok::<_, ()>(n) });
    let fetched = cache.get_or_fetch(&key, policy, origin).await.unwrap();
    assert_eq!(*fetched, n);
    fetched.outcome()
}

#[tokio::test]
async fn entries_are_hits_for_machines_whose_clocks_differ_by_more_than_the_ttl() {
    let server = Memcached::start();
    for (round, policy) in (0..).step_by(1000).zip([MINUTE, STALE]) {
        for (n, apart) in (round..).step_by(100).zip([-HOUR, -90_000, 90_000, HOUR]) {
            let (one, other) = (ahead(&server, "meta", 0), ahead(&server, "meta", apart));
            for (n, writer, reader) in [(n, &one, &other), (n + 1, &other, &one)] {
                let missed = Outcome::Miss(Fill::Stored);
                assert_eq!(outcome(writer, n, &policy).await, missed, "{apart}");
                for cache in [reader, writer, reader] {
                    assert_eq!(outcome(cache, n, &policy).await, Outcome::Hit, "{apart}");
                }
                let keyed = [(key("clocks", n), n)];
                let origin = |_| async { Ok::<_, ()>([(n, 0)]) };
                let many = reader
                    .get_or_fetch_many(keyed, &policy, origin)
                    .await
                    .unwrap();
                assert!(many[&n].is_hit(), "{apart}");
                let peeked = reader
                    .peek::<u64>(&key("clocks", n), &policy)
                    .await
                    .unwrap();
                assert!(
                    peeked.age() < Duration::from_secs(30),
                    "{apart}: {peeked:?}"
                );
                assert!((1..=90).contains(&peeked.ttl_left()), "{apart}: {peeked:?}");
            }
        }
    }
}

/// Its own clock would have it fresh for another hour.
#[tokio::test]
async fn a_ttl_ends_for_a_machine_whose_clock_is_behind() {
    const SHORT: Policy =
        Policy::ttl(Duration::from_secs(3)).stale_while_revalidate(Duration::from_secs(600));
    let server = Memcached::start();
    let (writer, reader) = (ahead(&server, "meta", 0), ahead(&server, "meta", -HOUR));
    let begun = Instant::now();
    outcome(&writer, 1, &SHORT).await;
    loop {
        let peeked = reader.peek::<u64>(&key("clocks", 1), &SHORT).await.unwrap();
        if peeked.outcome() == Outcome::Stale {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{peeked:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(
        begun.elapsed() > Duration::from_secs(1),
        "it was fresh before"
    );
}

#[tokio::test]
async fn an_expired_entry_is_stale_for_a_machine_whose_clock_is_behind() {
    let server = Memcached::start();
    for protocol in ["classic", "meta"] {
        for (n, behind) in (0..).zip([0, 500, 30_000, HOUR]) {
            let key = key(protocol, n);
            // It was written before the reader's present time.
            let verbs = ahead(&server, protocol, -behind - 60_000);
            let reader = ahead(&server, protocol, -behind);
            let long = Policy::ttl(Duration::from_secs(7200))
                .stale_while_revalidate(Duration::from_secs(600));
            verbs.put(&key, &long, &1_u64).await.unwrap();
            let peek = async || reader.peek::<u64>(&key, &long).await.unwrap().outcome();
            assert_eq!(peek().await, Outcome::Hit, "{protocol} {behind}");
            set_clock_ahead(&verbs, 0);
            verbs.expire(&key, &long).await.unwrap();
            assert_eq!(peek().await, Outcome::Stale, "{protocol} {behind}");
        }
    }
}

#[test]
fn a_difference_that_the_classic_protocol_cannot_correct_is_named() {
    if !alone("clocks::a_difference_that_the_classic_protocol_cannot_correct_is_named") {
        return;
    }
    for (apart, shown) in [(HOUR, "ahead_seconds=35"), (-HOUR, "ahead_seconds=-35")] {
        let lines = logged(async {
            let server = Memcached::start();
            let (writer, reader) = (
                ahead(&server, "classic", 0),
                ahead(&server, "classic", apart),
            );
            outcome(&writer, 1, &MINUTE).await;
            for _ in 0..3 {
                outcome(&reader, 1, &MINUTE).await;
            }
        });
        let named: Vec<_> = lines.lines().filter(|line| line.contains(shown)).collect();
        assert_eq!(named.len(), 1, "{lines}");
        assert!(named[0].contains("clocks"), "{lines}");
    }
}
