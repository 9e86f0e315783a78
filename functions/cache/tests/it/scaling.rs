//! A cluster that grows or shrinks while clients have lists of different age: what a verb has
//! acknowledged is not served by any of them.

use std::time::Duration;

use larder::{Cache, CacheError, Policy, Scope};
use larder_testing::{Memcached, Noise};
use tokio::time::Instant;

use crate::{clusters::Endpoint, support::key};

const KEYS: u64 = 100;
const POLICY: Policy =
    Policy::ttl(Duration::from_secs(600)).stale_while_revalidate(Duration::from_secs(600));
const OLD: u64 = 1;
const NEW: u64 = 2;

async fn read(cache: &Cache, n: u64, origin: u64) -> u64 {
    let (key, origin) = (key("scaling", n), || async move { Ok::<_, ()>(origin) });
    *cache.get_or_fetch(&key, &POLICY, origin).await.unwrap()
}

/// Has each key cached as `cache` sees the cluster.
async fn fill(cache: &Cache) {
    for n in 0..KEYS {
        read(cache, n, OLD).await;
    }
    for n in 0..KEYS {
        assert_eq!(read(cache, n, NEW).await, OLD, "{n} is cached");
    }
}

/// How many keys `cache` still serves as they were before the verbs.
async fn old(cache: &Cache) -> u64 {
    let mut old = 0;
    for n in 0..KEYS {
        old += u64::from(read(cache, n, NEW).await == OLD);
    }
    old
}

/// Sets the running clock of this test's process forward. The wall clock stays.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[derive(Debug, Clone, Copy)]
enum Verb {
    Invalidate,
    Put,
    Expire,
    Flush,
}

async fn run(verb: Verb, cache: &Cache) {
    if matches!(verb, Verb::Flush) {
        return cache.flush(Scope::All).await.unwrap();
    }
    for n in 0..KEYS {
        let key = key("scaling", n);
        let done = match verb {
            Verb::Put => cache.put(&key, &POLICY, &NEW).await,
            Verb::Expire => cache.expire(&key, &POLICY).await,
            _ => cache.invalidate(&key).await,
        };
        done.unwrap();
    }
}

const VERBS: [Verb; 4] = [Verb::Invalidate, Verb::Put, Verb::Expire, Verb::Flush];

/// The list of the client with the verbs is a minute old. Another client's is newer: its entries
/// are on the new server.
#[tokio::test]
async fn a_verb_by_a_list_that_is_a_minute_old_reaches_the_new_server() {
    let servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    for verb in VERBS {
        let endpoint = Endpoint::start().await;
        endpoint.tell(1, &[&servers[0], &servers[1]]);
        let writer = endpoint.cache("5000");
        fill(&writer).await;
        pass(Duration::from_secs(60)).await;
        endpoint.tell(2, &servers.iter().collect::<Vec<_>>());
        let reader = endpoint.cache("5000");
        fill(&reader).await;
        assert!(servers[2].stat("curr_items") > 10, "the new server is used");
        run(verb, &writer).await;
        assert_eq!(old(&reader).await, 0, "{verb:?}");
        assert_eq!(
            endpoint.asked(),
            3,
            "{verb:?}: each client at its start, and the verb"
        );
        servers
            .iter()
            .for_each(|server| drop(server.ask("flush_all\r\n", "OK")));
    }
}

/// The other way round: the other client has not learned of the change yet.
#[tokio::test]
async fn a_verb_after_a_change_reaches_the_server_that_others_still_read_from() {
    let servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let all: Vec<_> = servers.iter().collect();
    // It grows, and it shrinks: then the server that has left still answers.
    for (before, after) in [(&all[..2], &all[..]), (&all[..], &all[..2])] {
        for verb in VERBS {
            let endpoint = Endpoint::start().await;
            endpoint.tell(1, before);
            let writer = endpoint.cache("5000");
            fill(&writer).await;
            pass(Duration::from_secs(60)).await;
            let reader = endpoint.cache("5000");
            fill(&reader).await;
            endpoint.tell(2, after);
            run(verb, &writer).await;
            assert_eq!(old(&reader).await, 0, "{verb:?}");
            assert_eq!(endpoint.asked(), 3, "the reader has the list from before");
            all.iter()
                .for_each(|server| drop(server.ask("flush_all\r\n", "OK")));
        }
    }
}

