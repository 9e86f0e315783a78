//! Failing origins, failing servers, and cancelled callers.

use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

use super::*;

#[tokio::test]
async fn an_error_of_the_origin_is_the_callers_and_nothing_is_kept() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let failing = |_| async { Err::<Vec<(u64, u64)>, _>("down") };
        let origin = Tens::default();
        tens(&cache, &MINUTE, &[1], &origin).await;
        let result = cache
            .get_or_fetch_many(keyed("tens", [1, 2, 3]), &MINUTE, failing)
            .await;
        assert_eq!(result.unwrap_err(), "down", "{}", cache.location());
        assert_eq!(cache.stats().origin_error, 1);
        // The leases were given back, so no caller waits for them.
        let values = tens(&cache, &MINUTE, &[1, 2, 3], &origin).await;
        assert_eq!(
            count(&values, Outcome::Miss(Fill::Stored)),
            2,
            "{}",
            cache.location()
        );
        assert_eq!(count(&values, Outcome::Hit), 1);
    }
}

#[tokio::test]
async fn an_error_is_covered_only_if_every_missing_value_is() {
    const COVERED: Policy = MINUTE.stale_if_error(Duration::from_secs(60));
    let server = Memcached::start();
    for cache in every_store(&server) {
        let failing = |_| async { Err::<Vec<(u64, u64)>, _>("down") };
        tens(&cache, &COVERED, &[1, 2], &Tens::default()).await;
        cache.expire(&key("tens", 1), &COVERED).await.unwrap();
        let values = cache
            .get_or_fetch_many(keyed("tens", [1, 2]), &COVERED, failing)
            .await
            .unwrap();
        assert_eq!(
            (*values[&1], values[&1].outcome()),
            (10, Outcome::StaleOnError)
        );
        assert_eq!(
            (*values[&2], values[&2].outcome()),
            (20, Outcome::Hit),
            "{}",
            cache.location()
        );
        let result = cache
            .get_or_fetch_many(keyed("tens", [1, 2, 3]), &COVERED, failing)
            .await;
        assert_eq!(result.unwrap_err(), "down", "{}", cache.location());
    }
}

#[tokio::test]
async fn a_dead_server_costs_one_origin_call_for_all() {
    let mut server = Memcached::start();
    let cache = at(&server.url());
    server.kill();
    let origin = Tens::default();
    let values = tens(&cache, &MINUTE, &[1, 2, 3], &origin).await;
    assert!(
        values
            .values()
            .all(|value| matches!(value.outcome(), Outcome::Miss(Fill::Failed(_))))
    );
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn one_value_too_large_for_the_server_leaves_the_others_stored() {
    let server = Memcached::start_with(&["-I", "512k"]);
    for cache in every_store(&server).into_iter().skip(1) {
        let text = |missing: Vec<u64>| async move {
            let long = |n: u64| {
                if n == 2 {
                    "x".repeat(600_000)
                } else {
                    n.to_string()
                }
            };
            Ok::<_, Infallible>(
                missing
                    .into_iter()
                    .map(|n| (n, long(n)))
                    .collect::<Vec<_>>(),
            )
        };
        let values = cache
            .get_or_fetch_many(keyed("text", [1, 2, 3]), &MINUTE, text)
            .await
            .unwrap();
        let oversize = Outcome::Miss(Fill::Failed(CacheFailure::Oversize));
        assert_eq!(values[&2].outcome(), oversize, "{}", cache.location());
        for n in [1, 3] {
            assert_eq!(
                values[&n].outcome(),
                Outcome::Miss(Fill::Stored),
                "{}",
                cache.location()
            );
        }
    }
}

#[tokio::test]
async fn a_caller_who_leaves_gives_all_of_its_leases_back() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let stuck = |_| std::future::pending::<Result<Vec<(u64, u64)>, Infallible>>();
        let many = cache.get_or_fetch_many(keyed("tens", [1, 2, 3]), &MINUTE, stuck);
        assert!(
            tokio::time::timeout(Duration::from_millis(100), many)
                .await
                .is_err()
        );
        let begun = tokio::time::Instant::now();
        let values = tens(&cache, &MINUTE, &[1, 2, 3], &Tens::default()).await;
        assert_eq!(values.len(), 3);
        assert!(
            begun.elapsed() < Duration::from_secs(4),
            "{} waited for dead leases",
            cache.location()
        );
    }
}

/// With the classic protocol the cas of a lease is read while the origin runs. No answer is no
/// lost lease.
#[tokio::test]
async fn a_lease_that_cannot_be_read_is_a_failure_and_is_given_back() {
    let server = Memcached::start();
    let proxy = Proxy::start(server.port(), 1, Fault::default()).await;
    let at = |url: &str, budget| {
        let url = format!("{url}?protocol=classic");
        cache(&[("CACHE_URL", &url), ("CACHE_BUDGET_MS", budget)])
    };
    let (holder, other) = (at(&proxy.url(), "200"), at(&server.url(), "10000"));
    type Answer = fn(u64) -> Result<Vec<(u64, u64)>, &'static str>;
    let answers: [(&str, Answer); 3] = [
        ("a value", |n| Ok(vec![(n, n * 10)])),
        ("no value", |_| Ok(Vec::new())),
        ("an error", |_| Err("down")),
    ];
    for (n, (what, answer)) in (1..).zip(answers) {
        holder.put(&key("warm", n), &MINUTE, &0_u64).await.unwrap();
        let origin = |_| async {
            proxy.set(Fault {
                swallow: &["gets"],
                ..Fault::default()
            });
            tokio::time::sleep(Duration::from_millis(10)).await;
            answer(n)
        };
        let many = holder.get_or_fetch_many(keyed("tens", [n]), &MINUTE, origin);
        let many = many.await;
        proxy.set(Fault::default());
        if let Some(value) = many.ok().and_then(|mut values| values.remove(&n)) {
            let timeout = Outcome::Miss(Fill::Failed(CacheFailure::Timeout));
            assert_eq!((*value, value.outcome()), (n * 10, timeout));
        }
        let (noise, begun) = (Noise::start(), std::time::Instant::now());
        tens(&other, &MINUTE, &[n], &Tens::default()).await;
        // The lease itself lives for five seconds.
        let (took, bound) = (begun.elapsed(), noise.forgive(Duration::from_millis(1500)));
        assert!(took < bound, "{what}: {took:?}");
    }
}

