use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use larder::{
    Bypass, Cache, CacheFailure, Fetched, Fill, Freshness, Key, Outcome, Policy, Scope,
    with_freshness,
};
use larder_testing::{Fault, Memcached, Noise, Proxy};

use crate::support::{MINUTE, at, cache, every_store, key};

/// The attribute's companions for many keys.
mod companions;
mod faults;
mod hostile;
mod waiting;

const STALE: Policy = MINUTE.stale_while_revalidate(Duration::from_secs(60));

/// Answers every number with ten times itself, and records what it was asked for.
#[derive(Debug, Default)]
struct Tens(Mutex<Vec<Vec<u64>>>);

impl Tens {
    async fn of(&self, numbers: Vec<u64>) -> Result<HashMap<u64, u64>, Infallible> {
        let answers = numbers.iter().map(|n| (*n, n * 10)).collect();
        self.0.lock().unwrap().push(numbers);
        Ok(answers)
    }

    fn asked(&self) -> Vec<Vec<u64>> {
        self.0.lock().unwrap().clone()
    }
}

fn keyed(name: &'static str, numbers: impl IntoIterator<Item = u64>) -> Vec<(Key, u64)> {
    numbers.into_iter().map(|n| (key(name, n), n)).collect()
}

async fn tens(
    cache: &Cache,
    policy: &Policy,
    numbers: &[u64],
    origin: &Tens,
) -> HashMap<u64, Fetched<u64>> {
    let keyed = keyed("tens", numbers.iter().copied());
    let values = cache.get_or_fetch_many(keyed, policy, |missing| origin.of(missing));
    let values = values.await.unwrap();
    for (n, value) in &values {
        assert_eq!(**value, n * 10, "{n} at {}", cache.location());
    }
    values
}

fn count(values: &HashMap<u64, Fetched<u64>>, outcome: Outcome) -> usize {
    values
        .values()
        .filter(|value| value.outcome() == outcome)
        .count()
}

#[tokio::test]
async fn a_hundred_keys_are_one_lookup_one_origin_call_and_one_write() {
    let server = Memcached::start();
    let numbers: Vec<u64> = (1..=100).collect();
    // The cas of a lease must be read with the classic protocol: two more round trips.
    for (protocol, cold) in [("meta", 2), ("classic", 4)] {
        let proxy = Proxy::start(server.port(), 1, Fault::default()).await;
        let url = format!("{}?protocol={protocol}", proxy.url());
        let cache = cache(&[
            ("CACHE_URL", &url),
            ("CACHE_NAMESPACE", protocol),
            ("CACHE_BUDGET_MS", "10000"),
        ]);
        let origin = Tens::default();
        // Connects, and creates the generations.
        tens(&cache, &MINUTE, &[0], &origin).await;
        let before = proxy.exchanges();
        let values = tens(&cache, &MINUTE, &numbers, &origin).await;
        assert_eq!(
            count(&values, Outcome::Miss(Fill::Stored)),
            100,
            "{protocol}"
        );
        assert_eq!(proxy.exchanges() - before, cold, "{protocol}");
        let (before, gets) = (proxy.exchanges(), server.stat("cmd_get"));
        let values = tens(&cache, &MINUTE, &numbers, &origin).await;
        assert_eq!(count(&values, Outcome::Hit), 100, "{protocol}");
        assert_eq!(proxy.exchanges() - before, 1, "{protocol}");
        assert_eq!(
            server.stat("cmd_get") - gets,
            102,
            "the items, and two generations"
        );
        assert_eq!(origin.asked(), [vec![0], numbers.clone()], "{protocol}");
    }
}

#[tokio::test]
async fn each_of_several_servers_is_asked_once() {
    let servers = [Memcached::start(), Memcached::start(), Memcached::start()];
    let mut proxies = Vec::new();
    for server in &servers {
        proxies.push(Proxy::start(server.port(), 1, Fault::default()).await);
    }
    let urls: Vec<_> = proxies.iter().map(Proxy::url).collect();
    let hosts: Vec<_> = urls
        .iter()
        .map(|url| url.trim_start_matches("memcached://"))
        .collect();
    let cache = at(&format!("memcached://{}", hosts.join(",")));
    let (origin, numbers) = (Tens::default(), (0..100).collect::<Vec<u64>>());
    tens(&cache, &MINUTE, &numbers, &origin).await;
    let before: Vec<_> = proxies.iter().map(Proxy::exchanges).collect();
    let values = tens(&cache, &MINUTE, &numbers, &origin).await;
    assert_eq!(count(&values, Outcome::Hit), 100);
    for (proxy, before) in proxies.iter().zip(before) {
        assert_eq!(proxy.exchanges() - before, 1);
    }
    assert_eq!(origin.asked().len(), 1);
}

