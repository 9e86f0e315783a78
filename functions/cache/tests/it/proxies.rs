//! A proxy that spreads keys over servers: with `?proxy=true` an item and its generations are on one
//! of them, so that they are lost together. A proxy that does not do that is refused, and one that
//! was not expected is named.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use larder::{Cache, CacheFailure, Fill, Key, Outcome, Policy, Scope};
use larder_testing::{Manners, Memcached, Routing, SplittingProxy};

use crate::support::{MINUTE, alone, at, cache, key, logged};

const OLD: u64 = 1;
const NEW: u64 = 2;

async fn proxied(routing: Routing) -> (Vec<Memcached>, SplittingProxy) {
    let servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let ports: Vec<_> = servers.iter().map(Memcached::port).collect();
    let proxy = SplittingProxy::start_with(&ports, Manners::Twemproxy, routing).await;
    (servers, proxy)
}

/// The value, and how it came.
async fn read(cache: &Cache, key: &Key, origin: u64) -> (u64, Outcome) {
    let origin = || async move { Ok::<_, ()>(origin) };
    let fetched = cache.get_or_fetch(key, &MINUTE, origin).await.unwrap();
    (*fetched, fetched.outcome())
}

/// The answer to one command, whose last line is `end`.
fn ask(server: &Memcached, command: &[u8], end: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream.write_all(command).unwrap();
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    while !answer.ends_with(end) {
        let n = stream.read(&mut chunk).unwrap();
        assert!(n > 0, "closed after {answer:?}");
        answer.extend_from_slice(&chunk[..n]);
    }
    answer
}

/// What `server` has under `key`.
fn held(server: &Memcached, key: &str) -> Option<Vec<u8>> {
    let answer = ask(server, format!("get {key}\r\n").as_bytes(), b"END\r\n");
    let line = answer.iter().position(|byte| *byte == b'\n')? + 1;
    let value = answer[line..].strip_suffix(b"\r\nEND\r\n")?;
    Some(value.to_vec())
}

/// What a call would store whose lease was read before its server restarted, if its cas value was
/// given to another lease since: an entry of the server's last life. Whether it is served.
async fn is_served_after_a_restart(cache: &Cache, servers: &mut [Memcached], n: u64) -> bool {
    let key = key("proxied", n);
    read(cache, &key, OLD).await;
    assert_eq!(read(cache, &key, NEW).await, (OLD, Outcome::Hit));
    let hex: String = key
        .digest()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let plain = format!("larder:proxied:{hex}");
    let tagged = format!("{{{}}}|#|{plain}", key.digest()[0] % 64);
    let at = |key: &str| {
        servers
            .iter()
            .position(|server| held(server, key).is_some())
    };
    let (place, item) = [plain, tagged]
        .into_iter()
        .find_map(|key| Some((at(&key)?, key)))
        .expect("one of them has the entry");
    let entry = held(&servers[place], &item).unwrap();
    servers[place].restart();
    let mut set = format!("set {item} 0 60 {}\r\n", entry.len()).into_bytes();
    set.extend_from_slice(&entry);
    set.extend_from_slice(b"\r\n");
    ask(&servers[place], &set, b"STORED\r\n");
    // The proxy's connection to the server has to be made anew first.
    for _ in 0..20 {
        match read(cache, &key, NEW).await {
            (OLD, _) => return true,
            (_, Outcome::Hit) => return false,
            _ => {}
        }
    }
    panic!("nothing is cached any more")
}

#[tokio::test]
async fn an_entry_of_a_servers_last_life_is_not_served() {
    let (mut servers, proxy) = proxied(Routing::Tag).await;
    let cache = at(&format!("{}?proxy=true", proxy.url()));
    for n in 0..20 {
        assert!(
            !is_served_after_a_restart(&cache, &mut servers, n).await,
            "{n}"
        );
    }
    // Without that setting the generations may be on another server, which goes on.
    let cache = at(&proxy.url());
    let mut served = 0;
    for n in 0..20 {
        served += u64::from(is_served_after_a_restart(&cache, &mut servers, n).await);
    }
    assert!(served > 0, "this test would not find anything");
}