const THOUSANDS: u64 = 5000;

#[tokio::test]
async fn a_caller_who_leaves_thousands_of_leases_has_one_task_give_them_back() {
    let server = Memcached::start();
    let numbers: Vec<_> = (0..THOUSANDS).collect();
    for cache in every_store(&server) {
        let reached = tokio::sync::Notify::new();
        let stuck = |_| {
            reached.notify_one();
            std::future::pending::<Result<Vec<(u64, u64)>, Infallible>>()
        };
        let keyed = keyed("tens", numbers.iter().copied());
        let mut many = Box::pin(cache.get_or_fetch_many(keyed, &MINUTE, stuck));
        tokio::select! {
            _ = &mut many => unreachable!("its origin does not end"),
            () = reached.notified() => {}
        }
        let tasks = || {
            let metrics = tokio::runtime::Handle::current().metrics();
            metrics.num_alive_tasks()
        };
        let before = tasks();
        drop(many);
        // Another one reads an exchange to its end that was under way.
        let more = tasks() - before;
        assert!(more <= 2, "{more} tasks at {}", cache.location());
        let (noise, begun) = (Noise::start(), std::time::Instant::now());
        let values = tens(&cache, &MINUTE, &numbers, &Tens::default()).await;
        let stored = count(&values, Outcome::Miss(Fill::Stored));
        assert_eq!(stored, THOUSANDS as usize, "{}", cache.location());
        let (took, bound) = (begun.elapsed(), noise.forgive(Duration::from_secs(4)));
        assert!(took < bound, "{}: {took:?}", cache.location());
    }
}

/// With the meta protocol each answer of a lookup is a lease, also for a caller who leaves before
/// it has the others.
#[tokio::test]
async fn a_caller_who_leaves_in_the_middle_of_its_lookup_leaves_no_lease() {
    let server = Memcached::start();
    let slow = Fault {
        delay: Duration::from_millis(10),
        ..Fault::default()
    };
    let proxy = Proxy::start(server.port(), 1, slow).await;
    let url = format!("{}?protocol=meta", proxy.url());
    let cache = cache(&[("CACHE_URL", &url), ("CACHE_BUDGET_MS", "10000")]);
    tens(&cache, &MINUTE, &[0], &Tens::default()).await;
    let keyed = keyed("tens", 1..THOUSANDS);
    let never = |_| std::future::pending::<Result<Vec<(u64, u64)>, Infallible>>();
    let mut many = Box::pin(cache.get_or_fetch_many(keyed, &MINUTE, never));
    // At least two of forty exchanges have had their answer.
    let begun = proxy.exchanges();
    while proxy.exchanges() < begun + 3 {
        let little = tokio::time::timeout(Duration::from_millis(1), &mut many).await;
        assert!(little.is_err(), "it is over already");
    }
    assert!(server.stat("curr_items") > 100);
    drop(many);
    let begun = std::time::Instant::now();
    // What nobody removes is counted, also after its end.
    while server.stat("curr_items") > 10 {
        let left = server.stat("curr_items");
        assert!(begun.elapsed() < Duration::from_secs(10), "{left} left");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Overlapping calls through cut, split and stalled connections, some of them cancelled: never
/// another key's value.
#[tokio::test]
async fn no_fault_and_no_cancellation_mixes_values_up() {
    let seed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |now| now.as_nanos() as u64);
    println!("seed {seed}");
    let rounds: usize = std::env::var("LARDER_MANY_ROUNDS").map_or(60, |n| n.parse().unwrap());
    let server = Memcached::start();
    let fault = Fault {
        cut: 20,
        split: 50,
        reset: 10,
        bytes: 20,
        ..Fault::default()
    };
    let proxy = Proxy::start(server.port(), seed, fault).await;
    let origin = Tens::default();
    for protocol in ["classic", "meta"] {
        let url = format!("{}?protocol={protocol}", proxy.url());
        let cache = cache(&[
            ("CACHE_URL", &url),
            ("CACHE_NAMESPACE", protocol),
            ("CACHE_BUDGET_MS", "500"),
        ]);
        let callers = (0..6).map(|caller| {
            let (cache, origin) = (&cache, &origin);
            async move {
                let mut random = SmallRng::seed_from_u64(seed ^ caller);
                for _ in 0..rounds {
                    let numbers: Vec<u64> = (0..20).map(|_| random.random_range(0..50)).collect();
                    let patience = Duration::from_micros(random.random_range(50..20_000));
                    let call = tens(cache, &STALE, &numbers, origin);
                    if random.random_ratio(1, 3) {
                        let _ = tokio::time::timeout(patience, call).await;
                    } else {
                        call.await;
                    }
                    if random.random_ratio(1, 4) {
                        let _ = cache
                            .expire(&key("tens", random.random_range(0..50)), &STALE)
                            .await;
                    }
                }
            }
        });
        futures_util::future::join_all(callers).await;
    }
    assert!(proxy.struck() > 0, "no fault struck");
}
