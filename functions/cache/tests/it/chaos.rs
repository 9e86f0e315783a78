//! Mixed operations by several tasks, of which 1 % are dropped after one to three polls. Every
//! value names its key. The same harness also runs on plain memcache-async, where it must find
//! wrong values; otherwise it could not detect any.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

use larder::{Cache, Freshness, Policy, with_freshness};
use larder_testing::{Fault, Manners, Memcached, Proxy, Routing, SplittingProxy};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

use crate::support::{cache, key};

const POLICY: Policy =
    Policy::ttl(Duration::from_secs(600)).stale_while_revalidate(Duration::from_secs(600));
const KEYS: u64 = 1000;
const TASKS: u64 = 8;

#[derive(Debug, Clone, Copy)]
enum Op {
    Get,
    Set,
    Add,
    Delete,
    Cas,
}

/// The result of an operation: the key of the value that it read, if any.
type Read = Result<Option<u64>, String>;

trait Client: Send + Sync + 'static {
    fn run(&self, op: Op, n: u64) -> impl Future<Output = Read> + Send;
}

#[derive(Debug, Default)]
struct Tally {
    right: AtomicU64,
    wrong: AtomicU64,
    missing: AtomicU64,
    errors: AtomicU64,
    cancelled: AtomicU64,
}

impl Tally {
    fn count(&self, op: Op, n: u64, read: Read) {
        let counter = match read {
            Ok(Some(of)) if of == n => &self.right,
            Ok(Some(_)) => &self.wrong,
            Ok(None) if matches!(op, Op::Get) => &self.missing,
            Ok(None) => return,
            Err(_) => &self.errors,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn numbers(&self) -> [u64; 5] {
        [
            &self.right,
            &self.wrong,
            &self.missing,
            &self.errors,
            &self.cancelled,
        ]
        .map(|counter| counter.load(Ordering::Relaxed))
    }
}

/// Polls `future` at most `polls` times; `None` if it was not ready by then.
async fn polled<F: Future>(future: F, mut polls: u32) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if polls <= 1 => Poll::Ready(None),
        Poll::Pending => {
            polls -= 1;
            Poll::Pending
        }
    })
    .await
}

/// Runs `ops` operations and cancels some of them.
async fn storm<C: Client>(client: Arc<C>, seed: u64, ops: u64, tally: &Arc<Tally>) -> [u64; 5] {
    let tasks = (0..TASKS).map(|task| {
        let (client, tally) = (client.clone(), tally.clone());
        tokio::spawn(async move {
            let mut random = SmallRng::seed_from_u64(seed * 1000 + task);
            for _ in 0..ops / TASKS {
                let n = random.random_range(0..KEYS);
                let op = match random.random_range(0..100) {
                    0..70 => Op::Get,
                    70..85 => Op::Set,
                    85..91 => Op::Add,
                    91..96 => Op::Cas,
                    _ => Op::Delete,
                };
                if random.random_ratio(1, 100) {
                    let polls = random.random_range(1..3);
                    match polled(client.run(op, n), polls).await {
                        Some(read) => tally.count(op, n, read),
                        None => _ = tally.cancelled.fetch_add(1, Ordering::Relaxed),
                    }
                } else {
                    tally.count(op, n, client.run(op, n).await);
                }
            }
        })
    });
    for task in futures_util::future::join_all(tasks).await {
        task.expect("no operation panics");
    }
    tally.numbers()
}

impl Client for Cache {
    async fn run(&self, op: Op, n: u64) -> Read {
        let key = key("chaos", n);
        // The origin always succeeds, so any error is the cache's.
        let origin = || async move { Ok::<_, String>(n) };
        match op {
            Op::Get => Ok(self
                .peek::<u64>(&key, &POLICY)
                .await
                .map(larder::Fetched::into_inner)),
            Op::Add => self
                .get_or_fetch(&key, &POLICY, origin)
                .await
                .map(|read| Some(*read)),
            Op::Cas => {
                let call = self.get_or_fetch(&key, &POLICY, origin);
                with_freshness(Freshness::Refresh, call)
                    .await
                    .map(|read| Some(*read))
            }
            // Verbs may return errors; what counts is what is read afterwards.
            Op::Set => Ok(self.put(&key, &POLICY, &n).await.ok().and(None)),
            Op::Delete => Ok(self.invalidate(&key).await.ok().and(None)),
        }
    }
}

async fn filled(settings: &[(&str, &str)]) -> Cache {
    let cache = cache(settings);
    for n in 0..KEYS {
        cache.put(&key("chaos", n), &POLICY, &n).await.unwrap();
    }
    cache
}

/// How many operations a storm has; more if `CHAOS_OPERATIONS` says so.
fn operations() -> u64 {
    let more = std::env::var("CHAOS_OPERATIONS").ok();
    more.map_or(100_000, |more| {
        more.parse().expect("a number of operations")
    })
}

async fn direct(protocol: &str, seed: u64) {
    let server = Memcached::start();
    let url = format!("{}?protocol={protocol}", server.url());
    let cache = filled(&[("CACHE_URL", &url), ("CACHE_BUDGET_MS", "10000")]).await;
    let [right, wrong, missing, errors, cancelled] =
        storm(Arc::new(cache), seed, operations(), &Arc::default()).await;
    println!("{protocol} seed {seed}: {right} right, {missing} missing, {cancelled} cancelled");
    assert_eq!((wrong, errors), (0, 0), "seed {seed}");
    assert!(
        cancelled > 100,
        "seed {seed}: hardly an operation was cancelled"
    );
    assert!(
        right > operations() / 10 * 6,
        "seed {seed}: {right} right, {missing} missing"
    );
}

