//! Several servers: where keys are kept, what a lost server costs, and discovery by a configuration
//! endpoint.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use larder::{Cache, CacheError, Outcome, Scope};
use larder_testing::{Memcached, Noise};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::support::{MINUTE, Origin, cache, key};

pub(crate) const KEYS: u64 = 400;

pub(crate) fn list(servers: &[Memcached]) -> String {
    let names: Vec<_> = servers
        .iter()
        .map(|s| format!("127.0.0.1:{}", s.port()))
        .collect();
    format!("memcached://{}", names.join(","))
}

/// Calls once for every key and counts the hits; every answer must belong to its key.
pub(crate) async fn hits(cache: &Cache) -> usize {
    let mut hits = 0;
    for n in 0..KEYS {
        let origin = || async move { Ok::<_, ()>(n) };
        let fetched = cache
            .get_or_fetch(&key("cluster", n), &MINUTE, origin)
            .await
            .unwrap();
        assert_eq!(*fetched, n);
        hits += usize::from(fetched.outcome() == Outcome::Hit);
    }
    hits
}

#[tokio::test]
async fn a_lost_server_costs_its_share_and_comes_back() {
    let mut servers: Vec<_> = (0..4).map(|_| Memcached::start()).collect();
    let cache = cache(&[("CACHE_URL", &list(&servers)), ("CACHE_BUDGET_MS", "10000")]);
    assert_eq!(hits(&cache).await, 0);
    assert_eq!(hits(&cache).await, 400);
    let held: Vec<_> = servers
        .iter()
        .map(|server| server.stat("curr_items"))
        .collect();
    assert!(held.iter().all(|held| *held > 40), "{held:?}");
    servers[2].kill();
    let share = usize::try_from(held[2]).unwrap();
    let left = hits(&cache).await;
    // The items of a server are its share of the entries, and two generations.
    assert!(
        (400 - share..=402 - share).contains(&left),
        "{left} hits without {share} items"
    );
    let error = cache.flush(Scope::All).await.unwrap_err();
    let CacheError::Unacknowledged(failed) = &error else {
        panic!("{error}")
    };
    let lost = format!("127.0.0.1:{}", servers[2].port());
    assert_eq!(
        failed
            .iter()
            .map(larder::ServerError::server)
            .collect::<Vec<_>>(),
        [lost]
    );
    servers[2].restart();
    cache.flush(Scope::All).await.unwrap();
    hits(&cache).await;
    assert_eq!(hits(&cache).await, 400);
}

