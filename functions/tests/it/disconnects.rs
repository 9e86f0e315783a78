//! Clients that hang up in the middle of a request run beside clients that check every answer.
//! Nothing that the former leave behind, on their connections or those to memcached, may reach the
//! latter.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use larder_testing::Memcached;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::http::Connection;
use crate::random_request::{self, RandomRequest};
use crate::request::Request;
use crate::site::Local;

const OF_EACH_KIND: u64 = 8;
/// Requests of all checking clients together, for each of the two protocols.
const CHECKED: u64 = 10_000;
/// A checking client flushes once in this many requests, so that keys are both cold and warm.
const FLUSH_ONCE_IN: u32 = 2000;
/// Clients hang up within this time, which is about the duration of a miss.
const LATEST: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
struct Tally {
    hits: AtomicU64,
    misses: AtomicU64,
    hung_up: AtomicU64,
    wrong: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_client_gets_what_another_hung_up_on() {
    for protocol in ["classic", "meta"] {
        let seed = random_request::seed();
        let memcached = Memcached::start();
        let local = Local::start(&[
            (
                "CACHE_URL",
                format!("{}?protocol={protocol}", memcached.url()),
            ),
            ("HEAVY_OP_MS", "5".to_owned()),
            ("FLUSH_AUTH", "open".to_owned()),
        ])
        .await;
        let tally = crowd(local.address, seed).await;
        println!("{protocol}: {tally:?}");
        let [hits, misses, hung_up, wrong] =
            [&tally.hits, &tally.misses, &tally.hung_up, &tally.wrong]
                .map(|count| count.load(Ordering::Relaxed));
        assert_eq!((hits + misses + wrong, wrong), (CHECKED, 0), "{protocol}");
        // Otherwise the run tested nothing.
        assert!(
            hits > CHECKED / 10 && misses > CHECKED / 100 && hung_up > CHECKED / 10,
            "{tally:?}"
        );
    }
}

async fn crowd(address: SocketAddr, seed: u64) -> Arc<Tally> {
    let (tally, ended) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
    let mut hanging_up = JoinSet::new();
    let mut checking = JoinSet::new();
    for client in 0..OF_EACH_KIND {
        let random = |kind| SmallRng::seed_from_u64(seed ^ (2 * client + kind));
        hanging_up.spawn(hang_up(address, random(0), tally.clone(), ended.clone()));
        checking.spawn(check(address, random(1), tally.clone()));
    }
    checking.join_all().await;
    ended.store(true, Ordering::Relaxed);
    hanging_up.join_all().await;
    tally
}

async fn check(address: SocketAddr, mut random: SmallRng, tally: Arc<Tally>) {
    let mut connection = Connection::open(address).await;
    for _ in 0..CHECKED / OF_EACH_KIND {
        if random.random_ratio(1, FLUSH_ONCE_IN) {
            // On a busy machine a flush may miss its deadline; the next one is acknowledged.
            connection.send(&Request::flush("")).await;
        }
        let request = RandomRequest::any(&mut random);
        let answer = connection.send(&request.request()).await;
        let count = if answer.status != 200 || !request.is_answered_by(&answer) {
            println!("{request:?} got {answer:?}");
            &tally.wrong
        } else if answer.is_hit() {
            &tally.hits
        } else {
            &tally.misses
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends one request a connection, and closes the connection at a random moment.
async fn hang_up(
    address: SocketAddr,
    mut random: SmallRng,
    tally: Arc<Tally>,
    ended: Arc<AtomicBool>,
) {
    while !ended.load(Ordering::Relaxed) {
        let Request { method, target, .. } = RandomRequest::any(&mut random).request();
        let request = format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(LATEST.mul_f64(random.random())).await;
        drop(stream);
        tally.hung_up.fetch_add(1, Ordering::Relaxed);
    }
}
