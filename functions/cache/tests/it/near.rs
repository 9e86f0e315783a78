//! Near copies: what answers without the server, what is kept, and what a verb waits for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use larder::{
    Cache, Fetched, Fill, Freshness, Outcome, Policy, Scope,
    fuzzing::{Fault, plant},
    unsettled, with_cache, with_freshness,
};
use larder_testing::{Fault as Broken, Memcached, Proxy};
use serde::{Deserialize, Serialize};

use crate::support::{Origin, cache, key};

/// Processes that are killed, frozen and lied to, over real servers.
mod processes;

const NEAR: Policy = near(400);
const PROTOCOLS: [&str; 2] = ["classic", "meta"];

const fn near(millis: u64) -> Policy {
    Policy::ttl(Duration::from_secs(60)).near(Duration::from_millis(millis))
}

/// A cache with near copies and a wide budget.
fn on(url: &str) -> Cache {
    cache(&[
        ("CACHE_URL", url),
        ("CACHE_BUDGET_MS", "10000"),
        ("CACHE_NEAR", "on"),
    ])
}

async fn get(cache: &Cache, n: u64, policy: Policy, origin: &Origin) -> Fetched<u64> {
    let (key, origin) = (key("near", n), || origin.call());
    let Ok(fetched) = cache.get_or_fetch(&key, &policy, origin).await;
    fetched
}

