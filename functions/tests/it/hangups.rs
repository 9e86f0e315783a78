//! Clients that hang up in the middle of a request, beside clients that check every answer: what the first leave
//! behind, on connections to them or to memcached, must never be an answer to the others.

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

use crate::ask::Ask;
use crate::http::Connection;
use crate::question::{self, Question};
use crate::site::Local;

const OF_EACH_KIND: u64 = 8;
/// Of all checking clients on one protocol together; there are two protocols.
const CHECKED: u64 = 10_000;
/// A checking client empties the cache once in so many requests: keys stay cold and warm by turns.
const FLUSH_ONCE_IN: u32 = 2000;
/// Hanging up comes at most this late: about as long as a request takes that misses.
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
        let seed = question::seed();
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
        // Else it tested nothing.
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
            // Not acknowledged within its time on a busy machine: the next one will be.
            connection.ask(&Ask::flush("")).await;
        }
        let question = Question::any(&mut random);
        let answer = connection.ask(&question.ask()).await;
        let count = if answer.status != 200 || !question.is_answered_by(&answer) {
            println!("{question:?} got {answer:?}");
            &tally.wrong
        } else if answer.is_hit() {
            &tally.hits
        } else {
            &tally.misses
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends requests, one on each connection, and closes it at a random moment.
async fn hang_up(
    address: SocketAddr,
    mut random: SmallRng,
    tally: Arc<Tally>,
    ended: Arc<AtomicBool>,
) {
    while !ended.load(Ordering::Relaxed) {
        let Ask { method, target, .. } = Question::any(&mut random).ask();
        let request = format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(LATEST.mul_f64(random.random())).await;
        drop(stream);
        tally.hung_up.fetch_add(1, Ordering::Relaxed);
    }
}