#[tokio::test]
async fn only_what_is_missing_is_asked_for_and_every_item_has_its_own_outcome() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let origin = Tens::default();
        tens(&cache, &MINUTE, &[1, 2], &origin).await;
        // The same key twice, and one that a single call has stored.
        let three = key("tens", 3);
        let single = cache.get_or_fetch(&three, &MINUTE, || async { Ok::<_, Infallible>(30_u64) });
        single.await.unwrap();
        let values = tens(&cache, &MINUTE, &[4, 1, 2, 2, 3, 4, 5], &origin).await;
        assert_eq!(values.len(), 5);
        assert_eq!(count(&values, Outcome::Hit), 3, "{}", cache.location());
        assert_eq!(values[&4].outcome(), Outcome::Miss(Fill::Stored));
        assert!(values[&4].origin_time().is_some() && values[&1].origin_time().is_none());
        assert_eq!(values[&5].ttl_left(), 60);
        assert_eq!(origin.asked(), [vec![1, 2], vec![4, 5]]);
        let single = cache.peek::<u64>(&key("tens", 5), &MINUTE).await;
        assert_eq!(*single.unwrap(), 50);
        assert!(tens(&cache, &MINUTE, &[], &origin).await.is_empty());
        cache.flush(Scope::Name("tens")).await.unwrap();
        let values = tens(&cache, &MINUTE, &[1, 2, 3, 4, 5], &origin).await;
        assert_eq!(
            count(&values, Outcome::Miss(Fill::Stored)),
            5,
            "{}",
            cache.location()
        );
    }
}

#[tokio::test]
async fn what_the_origin_leaves_out_is_not_there_and_what_it_was_not_asked_for_is_dropped() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let calls = AtomicU64::new(0);
        let some = |missing: Vec<u64>| {
            calls.fetch_add(1, Ordering::SeqCst);
            let even = missing.into_iter().filter(|n| n % 2 == 0);
            let answers: Vec<_> = even.chain([77]).map(|n| (n, n)).collect();
            async { Ok::<_, Infallible>(answers) }
        };
        for round in 1..=2 {
            let values = cache
                .get_or_fetch_many(keyed("some", [1, 2, 3, 4]), &MINUTE, some)
                .await;
            let mut there: Vec<_> = values.unwrap().into_keys().collect();
            there.sort_unstable();
            assert_eq!(there, [2, 4], "{}", cache.location());
            assert_eq!(
                calls.load(Ordering::SeqCst),
                round,
                "an omission is not cached"
            );
        }
        assert!(cache.peek::<u64>(&key("some", 77), &MINUTE).await.is_none());
        // Its lease was given back, so no caller waits for it.
        let begun = tokio::time::Instant::now();
        let one = key("some", 1);
        let single = cache.get_or_fetch(&one, &MINUTE, || async { Ok::<_, Infallible>(1_u64) });
        // Of an omission it is known for a while that nothing is stored: the call passes.
        assert_eq!(single.await.unwrap().outcome(), Outcome::Passed);
        assert!(
            begun.elapsed() < Duration::from_secs(4),
            "waited for a lease"
        );
    }
}

#[tokio::test]
async fn an_absence_is_cached_if_it_is_answered_and_the_policy_keeps_it() {
    const NEGATIVE: Policy = MINUTE.negative_ttl(Duration::from_secs(5));
    let cache = Cache::memory();
    let none = |missing: Vec<u64>| async move {
        Ok::<_, Infallible>(
            missing
                .into_iter()
                .map(|n| (n, None::<u64>))
                .collect::<Vec<_>>(),
        )
    };
    let first = cache
        .get_or_fetch_many(keyed("none", [1]), &NEGATIVE, none)
        .await
        .unwrap();
    assert_eq!(
        (first[&1].outcome(), first[&1].ttl_left()),
        (Outcome::Miss(Fill::Stored), 5)
    );
    let second = cache
        .get_or_fetch_many(keyed("none", [1]), &NEGATIVE, none)
        .await
        .unwrap();
    assert!(second[&1].is_hit());
    let third = cache
        .get_or_fetch_many(keyed("none", [2]), &MINUTE, none)
        .await
        .unwrap();
    assert_eq!(third[&2].outcome(), Outcome::Miss(Fill::NotStored));
}

