//! Waiting for an origin call of another cache: how long that takes, and what it costs.

use std::time::Duration;

use larder::{Cache, Fill, Outcome, Policy};
use larder_testing::{Memcached, Noise};

use crate::support::{MINUTE, Origin, cache, key};

#[tokio::test]
async fn an_origin_that_outlives_its_lease_four_times_is_called_once() {
    const SLOW: Policy = MINUTE
        .lease(Duration::from_secs(2))
        .wait(Duration::from_secs(60));
    let server = Memcached::start();
    let run = async |protocols: [&str; 2]| {
        let caches = protocols.map(|protocol| at_namespace(&server, protocol, &protocols.concat()));
        let (origin, key) = (Origin::default(), key("slow", 1));
        let slow = || async {
            let value = origin.call().await;
            tokio::time::sleep(Duration::from_secs(8)).await;
            value
        };
        let calls = (0..10).map(|n| caches[n % 2].get_or_fetch(&key, &SLOW, slow));
        for fetched in futures_util::future::join_all(calls).await {
            assert_eq!(*fetched.unwrap(), 1, "{protocols:?}");
        }
        assert_eq!(origin.calls(), 1, "{protocols:?}");
    };
    tokio::join!(
        run(["classic", "classic"]),
        run(["meta", "meta"]),
        run(["classic", "meta"])
    );
}

#[tokio::test]
async fn those_who_wait_in_one_process_look_one_at_a_time() {
    const CROWD: u64 = 50;
    let server = Memcached::start();
    let [holder, waiting] = [(); 2].map(|()| at_namespace(&server, "classic", "looks"));
    let (origin, key) = (Origin::default(), key("looks", 1));
    let slow = || async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        origin.call().await
    };
    let leader = holder.get_or_fetch(&key, &MINUTE, slow);
    let others = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let before = server.stat("cmd_get");
        let calls = (0..CROWD).map(|_| waiting.get_or_fetch(&key, &MINUTE, slow));
        futures_util::future::join_all(calls).await;
        server.stat("cmd_get") - before
    };
    let (_, looks) = tokio::join!(leader, others);
    assert_eq!(origin.calls(), 1);
    // Three keys for each lookup. Each caller looks up once at the beginning and once at the end;
    // in between only one of them does, some 110 times in a second. If each did, there would be
    // 5,000.
    let looks = looks / 3;
    println!("{looks} lookups of {CROWD} callers");
    assert!(looks < 500, "{looks} lookups");
}

fn at_namespace(server: &Memcached, protocol: &str, namespace: &str) -> Cache {
    let url = format!("{}?protocol={protocol}", server.url());
    cache(&[
        ("CACHE_URL", &url),
        ("CACHE_NAMESPACE", namespace),
        ("CACHE_BUDGET_MS", "10000"),
    ])
}

