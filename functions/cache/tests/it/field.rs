use std::time::{Duration, Instant};

use larder::{BreakerState, Cache, CacheError, CacheFailure, Fill, Outcome, Policy, Scope};
use larder_testing::{Fault, Manners, Memcached, Peer, Proxy, Script, SplittingProxy};

use crate::{
    clusters::Endpoint,
    support::{MINUTE, at, cache, key},
};

async fn outcome(cache: &Cache, n: u64) -> Outcome {
    let origin = || async move { Ok::<_, ()>(n) };
    let fetched = cache.get_or_fetch(&key("field", n), &MINUTE, origin).await;
    let fetched = fetched.unwrap();
    assert_eq!(*fetched, n);
    fetched.outcome()
}

/// A name with a label that is too long for DNS: no resolver has to be asked.
fn no_name() -> String {
    format!("{}.invalid", "x".repeat(64))
}

async fn proxied(manners: Manners) -> (Vec<Memcached>, SplittingProxy) {
    let servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let ports: Vec<_> = servers.iter().map(Memcached::port).collect();
    let proxy = SplittingProxy::start(&ports, manners).await;
    (servers, proxy)
}

#[tokio::test]
async fn a_proxy_that_knows_no_meta_command_is_used_with_the_classic_protocol() {
    for manners in [Manners::Twemproxy, Manners::Mcrouter, Manners::Silent] {
        let (_servers, proxy) = proxied(manners).await;
        let cache = at(&proxy.url());
        for n in 0..20 {
            let first = outcome(&cache, n).await;
            assert_eq!(first, Outcome::Miss(Fill::Stored), "{manners:?}");
            assert_eq!(outcome(&cache, n).await, Outcome::Hit, "{manners:?}");
        }
        assert_eq!(
            proxy.connections(),
            2,
            "{manners:?}: one to learn, one to use"
        );
        // More callers need more connections, which are not asked again.
        for round in 0..20 {
            let calls = (0..64).map(|n| outcome(&cache, 100 * round + n));
            futures_util::future::join_all(calls).await;
        }
        let connections = proxy.connections();
        assert!(connections <= 9, "{manners:?}: {connections}");
        cache.flush(Scope::All).await.unwrap();
        for n in 0..20 {
            let again = outcome(&cache, n).await;
            assert_eq!(again, Outcome::Miss(Fill::Stored), "{manners:?}");
        }
    }
}

#[tokio::test]
async fn an_acknowledgement_is_the_servers_own_answer_to_the_delete() {
    let (_servers, proxy) = proxied(Manners::DropsNoreply).await;
    let cache = at(&format!("{}?protocol=classic", proxy.url()));
    outcome(&cache, 1).await;
    assert_eq!(outcome(&cache, 1).await, Outcome::Hit);
    cache.invalidate(&key("field", 1)).await.unwrap();
    assert_eq!(outcome(&cache, 1).await, Outcome::Miss(Fill::Stored));
    cache.flush(Scope::Name("field")).await.unwrap();
    assert_eq!(outcome(&cache, 1).await, Outcome::Miss(Fill::Stored));
    assert_eq!(outcome(&cache, 1).await, Outcome::Hit);
}

/// The proxy takes no line above 16 KB.
#[tokio::test]
async fn many_long_keys_are_asked_for_in_lines_below_16_kilobytes() {
    const STALE: Policy = MINUTE.stale_while_revalidate(Duration::from_secs(60));
    let (_servers, proxy) = proxied(Manners::Twemproxy).await;
    let namespace = "n".repeat(64);
    let cache = cache(&[
        ("CACHE_URL", &format!("{}?protocol=classic", proxy.url())),
        ("CACHE_NAMESPACE", &namespace),
        ("CACHE_BUDGET_MS", "10000"),
    ]);
    let name: &'static str = "a_function_whose_name_is_as_long_as_it_may_be_in_a_key";
    let mut hits = Vec::new();
    for _ in 0..2 {
        let keyed = (0..500_u64).map(|n| (key(name, n), n));
        let origin = |all: Vec<u64>| async move { Ok::<_, ()>(all.into_iter().map(|n| (n, n))) };
        let fetched = cache.get_or_fetch_many(keyed, &STALE, origin).await;
        let fetched = fetched.unwrap();
        assert!(fetched.iter().all(|(n, fetched)| *n == **fetched));
        hits.push(fetched.values().filter(|fetched| fetched.is_hit()).count());
    }
    assert_eq!(hits, [0, 500]);
}

