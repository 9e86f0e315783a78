//! Load on the local server while memcached restarts again and again: no answer is an error, and
//! hits return.
//!
//! `RESTARTS_SECONDS=120` makes a long run, with a restart every 10 s.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use larder_testing::Memcached;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::http::Connection;
use crate::random_request::{self, RandomRequest};
use crate::site::Local;

const CLIENTS: u64 = 8;
/// The time between two requests of one client.
const PACE: Duration = Duration::from_millis(25);
/// How long memcached is down at each restart.
const GONE: Duration = Duration::from_millis(300);
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Tally {
    requests: AtomicU64,
    hits: AtomicU64,
    failed: AtomicU64,
    wrong: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_restart_of_memcached_becomes_an_error() {
    let seconds = std::env::var("RESTARTS_SECONDS")
        .map_or(12, |seconds| seconds.parse().expect("RESTARTS_SECONDS"));
    let length = Duration::from_secs(seconds);
    let every = (length / 6).min(Duration::from_secs(10));
    let seed = random_request::seed();
    let mut memcached = Memcached::start();
    let local = Local::start(&[
        ("CACHE_URL", memcached.url()),
        ("HEAVY_OP_MS", "5".to_owned()),
    ])
    .await;
    let (tally, ended) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let random = SmallRng::seed_from_u64(seed ^ client);
        clients.spawn(send(local.address, random, tally.clone(), ended.clone()));
    }
    let begun = Instant::now();
    let mut restarts = 0;
    until_hits_come(&tally).await;
    while begun.elapsed() + every < length {
        tokio::time::sleep(every).await;
        memcached.kill();
        tokio::time::sleep(GONE).await;
        memcached = tokio::task::spawn_blocking(move || {
            memcached.restart();
            memcached
        })
        .await
        .unwrap();
        restarts += 1;
        until_hits_come(&tally).await;
    }
    ended.store(true, Ordering::Relaxed);
    clients.join_all().await;
    println!("{restarts} restarts in {:?}: {tally:?}", begun.elapsed());
    let [failed, wrong] = [&tally.failed, &tally.wrong].map(|count| count.load(Ordering::Relaxed));
    assert_eq!((failed, wrong), (0, 0));
}

async fn until_hits_come(tally: &Tally) {
    let (begun, before) = (Instant::now(), tally.hits.load(Ordering::Relaxed));
    while tally.hits.load(Ordering::Relaxed) == before {
        assert!(begun.elapsed() < TIMEOUT, "no hit came back: {tally:?}");
        tokio::time::sleep(PACE).await;
    }
}

async fn send(
    address: SocketAddr,
    mut random: SmallRng,
    tally: Arc<Tally>,
    ended: Arc<AtomicBool>,
) {
    let mut connection = Connection::open(address).await;
    let mut pace = tokio::time::interval(PACE);
    // After a delay on a busy machine, the missed requests are not sent.
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !ended.load(Ordering::Relaxed) {
        pace.tick().await;
        let request = RandomRequest::any(&mut random);
        let answer = connection.send(&request.request()).await;
        tally.requests.fetch_add(1, Ordering::Relaxed);
        let counter = match answer.status {
            200 if !request.is_answered_by(&answer) => &tally.wrong,
            200 if answer.is_hit() => &tally.hits,
            200 => continue,
            _ => &tally.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if answer.status != 200 {
            println!("{request:?} got {answer:?}");
        }
    }
}