/// Calls until a copy answers; the number that it holds.
async fn warm(cache: &Cache, n: u64, policy: Policy, origin: &Origin) -> u64 {
    for _ in 0..200 {
        let fetched = get(cache, n, policy, origin).await;
        if fetched.is_near() {
            return *fetched;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no copy is made");
}

/// The records are settled, so that a verb waits for no longer than they say.
async fn settle(cache: &Cache, n: u64) {
    for _ in 0..2 {
        cache.invalidate(&key("near", n)).await.unwrap();
    }
}

#[tokio::test]
async fn a_copy_answers_without_a_round_trip_and_ends() {
    let server = Memcached::start();
    for protocol in PROTOCOLS {
        let proxy = Proxy::start(server.port(), 1, Broken::default()).await;
        let url = format!("{}?protocol={protocol}", proxy.url());
        let cache = cache(&[
            ("CACHE_URL", &url),
            ("CACHE_NAMESPACE", protocol),
            ("CACHE_BUDGET_MS", "10000"),
            ("CACHE_NEAR", "on"),
        ]);
        let (policy, origin) = (near(2000), Origin::default());
        let mut shown = 0;
        for _ in 0..20 {
            warm(&cache, 1, policy, &origin).await;
            let (asked, began) = (proxy.exchanges(), Instant::now());
            for _ in 0..50 {
                let fetched = get(&cache, 1, policy, &origin).await;
                if began.elapsed() < Duration::from_millis(500) && fetched.is_near() {
                    assert_eq!((*fetched, fetched.outcome()), (1, Outcome::Hit));
                    assert_eq!(proxy.exchanges(), asked, "{protocol}");
                    shown += 1;
                }
            }
        }
        assert!(shown > 100, "{protocol}: {shown}");
        let stats = cache.stats();
        assert!(
            stats.near_hit >= shown && stats.hit > stats.near_hit,
            "{stats:?}"
        );
        // Past its time it is gone, and the server answers.
        let short = near(1);
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert!(!get(&cache, 1, short, &origin).await.is_near());
        assert_eq!(origin.calls(), 1);
    }
}

#[tokio::test]
async fn a_verb_is_acknowledged_when_no_process_has_a_copy_any_more() {
    let server = Memcached::start();
    for protocol in PROTOCOLS {
        let url = format!("{}?protocol={protocol}", server.url());
        let (reader, writer, origin) = (on(&url), on(&url), Origin::default());
        settle(&writer, 1).await;
        for round in 0..4 {
            let held = warm(&reader, 1, NEAR, &origin).await;
            let began = Instant::now();
            match round {
                0 => writer.invalidate(&key("near", 1)).await.unwrap(),
                1 => writer.flush(Scope::Name("near")).await.unwrap(),
                2 => writer.flush(Scope::All).await.unwrap(),
                _ => writer.put(&key("near", 1), &NEAR, &77).await.unwrap(),
            }
            let took = began.elapsed();
            let fetched = get(&reader, 1, NEAR, &origin).await;
            assert_ne!(*fetched, held, "{protocol} {round}");
            assert!(
                took >= Duration::from_millis(600),
                "{protocol} {round}: {took:?}"
            );
        }
    }
}

/// A rule of each kind, broken on a real server: the harness above would see it.
#[tokio::test]
async fn one_that_does_not_wait_is_found_out() {
    let server = Memcached::start();
    let (reader, writer, origin) = (on(&server.url()), on(&server.url()), Origin::default());
    settle(&writer, 1).await;
    plant(&writer, Fault::NoWait);
    let held = warm(&reader, 1, near(2000), &origin).await;
    writer.invalidate(&key("near", 1)).await.unwrap();
    assert_eq!(*get(&reader, 1, near(2000), &origin).await, held);
}

#[tokio::test]
async fn the_process_of_a_verb_has_no_copy_from_the_answer_on() {
    let server = Memcached::start();
    let (cache, origin) = (on(&server.url()), Origin::default());
    settle(&cache, 1).await;
    for _ in 0..3 {
        let held = warm(&cache, 1, NEAR, &origin).await;
        let (done, is_final_in) = unsettled(cache.invalidate(&key("near", 1))).await;
        done.unwrap();
        assert_eq!(is_final_in, Duration::from_millis(600));
        assert_eq!(*get(&cache, 1, NEAR, &origin).await, held + 1);
    }
    let held = warm(&cache, 1, NEAR, &origin).await;
    let fetch = get(&cache, 1, NEAR, &origin);
    let asked = with_freshness(Freshness::Refresh, fetch).await;
    assert_eq!(asked.outcome(), Outcome::Refreshed(Fill::Stored));
    assert_eq!(*get(&cache, 1, NEAR, &origin).await, held + 1);
}

#[tokio::test]
async fn an_older_deployment_waits_for_the_copies_of_a_newer_one() {
    let server = Memcached::start();
    let (old, new, origin) = (on(&server.url()), on(&server.url()), Origin::default());
    settle(&old, 1).await;
    warm(&old, 1, near(100), &origin).await;
    let held = warm(&new, 1, near(2000), &origin).await;
    let began = Instant::now();
    old.invalidate(&key("near", 1)).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(2600));
    assert_ne!(*get(&new, 1, near(2000), &origin).await, held);
}

#[tokio::test]
async fn a_lost_record_makes_verbs_wait_for_the_longest_time_until_another_is_settled() {
    let server = Memcached::start();
    let (reader, writer, origin) = (on(&server.url()), on(&server.url()), Origin::default());
    settle(&writer, 1).await;
    let held = warm(&reader, 1, near(2000), &origin).await;
    for lost in ["larder:@near", "larder:@near:near"] {
        assert_eq!(
            server.ask(&format!("delete {lost}\r\n"), "\r\n"),
            "DELETED\r\n"
        );
    }
    let took = |began: Instant| began.elapsed() >= Duration::from_millis(2600);
    let began = Instant::now();
    writer.invalidate(&key("near", 1)).await.unwrap();
    assert!(took(began));
    assert_ne!(*get(&reader, 1, near(2000), &origin).await, held);
    // That one has settled the new records, which no copy was allowed by: the next does not wait.
    let (done, is_final_in) = unsettled(writer.invalidate(&key("other", 1))).await;
    done.unwrap();
    assert!(is_final_in < Duration::from_millis(2600), "{is_final_in:?}");
}

#[tokio::test]
async fn a_process_without_near_copies_obeys_the_records_of_others() {
    let server = Memcached::start();
    let (reader, origin) = (on(&server.url()), Origin::default());
    let off = cache(&[("CACHE_URL", &server.url()), ("CACHE_BUDGET_MS", "10000")]);
    // A namespace that never had copies: nothing to wait for.
    let (done, is_final_in) = unsettled(off.invalidate(&key("near", 1))).await;
    done.unwrap();
    assert_eq!(is_final_in, Duration::ZERO);
    for _ in 0..3 {
        assert!(!get(&off, 1, NEAR, &origin).await.is_near());
    }
    let held = warm(&reader, 1, NEAR, &origin).await;
    off.invalidate(&key("near", 1)).await.unwrap();
    assert_ne!(*get(&reader, 1, NEAR, &origin).await, held);
}

#[tokio::test]
async fn a_flush_waits_for_the_server_that_allows_most() {
    let servers = [Memcached::start(), Memcached::start()];
    let url = crate::clusters::list(&servers);
    for (fault, most) in [(None, 2), (Some(Fault::FirstServerOnly), 8)] {
        let mut found = false;
        for n in 0..most {
            let (reader, writer, origin) = (on(&url), on(&url), Origin::default());
            // Both servers have settled records; then copies are allowed on one of them.
            let keys = (0..20).map(|n| key("near", n));
            writer.invalidate_many(keys).await.unwrap();
            fault.inspect(|fault| plant(&writer, *fault));
            let held = warm(&reader, n, near(2000), &origin).await;
            writer.flush(Scope::Name("near")).await.unwrap();
            found |= *get(&reader, n, near(2000), &origin).await == held;
            for server in &servers {
                let _ = server.ask("flush_all\r\n", "OK\r\n");
            }
            if found {
                break;
            }
        }
        assert_eq!(found, fault.is_some(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_new_list_of_servers_ends_all_copies() {
    let servers = [Memcached::start(), Memcached::start()];
    let endpoint = crate::clusters::Endpoint::start().await;
    for fault in [None, Some(Fault::KeepsAcrossLists)] {
        let version = 1 + 2 * u64::from(fault.is_some());
        endpoint.tell(version, &[&servers[0]]);
        let (cache, origin) = (on(&endpoint.url()), Origin::default());
        cache.ping().await;
        fault.inspect(|fault| plant(&cache, *fault));
        warm(&cache, 1, near(2000), &origin).await;
        cache.forget_near();
        // A copy that has just been made.
        get(&cache, 1, near(2000), &origin).await;
        assert!(get(&cache, 1, near(2000), &origin).await.is_near());
        endpoint.tell(version + 1, &[&servers[1]]);
        cache.ping().await;
        let answered = get(&cache, 1, near(2000), &origin).await.is_near();
        assert_eq!(answered, fault.is_some(), "{fault:?}");
    }
}

#[tokio::test]
async fn many_entries_are_invalidated_with_one_wait() {
    let server = Memcached::start();
    let (reader, writer, origin) = (on(&server.url()), on(&server.url()), Origin::default());
    settle(&writer, 1).await;
    let mut held = Vec::new();
    for n in 0..8 {
        held.push(warm(&reader, n, NEAR, &origin).await);
    }
    let began = Instant::now();
    writer
        .invalidate_many((0..8).map(|n| key("near", n)))
        .await
        .unwrap();
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(600), "{took:?}");
    for (n, held) in (0..).zip(held) {
        assert!(*get(&reader, n, NEAR, &origin).await > held);
    }
    let down = on("memcached://127.0.0.1:1");
    let lost = down.invalidate_many([key("near", 1)]).await.unwrap_err();
    assert!(matches!(lost, larder::CacheError::Unacknowledged(servers) if servers.len() == 1));
}

#[derive(Debug, Default)]
struct Verbs(std::sync::Mutex<Vec<String>>);

impl larder::Observer for Verbs {
    fn ended(&self, _: &larder::Event<'_>) {}

    fn verb_ended(&self, event: &larder::VerbEvent<'_>) {
        let digest = event.digest.map_or("no key", |_| "a key");
        let error = event.error.map_or("acknowledged", |_| "failed");
        let line = format!("{:?} {:?} {digest} {error}", event.verb, event.name);
        self.0.lock().unwrap().push(line);
    }
}

#[tokio::test]
async fn an_observer_is_told_of_each_verb_once() {
    let verbs = Arc::new(Verbs::default());
    let builder = || Cache::builder().observer(verbs.clone());
    let cache = builder().memory().build().unwrap();
    let stale = Policy::ttl(Duration::from_secs(60)).stale_if_error(Duration::from_secs(60));
    cache.put(&key("near", 1), &stale, &7_u64).await.unwrap();
    cache.expire(&key("near", 1), &stale).await.unwrap();
    cache.expire(&key("near", 2), &stale).await.unwrap();
    cache.invalidate(&key("near", 1)).await.unwrap();
    cache
        .invalidate_many([key("near", 1), key("near", 2)])
        .await
        .unwrap();
    cache.flush(Scope::Name("near")).await.unwrap();
    cache.flush(Scope::All).await.unwrap();
    let down = builder().url("memcached://127.0.0.1:1").build().unwrap();
    down.invalidate(&key("near", 1)).await.unwrap_err();
    let told = verbs.0.lock().unwrap().clone();
    assert_eq!(
        told,
        [
            "Put Some(\"near\") a key acknowledged",
            "Expire Some(\"near\") a key acknowledged",
            "Expire Some(\"near\") a key acknowledged",
            "Invalidate Some(\"near\") a key acknowledged",
            "Invalidate Some(\"near\") a key acknowledged",
            "Invalidate Some(\"near\") a key acknowledged",
            "Flush Some(\"near\") no key acknowledged",
            "Flush None no key acknowledged",
            "Invalidate Some(\"near\") a key failed",
        ]
    );
}

#[tokio::test]
async fn a_function_flushes_its_own_name() {
    let cache = cache(&[("CACHE_URL", "memory:")]);
    with_cache(cache, async {
        assert!(larder::installed().is_some());
        for hit in [false, true] {
            assert_eq!(user::fetch(8).await.unwrap().is_hit(), hit);
        }
        user::flush().await.unwrap();
        assert!(!user::fetch(8).await.unwrap().is_hit());
    })
    .await;
    assert!(larder::installed().is_none());
    assert_eq!(user::flush().await, Err(larder::CacheError::NotInstalled));
}

#[tokio::test]
async fn many_keys_are_answered_by_copies_and_the_rest_by_one_lookup() {
    let server = Memcached::start();
    let proxy = Proxy::start(server.port(), 1, Broken::default()).await;
    let (cache, policy) = (on(&format!("{}?protocol=meta", proxy.url())), near(2000));
    let keyed = |numbers: std::ops::Range<u64>| numbers.map(|n| (key("near", n), n));
    let origin = |numbers: Vec<u64>| async move {
        Ok::<_, std::convert::Infallible>(
            numbers.into_iter().map(|n| (n, n * 10)).collect::<Vec<_>>(),
        )
    };
    for _ in 0..3 {
        cache
            .get_or_fetch_many(keyed(0..60), &policy, origin)
            .await
            .unwrap();
    }
    let writer = on(&server.url());
    writer
        .get_or_fetch_many(keyed(60..90), &policy, origin)
        .await
        .unwrap();
    let asked = proxy.exchanges();
    let found = cache
        .get_or_fetch_many(keyed(0..100), &policy, origin)
        .await
        .unwrap();
    assert_eq!(found.len(), 100);
    assert!(found.iter().all(|(n, value)| **value == n * 10));
    let near = found.values().filter(|value| value.is_near()).count();
    let hits = found.values().filter(|value| value.is_hit()).count();
    assert_eq!((near, hits), (60, 90));
    // One lookup, and one write of what was missing.
    assert!(
        proxy.exchanges() - asked <= 2,
        "{}",
        proxy.exchanges() - asked
    );
    let again = cache
        .get_or_fetch_many(keyed(0..100), &policy, origin)
        .await
        .unwrap();
    assert!(again.values().all(Fetched::is_hit));
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct User {
    name: String,
}

/// Not to be cloned.
#[derive(Debug, Serialize, Deserialize)]
struct Guest {
    name: String,
}

#[larder::cached("near-user", ttl = "60s", near = "2s")]
async fn user(id: u64) -> Result<User, String> {
    Ok(User {
        name: format!("user {id}"),
    })
}

#[larder::cached("near-guest", ttl = "60s", near = "2s")]
async fn guest(id: u64) -> Option<Guest> {
    Some(Guest {
        name: format!("guest {id}"),
    })
}

#[larder::cached("near-shared", ttl = "60s", near = "2s")]
async fn shared(id: u64) -> Arc<str> {
    format!("shared {id}").into()
}

#[larder::cached("near-generic", ttl = "60s", near = "2s", key = id)]
async fn generic<T: Serialize + serde::de::DeserializeOwned + From<u64>>(id: u64) -> Option<T> {
    Some(T::from(id))
}

#[tokio::test]
async fn values_are_kept_as_they_are_if_they_can_be_shared_and_else_as_bytes() {
    let server = Memcached::start();
    with_cache(on(&server.url()), async {
        let mut shown = [false; 4];
        let mut known: Option<Arc<str>> = None;
        for _ in 0..200 {
            let (one, other) = (user::fetch(7).await.unwrap(), guest::fetch(7).await);
            assert_eq!(
                (&*one.name, &*other.as_ref().unwrap().name),
                ("user 7", "guest 7")
            );
            let third = shared::fetch(7).await;
            if third.is_near() {
                // Handed out without a copy.
                let known = known.get_or_insert_with(|| Arc::clone(&*third));
                assert!(Arc::ptr_eq(known, &third));
            }
            let fourth = generic::fetch::<u64>(7).await;
            assert_eq!(*fourth, Some(7));
            let near = [
                one.is_near(),
                other.is_near(),
                third.is_near(),
                fourth.is_near(),
            ];
            for (shown, near) in shown.iter_mut().zip(near) {
                *shown |= near;
            }
            if shown == [true; 4] {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{shown:?}");
    })
    .await;
}

#[tokio::test]
async fn no_copy_is_looked_at_by_who_does_not_want_one() {
    let server = Memcached::start();
    let (cache, origin) = (on(&server.url()), Origin::default());
    warm(&cache, 1, near(2000), &origin).await;
    let far = Policy::ttl(Duration::from_secs(60));
    let call = |policy| get(&cache, 1, policy, &origin);
    assert!(!call(far).await.is_near());
    let peeked = cache
        .peek::<u64>(&key("near", 1), &near(2000))
        .await
        .unwrap();
    assert!(!peeked.is_near());
    let passed = with_freshness(Freshness::Bypass, call(near(2000))).await;
    assert_eq!(*passed, 2);
    cache.forget_near();
    assert!(!call(near(2000)).await.is_near());
}

/// A refresh is a verb: its fill reads behind it what bounds older copies, as other verbs' effects
/// do, and needs no exchange of its own for that.
#[tokio::test]
async fn a_refresh_reads_the_records_in_its_own_write() {
    let server = Memcached::start();
    // A lookup and the fill; with the classic protocol the cas is read in between.
    for (protocol, exchanges) in [("meta", 2), ("classic", 3)] {
        let proxy = Proxy::start(server.port(), 1, Broken::default()).await;
        let url = format!("{}?protocol={protocol}", proxy.url());
        let cache = cache(&[
            ("CACHE_URL", &url),
            ("CACHE_NAMESPACE", protocol),
            ("CACHE_BUDGET_MS", "10000"),
        ]);
        let origin = Origin::default();
        let (key, policy) = (key("refreshed", 1), near(2000));
        let refresh = || cache.refresh(&key, &policy, || origin.call());
        refresh().await.unwrap();
        let (before, began) = (proxy.exchanges(), Instant::now());
        let refreshed = refresh().await.unwrap();
        assert_eq!(refreshed.outcome(), Outcome::Refreshed(Fill::Stored));
        assert_eq!(proxy.exchanges() - before, exchanges, "{protocol}");
        println!("{protocol}: {:?}", began.elapsed());
    }
}