#[tokio::test]
async fn a_server_with_a_password_is_logged_in_to_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users");
    std::fs::write(&file, "larder:p@ss:word\n").unwrap();
    let server = Memcached::start_with(&["-Y", file.to_str().unwrap()]);
    let port = server.port();
    for protocol in ["auto", "classic", "meta"] {
        let with = |login: &str| {
            cache(&[
                (
                    "CACHE_URL",
                    &format!("memcached://{login}127.0.0.1:{port}?protocol={protocol}"),
                ),
                ("CACHE_NAMESPACE", protocol),
                ("CACHE_BUDGET_MS", "10000"),
            ])
        };
        let known = with("larder:p%40ss:word@");
        assert_eq!(outcome(&known, 1).await, Outcome::Miss(Fill::Stored));
        assert_eq!(outcome(&known, 1).await, Outcome::Hit, "{protocol}");
        known.invalidate(&key("field", 1)).await.unwrap();
        assert!(!format!("{known:?}").contains("word"));
        for (login, text) in [
            ("", "it asks for a user and a password"),
            ("larder:p%40ss:wort@", "it refuses this user and password"),
        ] {
            let unknown = with(login);
            let failed = Outcome::Miss(Fill::Failed(CacheFailure::Login));
            assert_eq!(outcome(&unknown, 1).await, failed, "{protocol} {login}");
            let ping = unknown.ping().await.remove(0).1.unwrap_err().to_string();
            assert!(ping.contains(text), "{protocol}: {ping}");
            assert!(!ping.contains("wort"), "{ping}");
        }
    }
}

/// A server without passwords takes the login for a `set`.
#[tokio::test]
async fn a_login_that_nobody_asks_for_leaves_no_password() {
    let server = Memcached::start();
    let cache = at(&format!(
        "memcached://larder:hunter2@127.0.0.1:{}",
        server.port()
    ));
    assert_eq!(outcome(&cache, 1).await, Outcome::Miss(Fill::Stored));
    assert_eq!(outcome(&cache, 1).await, Outcome::Hit);
    let kept = server.ask("get larder:login\r\n", "END\r\n");
    assert_eq!(kept, "END\r\n");
}

/// Redis, among others, repeats what it does not understand.
#[tokio::test]
async fn a_peer_that_repeats_the_password_is_not_quoted() {
    let echo = b"-ERR unknown command 'larder', with args beginning with: 'hunter2'\r\n".repeat(3);
    let peer = Peer::start(Script::Greet(echo)).await;
    let url = peer.url().replace("://", "://larder:hunter2@");
    let cache = at(&url);
    let protocol = Outcome::Miss(Fill::Failed(CacheFailure::Protocol));
    assert_eq!(outcome(&cache, 1).await, protocol);
    let error = cache.invalidate(&key("field", 1)).await.unwrap_err();
    assert!(error.to_string().contains("greets"), "{error}");
    assert!(
        !format!("{error} {error:?}").contains("hunter2"),
        "{error:?}"
    );
}

/// `-M`: no memory is an error, and nothing is evicted.
#[tokio::test]
async fn a_full_server_refuses_items_and_serves_the_others() {
    for protocol in ["classic", "meta"] {
        let server = Memcached::start_with(&["-M", "-m", "2"]);
        let proxy = Proxy::start(server.port(), 1, Fault::default()).await;
        let cache = at(&format!("{}?protocol={protocol}", proxy.url()));
        let large = "x".repeat(100_000);
        let mut stored = 0;
        for n in 0..100 {
            let put = cache.put(&key("large", n), &MINUTE, &large).await;
            stored += u64::from(put.is_ok());
        }
        assert!((1..100).contains(&stored), "{protocol}: {stored}");
        let connections = proxy.connections();
        let call = async |n: u64| {
            let origin = || async { Ok::<_, ()>(large.clone()) };
            let fetched = cache.get_or_fetch(&key("large", n), &MINUTE, origin).await;
            fetched.unwrap().outcome()
        };
        for n in 1000..1100 {
            let refused = Outcome::Miss(Fill::Failed(CacheFailure::Full));
            assert_eq!(call(n).await, refused, "{protocol}");
            assert_eq!(call(0).await, Outcome::Hit, "{protocol}");
        }
        assert_eq!(cache.stats().failures[CacheFailure::Full], 100);
        // Leases that may be there are given back beside the calls.
        let new = proxy.connections() - connections;
        assert!(new <= 7, "{protocol}: {new} new connections");
    }
}

#[tokio::test]
async fn connections_that_were_forgotten_cost_one_call_its_budget() {
    for protocol in ["classic", "meta"] {
        let server = Memcached::start();
        let proxy = Proxy::start(server.port(), 1, Fault::default()).await;
        let cache = cache(&[
            ("CACHE_URL", &format!("{}?protocol={protocol}", proxy.url())),
            ("CACHE_BUDGET_MS", "500"),
        ]);
        for _ in 0..20 {
            let calls = (0..64).map(|n| outcome(&cache, n));
            futures_util::future::join_all(calls).await;
        }
        let idle = proxy.connections();
        assert!(idle >= 4, "{protocol}: {idle} connections");
        // As long as a connection has to lie to be checked before its next use.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        proxy.forget();
        let mut lost = 0;
        for n in 0..20 {
            lost += u32::from(outcome(&cache, n).await != Outcome::Hit);
        }
        assert_eq!(lost, 1, "{protocol}: with {idle} forgotten connections");
    }
}