#[tokio::test]
async fn two_arguments_of_one_key_share_its_entry() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let calls = AtomicU64::new(0);
        let lengths = |missing: Vec<&'static str>| {
            calls.fetch_add(1, Ordering::SeqCst);
            async move {
                Ok::<_, Infallible>(
                    missing
                        .into_iter()
                        .map(|word| (word, word.len()))
                        .collect::<Vec<_>>(),
                )
            }
        };
        for outcome in [Outcome::Miss(Fill::Stored), Outcome::Hit] {
            let keyed = ["Word", "word"]
                .map(|word| (Key::new("length", &(word.to_lowercase(),)).unwrap(), word));
            let values = cache
                .get_or_fetch_many(keyed, &MINUTE, lengths)
                .await
                .unwrap();
            assert_eq!((*values["Word"], *values["word"]), (4, 4));
            assert!(
                values.values().all(|value| value.outcome() == outcome),
                "{}",
                cache.location()
            );
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn stale_entries_are_refreshed_by_one_and_served_to_others() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let origin = Tens::default();
        tens(&cache, &STALE, &[1, 2, 3], &origin).await;
        for n in [1, 2] {
            cache.expire(&key("tens", n), &STALE).await.unwrap();
        }
        let slow = |missing: Vec<u64>| async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            origin.of(missing).await
        };
        let refresher = cache.get_or_fetch_many(keyed("tens", [1, 2, 3]), &STALE, slow);
        let other = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            tens(&cache, &STALE, &[1, 2, 3], &origin).await
        };
        let (refreshed, other) = tokio::join!(refresher, other);
        let refreshed = refreshed.unwrap();
        assert_eq!(
            count(&refreshed, Outcome::Expired(Fill::Stored)),
            2,
            "{}",
            cache.location()
        );
        assert_eq!(count(&other, Outcome::Stale), 2, "{}", cache.location());
        assert_eq!(origin.asked(), [vec![1, 2, 3], vec![1, 2]]);
        let after = tens(&cache, &STALE, &[1, 2, 3], &origin).await;
        assert_eq!(count(&after, Outcome::Hit), 3, "{}", cache.location());
    }
}

#[tokio::test]
async fn a_request_may_want_all_of_them_new_or_the_cache_left_alone() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let origin = Tens::default();
        tens(&cache, &MINUTE, &[1, 2], &origin).await;
        let new = with_freshness(
            Freshness::Refresh,
            tens(&cache, &MINUTE, &[1, 2, 3], &origin),
        )
        .await;
        assert_eq!(
            count(&new, Outcome::Refreshed(Fill::Stored)),
            3,
            "{}",
            cache.location()
        );
        let past = with_freshness(Freshness::Bypass, tens(&cache, &MINUTE, &[1, 4], &origin)).await;
        assert_eq!(count(&past, Outcome::Bypassed(Bypass::Requested)), 2);
        assert_eq!(origin.asked(), [vec![1, 2], vec![1, 2, 3], vec![1, 4]]);
        assert!(cache.peek::<u64>(&key("tens", 4), &MINUTE).await.is_none());
    }
    let off = cache(&[("CACHE_URL", "memory:"), ("CACHE_DISABLED", "true")]);
    let origin = Tens::default();
    let past = tens(&off, &MINUTE, &[1, 2], &origin).await;
    assert_eq!(count(&past, Outcome::Bypassed(Bypass::Disabled)), 2);
}

#[tokio::test]
async fn an_origin_may_say_how_long_its_answers_are_kept() {
    let cache = Cache::memory();
    let brief = |missing: Vec<u64>| async move {
        larder::origin::ttl(Duration::from_secs(2));
        Ok::<_, Infallible>(missing.into_iter().map(|n| (n, n)).collect::<Vec<_>>())
    };
    let values = cache
        .get_or_fetch_many(keyed("brief", [1, 2]), &MINUTE, brief)
        .await
        .unwrap();
    assert!(values.values().all(|value| value.ttl_left() == 2));
    let secret = |missing: Vec<u64>| async move {
        larder::origin::no_store();
        Ok::<_, Infallible>(missing.into_iter().map(|n| (n, n)).collect::<Vec<_>>())
    };
    let values = cache
        .get_or_fetch_many(keyed("secret", [1]), &MINUTE, secret)
        .await
        .unwrap();
    assert_eq!(values[&1].outcome(), Outcome::Miss(Fill::NotStored));
}

#[tokio::test]
async fn a_task_of_its_own_may_ask_for_many() {
    let cache = Cache::memory();
    let asked = tokio::spawn(async move {
        let origin = Tens::default();
        tens(&cache, &MINUTE, &[1, 2], &origin).await.len()
    });
    assert_eq!(asked.await.unwrap(), 2);
}
