use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use larder::{Cache, Policy};
use larder_testing::{
    Memcached, Noise, Stampede,
    stampede::{Ends, Order},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    stampede::{ORDER, itself},
    support::{MINUTE, at, cache, key},
};

const ORIGIN: Duration = Duration::from_millis(300);

/// What a crowd of callers of one key has seen.
#[derive(Debug)]
struct Seen {
    median: Duration,
    last: Duration,
    calls: usize,
}

/// All call at once; each origin call takes [`ORIGIN`].
async fn crowd<T, F>(callers: Vec<Cache>, policy: Policy, n: u64, answer: F) -> Seen
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: Fn() -> Result<T, &'static str> + Clone + Send + Sync + 'static,
{
    let calls = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for cache in callers {
        let (calls, answer) = (calls.clone(), answer.clone());
        tasks.spawn(async move {
            let begun = Instant::now();
            let origin = || async move {
                calls.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(ORIGIN).await;
                answer()
            };
            let _ = cache
                .get_or_fetch(&key("unstored", n), &policy, origin)
                .await;
            begun.elapsed()
        });
    }
    let mut took = tasks.join_all().await;
    took.sort();
    Seen {
        median: took[took.len() / 2],
        last: took[took.len() - 1],
        calls: calls.load(Ordering::Relaxed),
    }
}

/// One process with 50 callers, and 8 processes with 8 callers each, as far as leases know. Nothing
/// here is about the budget.
fn crowds(server: &Memcached) -> Vec<(String, Vec<Cache>)> {
    let wide = ("CACHE_BUDGET_MS", "10000");
    let memory = cache(&[("CACHE_URL", "memory:"), wide]);
    let mut all = vec![("memory".to_owned(), vec![memory; 50])];
    for protocol in ["classic", "meta"] {
        let url = format!("{}?protocol={protocol}", server.url());
        let one = || cache(&[("CACHE_URL", &url), ("CACHE_NAMESPACE", protocol), wide]);
        let processes = |n: usize, callers: usize| {
            let caches: Vec<_> = (0..n).map(|_| one()).collect();
            let callers = caches.iter().flat_map(|cache| vec![cache.clone(); callers]);
            callers.collect::<Vec<_>>()
        };
        all.push((format!("{protocol}, 1 process"), processes(1, 50)));
        all.push((format!("{protocol}, 8 processes"), processes(8, 8)));
    }
    all
}