/// A server that has left and is gone holds nothing up; one that has left and is silent may still
/// be read by others.
#[tokio::test]
async fn a_server_that_has_left_acknowledges_a_verb_unless_nothing_is_there() {
    let mut servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let endpoint = Endpoint::start().await;
    endpoint.tell(1, &servers.iter().collect::<Vec<_>>());
    let cache = endpoint.cache("5000");
    fill(&cache).await;
    pass(Duration::from_secs(60)).await;
    endpoint.tell(2, &servers[..2].iter().collect::<Vec<_>>());
    servers[2].stop();
    let mut silent = 0;
    for n in 0..20 {
        silent += u64::from(cache.invalidate(&key("scaling", n)).await.is_err());
    }
    assert!((1..20).contains(&silent), "{silent} of 20 keys were there");
    let CacheError::Unacknowledged(failed) = cache.flush(Scope::All).await.unwrap_err() else {
        panic!("another error")
    };
    let name = format!("127.0.0.1:{}", servers[2].port());
    assert_eq!(
        failed
            .iter()
            .map(larder::ServerError::server)
            .collect::<Vec<_>>(),
        [name]
    );
    servers[2].resume();
    cache.flush(Scope::All).await.unwrap();
    servers[2].kill();
    for n in 0..20 {
        cache.invalidate(&key("scaling", n)).await.unwrap();
    }
    cache.flush(Scope::All).await.unwrap();
}

/// Others may read by the list before for as long, and wait a second for the one after it.
#[tokio::test]
async fn a_server_that_has_left_has_to_acknowledge_for_a_minute_and_two_seconds() {
    let servers: Vec<_> = (0..2).map(|_| Memcached::start()).collect();
    let endpoint = Endpoint::start().await;
    endpoint.tell(1, &servers.iter().collect::<Vec<_>>());
    let cache = endpoint.cache("5000");
    fill(&cache).await;
    endpoint.tell(2, &[&servers[0]]);
    cache.flush(Scope::All).await.unwrap();
    pass(Duration::from_secs(60)).await;
    servers[1].stop();
    assert!(cache.flush(Scope::All).await.is_err());
    pass(Duration::from_secs(3)).await;
    cache.flush(Scope::All).await.unwrap();
}

/// As a readiness probe does that has a limit of its own.
#[tokio::test]
async fn a_ping_or_flush_that_is_dropped_keeps_no_verb_from_the_list() {
    let server = Memcached::start();
    for flushes in [false, true] {
        let endpoint = Endpoint::start().await;
        endpoint.tell(1, &[&server]);
        let cache = endpoint.cache("5000");
        fill(&cache).await;
        pass(Duration::from_secs(30)).await;
        endpoint.delay(Duration::from_secs(600));
        let asks = async {
            match flushes {
                true => drop(cache.flush(Scope::All).await),
                false => drop(cache.ping().await),
            }
        };
        let asked = async {
            while endpoint.asked() == 1 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = asks => panic!("it has not waited for the endpoint"),
            () = asked => {}
        }
        endpoint.delay(Duration::ZERO);
        pass(Duration::from_secs(30)).await;
        cache.invalidate(&key("scaling", 1)).await.unwrap();
        assert_eq!(endpoint.asked(), 3, "flushes: {flushes}");
    }
}

#[tokio::test]
async fn a_flush_and_an_invalidation_at_once_both_learn_the_list() {
    let (server, endpoint) = (Memcached::start(), Endpoint::start().await);
    endpoint.tell(1, &[&server]);
    let cache = endpoint.cache("5000");
    fill(&cache).await;
    pass(Duration::from_secs(61)).await;
    endpoint.delay(Duration::from_millis(50));
    let one = key("scaling", 1);
    let (flushed, invalidated) = tokio::join!(cache.flush(Scope::All), cache.invalidate(&one));
    flushed.unwrap();
    invalidated.unwrap();
}