#[tokio::test]
async fn why_a_server_is_out_of_reach_is_counted_and_said() {
    let cache = at(&format!("memcached://{}", no_name()));
    let unresolved = Outcome::Miss(Fill::Failed(CacheFailure::Dns));
    assert_eq!(outcome(&cache, 1).await, unresolved);
    assert_eq!(cache.stats().failures[CacheFailure::Dns], 1);
    let error = cache.invalidate(&key("field", 1)).await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("cannot be resolved: "), "{error}");
    let refused = at("memcached://127.0.0.1:1").ping().await.remove(0).1;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("Connection refused (os error"), "{error}");
}

/// Tries again within the pause that the breaker makes.
#[tokio::test]
async fn a_verb_tries_a_server_whose_breaker_is_open() {
    const STALE: Policy = MINUTE.stale_while_revalidate(Duration::from_secs(60));
    let mut server = Memcached::start();
    for protocol in ["classic", "meta"] {
        for verb in ["put", "expire"] {
            let cache = at(&format!("{}?protocol={protocol}", server.url()));
            server.kill();
            for n in 0..20 {
                outcome(&cache, n).await;
            }
            let open = vec![(format!("127.0.0.1:{}", server.port()), BreakerState::Open)];
            assert_eq!(cache.breakers(), open);
            let key = key("field", 1);
            let run = async || match verb {
                "put" => cache.put(&key, &STALE, &1_u64).await,
                _ => cache.expire(&key, &STALE).await,
            };
            let refused = run().await.unwrap_err().to_string();
            assert!(refused.contains("refused"), "{protocol} {verb}: {refused}");
            server.restart();
            run().await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_verbs_of_a_disabled_cache_say_so_and_ask_no_server() {
    let server = Memcached::start();
    let proxy = Proxy::start(server.port(), 1, Fault::default()).await;
    let cache = cache(&[("CACHE_URL", &proxy.url()), ("CACHE_DISABLED", "true")]);
    let key = key("field", 1);
    let disabled = Err(CacheError::Disabled);
    assert_eq!(cache.invalidate(&key).await, disabled);
    assert_eq!(cache.expire(&key, &MINUTE).await, disabled);
    assert_eq!(cache.put(&key, &MINUTE, &1_u64).await, disabled);
    assert_eq!(cache.flush(Scope::All).await, disabled);
    assert_eq!(proxy.connections(), 0);
}

/// `outcome` compares each value with its key, while the connection to the proxy breaks now and
/// then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_proxy_every_value_is_that_of_its_key() {
    let (_servers, proxy) = proxied(Manners::Twemproxy).await;
    let cracked = Fault {
        cut: 2,
        reset: 2,
        split: 10,
        ..Fault::default()
    };
    let broken = Proxy::start(proxy.port(), 7, cracked).await;
    let cache = at(&broken.url());
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..8 {
        let cache = cache.clone();
        callers.spawn(async move {
            for n in 0..2500 {
                let n = (n * 7 + caller * 13) % 200;
                let call = outcome(&cache, n);
                if n % 50 == caller {
                    // Left in the middle.
                    let _ = tokio::time::timeout(Duration::from_micros(200), call).await;
                } else {
                    call.await;
                }
                if n % 31 == caller {
                    let _ = cache.invalidate(&key("field", n)).await;
                }
            }
        });
    }
    callers.join_all().await;
    assert!(broken.struck() > 10, "hardly anything failed");
    let stats = cache.stats();
    assert!(stats.hit > stats.miss, "{stats:?}");
}

/// Nothing else would have the list asked for again within a minute, and an older one is believed
/// only of a cluster that was made anew.
#[tokio::test]
async fn a_cluster_that_was_made_anew_replaces_nodes_whose_names_are_gone() {
    let (server, endpoint) = (Memcached::start(), Endpoint::start().await);
    let gone = format!("12\n{}||11211\n", no_name());
    let list = format!("CONFIG cluster 0 {}\r\n{gone}\r\nEND\r\n", gone.len());
    endpoint.say(Some(list.into_bytes()));
    let cache = endpoint.cache("5000");
    let unresolved = Outcome::Miss(Fill::Failed(CacheFailure::Dns));
    assert_eq!(outcome(&cache, 1).await, unresolved);
    endpoint.tell(2, &[&server]);
    let begun = Instant::now();
    while outcome(&cache, 1).await != Outcome::Hit {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "the new node is not used"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