/// A configuration endpoint that answers with a given list, or not at all.
pub(crate) struct Endpoint {
    port: u16,
    says: Arc<Mutex<Option<Vec<u8>>>>,
    delay: Arc<Mutex<Duration>>,
    asked: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Endpoint {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let says = Arc::new(Mutex::new(None));
        let delay = Arc::new(Mutex::new(Duration::ZERO));
        let asked = Arc::new(AtomicUsize::new(0));
        let (answer, late, count) = (says.clone(), delay.clone(), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let answer: Option<Vec<u8>> = answer.lock().unwrap().clone();
                let late = *late.lock().unwrap();
                tokio::spawn(async move {
                    let mut question = [0; 64];
                    let _ = stream.read(&mut question).await;
                    tokio::time::sleep(late).await;
                    if let Some(answer) = answer {
                        let _ = stream.write_all(&answer).await;
                    }
                    std::future::pending::<()>().await;
                });
            }
        });
        Self {
            port,
            says,
            delay,
            asked,
            task,
        }
    }

    pub(crate) fn say(&self, bytes: Option<Vec<u8>>) {
        *self.says.lock().unwrap() = bytes;
    }

    /// Delays its answers by this time from now on.
    pub(crate) fn delay(&self, late: Duration) {
        *self.delay.lock().unwrap() = late;
    }

    pub(crate) fn tell(&self, version: u64, servers: &[&Memcached]) {
        let nodes: Vec<_> = servers
            .iter()
            .map(|s| format!("127.0.0.1||{}", s.port()))
            .collect();
        let body = format!("{version}\n{}\n", nodes.join(" "));
        let answer = format!("CONFIG cluster 0 {}\r\n{body}\r\nEND\r\n", body.len());
        self.say(Some(answer.into_bytes()));
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub(crate) fn url(&self) -> String {
        format!("memcached://127.0.0.1:{}?discover=true", self.port)
    }

    pub(crate) fn cache(&self, budget: &str) -> Cache {
        let url = self.url();
        cache(&[("CACHE_URL", &url), ("CACHE_BUDGET_MS", budget)])
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn a_configuration_endpoint_tells_the_servers_and_their_replacement() {
    let mut servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let endpoint = Endpoint::start().await;
    endpoint.tell(1, &servers[..2].iter().collect::<Vec<_>>());
    let cache = endpoint.cache("5000");
    hits(&cache).await;
    assert_eq!(hits(&cache).await, 400);
    assert!(
        servers[..2]
            .iter()
            .all(|server| server.stat("curr_items") > 40)
    );
    assert_eq!(servers[2].stat("curr_items"), 0);
    // One server is replaced by another: the list is requested again after the failed connect.
    servers[1].kill();
    endpoint.tell(2, &[&servers[0], &servers[2]]);
    let begun = Instant::now();
    while servers[2].stat("curr_items") == 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "the new server is not used"
        );
        hits(&cache).await;
    }
    hits(&cache).await;
    assert_eq!(hits(&cache).await, 400);
    // An older list is ignored, and so is an invalid one.
    endpoint.tell(1, &[&servers[1]]);
    servers[2].restart();
    hits(&cache).await;
    endpoint.say(Some(b"CONFIG cluster 0 99999999999\r\n".to_vec()));
    assert_eq!(hits(&cache).await, 400);
    // A flush requests the list first: acknowledgements of outdated servers prove nothing.
    assert!(cache.flush(Scope::All).await.is_err());
    endpoint.tell(3, &[&servers[0], &servers[2]]);
    cache.flush(Scope::All).await.unwrap();
}

/// On AWS each question is a TLS handshake of a new environment.
#[tokio::test]
async fn a_ping_and_the_calls_after_it_ask_the_configuration_endpoint_once() {
    let server = Memcached::start();
    let endpoint = Endpoint::start().await;
    endpoint.tell(1, &[&server]);
    let cache = endpoint.cache("5000");
    assert!(cache.ping().await.iter().all(|(_, answer)| answer.is_ok()));
    hits(&cache).await;
    assert_eq!(hits(&cache).await, 400);
    assert_eq!(endpoint.asked(), 1);
}

#[tokio::test]
async fn an_endpoint_that_says_nothing_or_lies_is_a_miss_in_time() {
    let noise = Noise::start();
    let lies = [
        None,
        Some(b"CONFIG cluster 0 18446744073709551615\r\n".to_vec()),
        Some(b"CONFIG cluster 0 5\r\n1\n\n\n\r\nEND\r\n".to_vec()),
        Some(vec![b'x'; 100_000]),
        Some(Vec::new()),
    ];
    for lie in lies {
        let endpoint = Endpoint::start().await;
        endpoint.say(lie);
        let (cache, origin) = (endpoint.cache("50"), Origin::default());
        for n in 1..=3 {
            let begun = Instant::now();
            let key = key("lie", 1);
            let fetched = cache.get_or_fetch(&key, &MINUTE, || origin.call()).await;
            assert_eq!(*fetched.unwrap(), n);
            let took = begun.elapsed();
            assert!(took < noise.forgive(Duration::from_millis(75)), "{took:?}");
        }
        assert!(cache.flush(Scope::All).await.is_err());
    }
}

#[tokio::test]
async fn a_plain_memcached_asked_for_its_cluster_is_the_one_node() {
    let server = Memcached::start();
    let url = format!("{}?discover=true", server.url());
    let cache = cache(&[("CACHE_URL", &url), ("CACHE_BUDGET_MS", "10000")]);
    hits(&cache).await;
    assert_eq!(hits(&cache).await, 400);
}