async fn behind_faults(protocol: &str, seed: u64) {
    let server = Memcached::start();
    filled(&[("CACHE_URL", &server.url()), ("CACHE_BUDGET_MS", "10000")]).await;
    let query = format!("protocol={protocol}");
    faulty(server.port(), &query, seed, operations()).await;
}

/// Behind a proxy that spreads keys over three servers, as the query in the URL says that it is.
async fn behind_a_splitting_proxy(query: &str, seed: u64) {
    let servers: Vec<_> = (0..3).map(|_| Memcached::start()).collect();
    let ports: Vec<_> = servers.iter().map(Memcached::port).collect();
    let routing = match query {
        "proxy=true" => Routing::Tag,
        _ => Routing::Key,
    };
    let proxy = SplittingProxy::start_with(&ports, Manners::Twemproxy, routing).await;
    let url = format!("{}?{query}", proxy.url());
    filled(&[("CACHE_URL", &url), ("CACHE_BUDGET_MS", "10000")]).await;
    faulty(proxy.port(), query, seed, operations() / 10).await;
}

async fn faulty(port: u16, query: &str, seed: u64, operations: u64) {
    let fault = Fault {
        stall: 1,
        cut: 1,
        reset: 1,
        split: 5,
        bytes: 5,
        twice: 1,
        ..Fault::default()
    };
    let proxy = Proxy::start(port, seed, fault).await;
    let url = format!("{}?{query}", proxy.url());
    let cache = cache(&[("CACHE_URL", &url), ("CACHE_BUDGET_MS", "20")]);
    let [right, wrong, missing, errors, cancelled] =
        storm(Arc::new(cache), seed, operations, &Arc::default()).await;
    let struck = proxy.struck();
    println!(
        "{query} seed {seed}: {right} right, {missing} missing, {cancelled} cancelled, {struck} faults"
    );
    assert_eq!((wrong, errors), (0, 0), "seed {seed}");
    assert!(
        struck > operations / 200 && cancelled > operations / 1000,
        "seed {seed}: {struck} faults, {cancelled} cancelled"
    );
    assert!(
        right > operations / 5,
        "seed {seed}: {right} right, {missing} missing"
    );
}

macro_rules! storms {
    ($($name:ident: $run:ident($protocol:literal, $seed:literal);)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $run($protocol, $seed).await;
        })*
    };
}

storms! {
    no_wrong_value_with_classic_seed_1: direct("classic", 1);
    no_wrong_value_with_classic_seed_2: direct("classic", 2);
    no_wrong_value_with_classic_seed_3: direct("classic", 3);
    no_wrong_value_with_meta_seed_1: direct("meta", 1);
    no_wrong_value_with_meta_seed_2: direct("meta", 2);
    no_wrong_value_with_meta_seed_3: direct("meta", 3);
    no_wrong_value_with_classic_behind_faults_seed_1: behind_faults("classic", 1);
    no_wrong_value_with_classic_behind_faults_seed_2: behind_faults("classic", 2);
    no_wrong_value_with_classic_behind_faults_seed_3: behind_faults("classic", 3);
    no_wrong_value_with_meta_behind_faults_seed_1: behind_faults("meta", 1);
    no_wrong_value_with_meta_behind_faults_seed_2: behind_faults("meta", 2);
    no_wrong_value_with_meta_behind_faults_seed_3: behind_faults("meta", 3);
    no_wrong_value_behind_a_proxy_with_hash_tags: behind_a_splitting_proxy("proxy=true", 1);
    no_wrong_value_behind_a_proxy_without_them: behind_a_splitting_proxy("protocol=auto", 1);
}

/// memcache-async as its own examples use it: one connection behind a lock.
struct Bare(tokio::sync::Mutex<memcache_async::ascii::Protocol<tokio::net::TcpStream>>);

impl Client for Bare {
    async fn run(&self, op: Op, n: u64) -> Read {
        let mut client = self.0.lock().await;
        let (key, value) = (format!("k{n}"), n.to_string());
        let read = match op {
            Op::Get | Op::Cas => client.get(&key).await,
            Op::Set => client
                .set(&key, value.as_bytes(), 600)
                .await
                .map(|()| Vec::new()),
            Op::Add => client
                .add(&key, value.as_bytes(), 600)
                .await
                .map(|()| Vec::new()),
            Op::Delete => client.delete(&key).await.map(|()| Vec::new()),
        };
        match read {
            Ok(bytes) if bytes.is_empty() => Ok(None),
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes)
                .parse()
                .ok()
                .or(Some(u64::MAX))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_harness_finds_wrong_values_in_the_bare_client() {
    let server = Memcached::start();
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port()))
        .await
        .unwrap();
    stream.set_nodelay(true).unwrap();
    let mut bare = memcache_async::ascii::Protocol::new(stream);
    for n in 0..KEYS {
        bare.set(format!("k{n}"), n.to_string().as_bytes(), 600)
            .await
            .unwrap();
    }
    bare.version().await.unwrap();
    let client = Arc::new(Bare(tokio::sync::Mutex::new(bare)));
    // A client that is out of step may also wait for an answer that never comes; its results until
    // then count.
    let tally = Arc::default();
    let _ = tokio::time::timeout(Duration::from_secs(20), storm(client, 1, 10_000, &tally)).await;
    let [right, wrong, _, errors, _] = tally.numbers();
    println!("bare: {right} right, {wrong} wrong, {errors} errors");
    assert!(
        wrong > 0,
        "no wrong value in {right} reads: the harness is blind"
    );
}
