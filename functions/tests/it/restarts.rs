//! Load on the functions while memcached is restarted again and again: no answer is an error, and hits come back.
//!
//! `RESTARTS_SECONDS=120` makes it the long run, with a restart every 10 s.

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
use crate::question::{self, Question};
use crate::site::Local;

const CLIENTS: u64 = 8;
/// Of one client, from question to question.
const PACE: Duration = Duration::from_millis(25);
/// For how long memcached is gone at each restart.
const GONE: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(30);

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
    let seed = question::seed();
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
        clients.spawn(ask(local.address, random, tally.clone(), ended.clone()));
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
        assert!(begun.elapsed() < PATIENCE, "no hit came back: {tally:?}");
        tokio::time::sleep(PACE).await;
    }
}

async fn ask(address: SocketAddr, mut random: SmallRng, tally: Arc<Tally>, ended: Arc<AtomicBool>) {
    let mut connection = Connection::open(address).await;
    let mut pace = tokio::time::interval(PACE);
    // A busy machine must not have to catch up.
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !ended.load(Ordering::Relaxed) {
        pace.tick().await;
        let question = Question::any(&mut random);
        let answer = connection.ask(&question.ask()).await;
        tally.requests.fetch_add(1, Ordering::Relaxed);
        let counter = match answer.status {
            200 if !question.is_answered_by(&answer) => &tally.wrong,
            200 if answer.is_hit() => &tally.hits,
            200 => continue,
            _ => &tally.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if answer.status != 200 {
            println!("{question:?} got {answer:?}");
        }
    }
}