/// A leader whose origin leaves nothing to use costs a caller the rest of that origin call and then
/// its own; who comes after that pays for its own alone, or leads.
async fn check<T, F>(policy: Policy, n: u64, kept: bool, answer: F)
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
    F: Fn() -> Result<T, &'static str> + Clone + Send + Sync + 'static,
{
    let server = Memcached::start();
    for (place, (who, callers)) in (0..).zip(crowds(&server)) {
        // A key of its own: what one crowd has left is nothing to the next.
        let n = 10 * n + place;
        // Connections are made before the clock runs.
        for cache in &callers {
            cache.put(&key("warm", 0), &MINUTE, &0_u64).await.unwrap();
        }
        let noise = Noise::start();
        let count = callers.len();
        let seen = crowd(callers.clone(), policy, n, answer.clone()).await;
        println!("{who}: {seen:?}");
        let bound = noise.forgive(ORIGIN.mul_f64(2.1));
        assert!(
            seen.median <= seen.last && seen.last <= bound,
            "{who}: {seen:?}"
        );
        assert!(seen.calls <= count, "{who}: {seen:?}");
        if kept {
            // It is known that nothing will be stored: as if uncached.
            let noise = Noise::start();
            let again = crowd(callers, policy, n, answer.clone()).await;
            println!("{who}, again: {again:?}");
            let bound = noise.forgive(ORIGIN.mul_f64(1.3));
            assert!(again.last <= bound, "{who}: {again:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_behind_errors() {
    check(MINUTE, 1, false, || Err::<u64, _>("down")).await;
}

/// As [`nobody_waits_behind_errors`], with processes of their own.
#[tokio::test]
async fn nobody_waits_behind_errors_of_other_processes() {
    for protocol in ["classic", "meta"] {
        let server = Memcached::start();
        let url = format!("{}?protocol={protocol}", server.url());
        let mut crowd = Stampede::start(&vec![url; 8], 8, itself);
        let well = Order {
            keys: 1,
            together: 1,
            ..ORDER
        };
        // Connects, and creates the generations.
        crowd.run(well);
        at(&server.url())
            .invalidate(&key("stampede", 0))
            .await
            .unwrap();
        let noise = Noise::start();
        let round = crowd.run(Order {
            ends: Ends::Failing,
            ..well
        });
        println!("{protocol}: {round}");
        let bound = noise.forgive(ORDER.origin.mul_f64(2.1));
        assert!(round.waited(100) <= bound, "{protocol}: {round}");
        assert_eq!(round.answers(), 64, "{protocol}: {round}");
        assert!(round.origin_calls()[0] <= 64, "{protocol}: {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_behind_an_absence_that_is_not_kept() {
    check(MINUTE, 2, true, || Ok(None::<u64>)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_behind_values_that_are_too_large() {
    check(MINUTE, 3, true, || Ok("x".repeat(2_000_000))).await;
}

/// The server takes smaller items than the policy allows. With the meta protocol it removes the lease
/// when it refuses the value, before it has read that, and a caller of another process could lead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_behind_values_that_were_too_large_for_the_server() {
    let server = Memcached::start_with(&["-I", "512k"]);
    let answer = || Ok("x".repeat(600_000));
    for (place, (who, callers)) in (100..).zip(crowds(&server)) {
        for cache in &callers {
            cache.put(&key("warm", 0), &MINUTE, &0_u64).await.unwrap();
        }
        let noise = Noise::start();
        let first = crowd(callers.clone(), MINUTE, place, answer).await;
        let bound = noise.forgive(ORIGIN.mul_f64(2.1));
        assert!(first.last <= bound, "{who}: {first:?}");
        let noise = Noise::start();
        let again = crowd(callers, MINUTE, place, answer).await;
        println!("{who}: {first:?}, again: {again:?}");
        let bound = noise.forgive(ORIGIN.mul_f64(1.3));
        assert!(again.last <= bound, "{who}: {again:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_behind_values_that_are_too_cheap() {
    let policy = MINUTE.min_cost(Duration::from_secs(1));
    check(policy, 4, true, || Ok(7_u64)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_behind_values_that_must_not_be_stored() {
    check(MINUTE, 5, true, || {
        larder::origin::no_store();
        Ok(7_u64)
    })
    .await;
}

/// A value that one codec does not take.
#[derive(Debug)]
struct Unencodable;

impl Serialize for Unencodable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not to be encoded"))
    }
}

impl<'de> serde::Deserialize<'de> for Unencodable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("not to be decoded"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_behind_values_that_can_not_be_encoded() {
    check(MINUTE, 6, true, || Ok(Unencodable)).await;
}

/// A value that is written and can not be read again.
#[derive(Debug, Serialize)]
struct Undecodable(u64);

impl<'de> serde::Deserialize<'de> for Undecodable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("not to be decoded"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_behind_values_that_can_not_be_decoded() {
    check(MINUTE, 7, false, || Ok(Undecodable(7))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_behind_errors_while_the_cache_is_down() {
    let down = cache(&[("CACHE_URL", "memcached://127.0.0.1:1")]);
    let noise = Noise::start();
    let seen = crowd(vec![down; 50], MINUTE, 8, || Err::<u64, _>("down")).await;
    println!("{seen:?}");
    assert!(seen.last <= noise.forgive(ORIGIN.mul_f64(2.1)), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_behind_values_that_can_not_be_encoded_while_the_cache_is_down() {
    let down = cache(&[("CACHE_URL", "memcached://127.0.0.1:1")]);
    let noise = Noise::start();
    let seen = crowd(vec![down; 50], MINUTE, 11, || Ok(Unencodable)).await;
    println!("{seen:?}");
    assert!(seen.last <= noise.forgive(ORIGIN.mul_f64(2.1)), "{seen:?}");
}