/// A runtime that only now and then has something to run, beside another one.
#[test]
fn a_request_on_a_runtime_that_rests_keeps_no_verb_of_another_from_the_list() {
    let mut several = tokio::runtime::Builder::new_multi_thread();
    let behind = several.worker_threads(1).enable_all().build().unwrap();
    let runtime = || {
        let mut one = tokio::runtime::Builder::new_current_thread();
        one.enable_all().build().unwrap()
    };
    let (resting, other) = (runtime(), runtime());
    let (server, endpoint) = (Memcached::start(), behind.block_on(Endpoint::start()));
    endpoint.tell(1, &[&server]);
    let cache = endpoint.cache("5000");
    resting.block_on(async {
        fill(&cache).await;
        pass(Duration::from_secs(60)).await;
        endpoint.delay(Duration::from_secs(600));
        while endpoint.asked() == 1 {
            read(&cache, 0, NEW).await;
        }
    });
    endpoint.delay(Duration::ZERO);
    other.block_on(async {
        pass(Duration::from_secs(63)).await;
        cache.invalidate(&key("scaling", 1)).await.unwrap();
    });
    assert_eq!(endpoint.asked(), 3);
}

/// An endpoint and a server that are both silent take one second, not one each.
#[tokio::test]
async fn a_verb_has_one_second_for_the_endpoint_and_the_server() {
    let (server, endpoint) = (Memcached::start(), Endpoint::start().await);
    endpoint.tell(1, &[&server]);
    let cache = endpoint.cache("5000");
    fill(&cache).await;
    for is_silent in [false, true] {
        pass(Duration::from_secs(60)).await;
        endpoint.say(None);
        if is_silent {
            server.stop();
        }
        let (noise, begun) = (Noise::start(), Instant::now());
        cache.invalidate(&key("scaling", 1)).await.unwrap_err();
        let (took, bound) = (begun.elapsed(), noise.forgive(Duration::from_millis(1500)));
        assert!(
            took < bound,
            "silent server: {is_silent}: {took:?} of {bound:?}"
        );
        if !is_silent {
            assert_eq!(read(&cache, 1, NEW).await, NEW, "the server has deleted it");
        }
    }
}

#[tokio::test]
async fn a_verb_that_cannot_learn_the_list_has_deleted_what_it_knows_and_says_so() {
    let (server, endpoint) = (Memcached::start(), Endpoint::start().await);
    endpoint.tell(1, &[&server]);
    let cache = endpoint.cache("5000");
    fill(&cache).await;
    pass(Duration::from_secs(60)).await;
    endpoint.say(Some(b"nonsense\r\n".to_vec()));
    for n in 0..KEYS {
        let CacheError::Unacknowledged(failed) =
            cache.invalidate(&key("scaling", n)).await.unwrap_err()
        else {
            panic!("another error")
        };
        let failed: Vec<_> = failed.iter().map(larder::ServerError::server).collect();
        assert_eq!(
            failed,
            [endpoint
                .url()
                .trim_start_matches("memcached://")
                .replace("?discover=true", "")]
        );
    }
    assert_eq!(old(&cache).await, 0);
    // A second's pause, and up to half of one more, after the first answer of this kind; it
    // doubles.
    assert!((2..10).contains(&endpoint.asked()), "{}", endpoint.asked());
    endpoint.tell(1, &[&server]);
    pass(Duration::from_secs(60)).await;
    cache.invalidate(&key("scaling", 1)).await.unwrap();
}

/// As a function starts: the cache is connected to while the first calls come.
#[tokio::test]
async fn a_start_asks_the_endpoint_once_whatever_comes_first() {
    let (server, endpoint) = (Memcached::start(), Endpoint::start().await);
    endpoint.tell(1, &[&server]);
    endpoint.delay(Duration::from_millis(100));
    let cache = endpoint.cache("5000");
    let invalidated = key("scaling", 1);
    let (ping, _, invalidated) = tokio::join!(
        cache.ping(),
        read(&cache, 0, OLD),
        cache.invalidate(&invalidated)
    );
    assert!(ping.iter().all(|(_, answer)| answer.is_ok()));
    invalidated.unwrap();
    fill(&cache).await;
    assert_eq!(endpoint.asked(), 1);
}