/// A dead holder, whose lease outlives the deadline. What the origin takes is known where there was
/// an entry.
#[tokio::test]
async fn a_wait_leaves_time_for_the_origin_before_the_deadline() {
    const ORIGIN: Duration = Duration::from_millis(300);
    const DEADLINE: Duration = Duration::from_secs(3);
    const COVERED: Policy = MINUTE
        .lease(Duration::from_secs(20))
        .stale_if_error(Duration::from_secs(60));
    let server = Memcached::start();
    for protocol in ["classic", "meta"] {
        let [dead, waiting] = [(); 2].map(|()| at_namespace(&server, protocol, protocol));
        for known in [false, true] {
            let (origin, key) = (Origin::default(), key("deadline", known.into()));
            let slow = || async {
                tokio::time::sleep(ORIGIN).await;
                origin.call().await
            };
            if known {
                dead.get_or_fetch(&key, &COVERED, slow).await.unwrap();
                dead.expire(&key, &COVERED).await.unwrap();
            }
            let called = tokio::sync::Notify::new();
            let stuck = || {
                called.notify_one();
                std::future::pending::<Result<u64, std::convert::Infallible>>()
            };
            let mut held = Box::pin(dead.get_or_fetch(&key, &COVERED, stuck));
            // Its origin is called, so its lease is written; and it is never polled again.
            tokio::select! {
                _ = &mut held => unreachable!("its origin never answers"),
                () = called.notified() => {}
            }
            let (noise, begun) = (Noise::start(), tokio::time::Instant::now());
            let call = waiting.get_or_fetch(&key, &COVERED, slow);
            let fetched = larder::with_deadline(begun + DEADLINE, call).await.unwrap();
            let took = begun.elapsed();
            println!(
                "{protocol}, known: {known}: {took:?}, {:?}",
                fetched.outcome()
            );
            assert_eq!(fetched.outcome(), Outcome::Miss(Fill::NotStored));
            assert!(took > DEADLINE / 3, "it has waited: {took:?}");
            // Neither the wait nor the origin knows of a machine that is late.
            assert!(
                took < noise.forgive(DEADLINE),
                "{protocol}, {known}: {took:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_works_before_its_first_await_is_called_once() {
    let server = Memcached::start();
    for protocol in ["classic", "meta"] {
        let [holder, waiting] = [(); 2].map(|()| at_namespace(&server, protocol, protocol));
        let (origin, key) = (std::sync::Arc::new(Origin::default()), key("works", 1));
        let (began, begun) = tokio::sync::oneshot::channel();
        let leader = tokio::spawn({
            let (origin, key) = (origin.clone(), key.clone());
            async move {
                let work = || async {
                    let _ = began.send(());
                    // Blocks the thread, and with it everything else of this call.
                    std::thread::sleep(Duration::from_millis(600));
                    origin.call().await
                };
                *holder.get_or_fetch(&key, &MINUTE, work).await.unwrap()
            }
        });
        begun.await.unwrap();
        let waited = waiting.get_or_fetch(&key, &MINUTE, || origin.call()).await;
        assert_eq!(
            (*waited.unwrap(), leader.await.unwrap()),
            (1, 1),
            "{protocol}"
        );
        assert_eq!(origin.calls(), 1, "{protocol}");
    }
}

#[tokio::test]
async fn an_origin_that_asks_for_its_own_key_does_not_wait_for_itself() {
    let server = Memcached::start();
    for cache in crate::support::every_store(&server) {
        let (origin, key) = (Origin::default(), key("recursive", 1));
        let around = || async {
            let inner = cache.get_or_fetch(&key, &MINUTE, || origin.call()).await?;
            Ok::<_, std::convert::Infallible>(*inner + 1)
        };
        let begun = std::time::Instant::now();
        let fetched = Box::pin(cache.get_or_fetch(&key, &MINUTE, around)).await;
        assert_eq!(*fetched.unwrap(), 2, "{}", cache.location());
        let took = begun.elapsed();
        assert!(
            took < Duration::from_secs(3),
            "{}: {took:?}",
            cache.location()
        );
    }
}

/// What `call` has logged on a runtime that cannot do everything, or on none.
fn warned(call: impl Fn(&Cache, u64) -> u64, cache: &Cache) -> usize {
    let logged = crate::support::logged_by(|| {
        for n in 1..=3 {
            assert_eq!(
                call(cache, n),
                1,
                "{}: each call has its origin's answer",
                cache.location()
            );
        }
    });
    logged
        .lines()
        .filter(|line| line.contains("cannot be used here"))
        .count()
}

/// In a process of its own, as every test of what is logged.
#[test]
fn where_tokio_can_do_too_little_the_origin_answers_with_one_warning() {
    if !crate::support::alone(
        "waiting::where_tokio_can_do_too_little_the_origin_answers_with_one_warning",
    ) {
        return;
    }
    let server = Memcached::start();
    let caches = || [Cache::memory(), cache(&[("CACHE_URL", &server.url())])];
    let once = async |cache: &Cache, n| {
        let origin = Origin::default();
        let key = key("bare", n);
        let one = cache.get_or_fetch(&key, &MINUTE, || origin.call()).await;
        let many = |all: Vec<u64>| async { Ok::<_, ()>(all.into_iter().map(|n| (n, 1_u64))) };
        let many = cache
            .get_or_fetch_many([(key.clone(), n)], &MINUTE, many)
            .await;
        assert_eq!(*many.unwrap()[&n], 1);
        *one.unwrap()
    };
    for cache in caches() {
        let call = |cache: &Cache, n| {
            futures_util::FutureExt::now_or_never(once(cache, n)).expect("nothing is waited for")
        };
        assert_eq!(warned(call, &cache), 1, "no tokio, {}", cache.location());
    }
    let bare = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for cache in caches() {
        let call = |cache: &Cache, n| bare.block_on(once(cache, n));
        assert_eq!(warned(call, &cache), 1, "no time, {}", cache.location());
    }
    let timed = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    for (cache, warnings) in caches().into_iter().zip([0, 1]) {
        let call = |cache: &Cache, n| timed.block_on(once(cache, n));
        assert_eq!(
            warned(call, &cache),
            warnings,
            "no I/O, {}",
            cache.location()
        );
        let removed = timed.block_on(cache.invalidate(&key("bare", 1)));
        assert_eq!(removed.is_ok(), warnings == 0, "{removed:?}");
    }
}

#[test]
fn without_tokio_the_origin_answers() {
    let cache = Cache::memory();
    let (origin, key) = (Origin::default(), key("bare", 1));
    for n in 1..=2 {
        let call = cache.get_or_fetch(&key, &MINUTE, || origin.call());
        let fetched = futures_util::FutureExt::now_or_never(call);
        assert_eq!(*fetched.expect("nothing is waited for").unwrap(), n);
    }
}