#[tokio::test]
async fn calls_and_verbs_behind_a_proxy_with_hash_tags() {
    let (servers, proxy) = proxied(Routing::Tag).await;
    let cache = at(&format!("{}?proxy=true", proxy.url()));
    let missed = Outcome::Miss(Fill::Stored);
    let fill = async |name: &'static str, expected: Outcome| {
        for n in 0..200 {
            assert_eq!(
                read(&cache, &key(name, n), n).await,
                (n, expected),
                "{name}"
            );
        }
    };
    for name in ["one", "other"] {
        fill(name, missed).await;
        fill(name, Outcome::Hit).await;
    }
    assert!(servers.iter().all(|server| server.stat("curr_items") > 20));
    cache.flush(Scope::Name("one")).await.unwrap();
    fill("one", missed).await;
    fill("other", Outcome::Hit).await;
    cache.flush(Scope::All).await.unwrap();
    fill("one", missed).await;
    fill("other", missed).await;
    cache.invalidate(&key("one", 7)).await.unwrap();
    assert_eq!(read(&cache, &key("one", 7), NEW).await, (NEW, missed));
    cache.put(&key("one", 7), &MINUTE, &OLD).await.unwrap();
    assert_eq!(read(&cache, &key("one", 7), NEW).await, (OLD, Outcome::Hit));
    let keyed = (0..200).map(|n| (key("other", n), n));
    let origin = |_| async { Ok::<_, ()>(Vec::<(u64, u64)>::new()) };
    let many = cache
        .get_or_fetch_many(keyed, &MINUTE, origin)
        .await
        .unwrap();
    assert!(many.len() == 200 && many.iter().all(|(n, fetched)| *n == **fetched));
    assert!(
        cache
            .configuration()
            .to_string()
            .contains("?proxy=true&protocol=classic")
    );
}

#[tokio::test]
async fn a_proxy_that_ignores_hash_tags_is_refused() {
    let (_servers, proxy) = proxied(Routing::Key).await;
    let cache = at(&format!("{}?proxy=true", proxy.url()));
    let refused = Outcome::Miss(Fill::Failed(CacheFailure::Protocol));
    assert_eq!(read(&cache, &key("refused", 1), NEW).await, (NEW, refused));
    let error = cache.flush(Scope::All).await.unwrap_err().to_string();
    assert!(
        error.contains("one hash tag over several servers"),
        "{error}"
    );
    // One server behind it keeps everything together.
    let server = Memcached::start();
    let proxy = SplittingProxy::start(&[server.port()], Manners::Twemproxy).await;
    let cache = at(&format!("{}?proxy=true", proxy.url()));
    read(&cache, &key("kept", 1), OLD).await;
    assert_eq!(
        read(&cache, &key("kept", 1), NEW).await,
        (OLD, Outcome::Hit)
    );
}

#[test]
fn a_proxy_that_was_not_expected_is_named_and_allows_no_near_copies() {
    if !alone("proxies::a_proxy_that_was_not_expected_is_named_and_allows_no_near_copies") {
        return;
    }
    const NEAR: Policy = MINUTE.near(Duration::from_secs(2));
    let near = async |url: &str| {
        let settings = [
            ("CACHE_URL", url),
            ("CACHE_NEAR", "on"),
            ("CACHE_BUDGET_MS", "10000"),
        ];
        let cache = cache(&settings);
        for _ in 0..20 {
            let origin = || async { Ok::<_, ()>(NEW) };
            let key = key("near", 1);
            assert_eq!(*cache.get_or_fetch(&key, &NEAR, origin).await.unwrap(), NEW);
        }
        cache.stats().near_hit
    };
    let lines = logged(async {
        let (servers, proxy) = proxied(Routing::Key).await;
        assert_eq!(near(&proxy.url()).await, 0);
        assert!(
            near(&servers[0].url()).await > 0,
            "without the proxy there are some"
        );
    });
    let named = lines
        .lines()
        .filter(|line| line.contains("a proxy spreads keys"));
    assert_eq!(named.count(), 1, "{lines}");
}
