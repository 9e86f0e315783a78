//! What each step of caching buys: the same load on the same origin, step by step.
//!
//! `cargo run -p larder --example ladder` (in this process), or with
//! `CACHE_URL=memcached://localhost:11211`.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use larder::{Cache, Freshness, Key, Policy, Scope, with_freshness};

const PLAIN: Policy = Policy::ttl(Duration::from_secs(60));
const STALE: Policy = PLAIN.stale_while_revalidate(Duration::from_secs(60));
/// What one origin call takes.
const ORIGIN: Duration = Duration::from_millis(50);
static CALLS: AtomicU64 = AtomicU64::new(0);

async fn double(n: u64) -> Result<u64, Infallible> {
    CALLS.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(ORIGIN).await;
    Ok(n * 2)
}

async fn double_all(all: Vec<u64>) -> Result<HashMap<u64, u64>, Infallible> {
    CALLS.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(ORIGIN).await;
    Ok(all.into_iter().map(|n| (n, n * 2)).collect())
}

fn key(n: u64) -> Key {
    Key::new("ladder", &(n,)).expect("a sound name")
}

async fn get(cache: &Cache, n: u64, policy: &Policy) {
    let Ok(fetched) = cache.get_or_fetch(&key(n), policy, || double(n)).await;
    assert_eq!(*fetched, n * 2);
}

/// Fifty callers at once; returns how long each took.
async fn crowd(cache: &Cache, policy: &Policy) -> Vec<Duration> {
    let one = async || {
        let begun = Instant::now();
        get(cache, 1, policy).await;
        begun.elapsed()
    };
    join_all((0..50).map(|_| one())).await
}

/// One line of the table; the times are those of single calls.
fn report(step: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let (median, slowest) = (times[times.len() / 2], times[times.len() - 1]);
    let calls = CALLS.swap(0, Ordering::Relaxed);
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "| {step} | {calls} | {:.2} | {:.2} |",
        ms(median),
        ms(slowest)
    );
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = match std::env::var("CACHE_URL") {
        Ok(_) => Cache::from_env()?,
        Err(_) => Cache::memory(),
    };
    cache.flush(Scope::Name("ladder")).await?;
    println!("| step | origin calls | median ms | slowest ms |");
    println!("|---|---:|---:|---:|");
    let times = with_freshness(Freshness::Bypass, crowd(&cache, &PLAIN)).await;
    report("no cache: 50 callers", times);
    report("lease: 50 callers, a cold key", crowd(&cache, &PLAIN).await);
    report("ttl: 50 callers again", crowd(&cache, &PLAIN).await);
    cache.expire(&key(1), &PLAIN).await?;
    report("past its ttl: 50 callers", crowd(&cache, &PLAIN).await);
    cache.put(&key(1), &STALE, &2_u64).await?;
    cache.expire(&key(1), &STALE).await?;
    report("the same with a stale window", crowd(&cache, &STALE).await);
    let begun = Instant::now();
    for n in 100..120 {
        get(&cache, n, &PLAIN).await;
    }
    report("20 cold keys, one by one", vec![begun.elapsed()]);
    let begun = Instant::now();
    let keyed = (200..220).map(|n| (key(n), n));
    let found = cache.get_or_fetch_many(keyed, &PLAIN, double_all).await?;
    assert_eq!(found.len(), 20);
    report("many: 20 cold keys in one call", vec![begun.elapsed()]);
    Ok(())
}
