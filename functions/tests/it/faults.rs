//! A memcached that freezes or dies: every request is answered, hardly slower than by the origin, and hits come back
//! within a second.
//!
//! A busy machine may hold up one answer, but not one in each of five runs; a wrong answer fails at once.

use std::time::{Duration, Instant};

use larder_testing::Memcached;

use crate::ask::{Answer, Ask};
use crate::site::{self, Site};

/// What the contract grants the cache on top of the origin, in milliseconds.
const ALLOWED_MS: f64 = 100.0;
/// Within which hits have to be back.
const RETURN: Duration = Duration::from_secs(1);
const RUNS: usize = 5;

/// The worst that a run saw.
#[derive(Debug, Default)]
struct Run {
    slower_ms: f64,
    back_after: Duration,
}

impl Run {
    fn is_within_bounds(&self) -> bool {
        self.slower_ms <= ALLOWED_MS && self.back_after <= RETURN
    }
}

#[tokio::test]
async fn a_frozen_memcached_costs_little_and_is_used_again() {
    let memcached = Memcached::start();
    for site in site::both(site::with_default_budget(&memcached.url())).await {
        let mut runs = Vec::new();
        while !runs.last().is_some_and(Run::is_within_bounds) {
            assert!(runs.len() < RUNS, "{}: {runs:?}", site.name());
            warm(&site).await;
            memcached.stop();
            let slower_ms = slowest(&site).await;
            memcached.resume();
            let back_after = time_to_a_hit(&site).await;
            runs.push(Run {
                slower_ms,
                back_after,
            });
        }
    }
}

#[tokio::test]
async fn a_killed_memcached_costs_little_and_its_successor_is_used() {
    let mut memcached = Memcached::start();
    for site in site::both(site::with_default_budget(&memcached.url())).await {
        let mut runs = Vec::new();
        while !runs.last().is_some_and(Run::is_within_bounds) {
            assert!(runs.len() < RUNS, "{}: {runs:?}", site.name());
            warm(&site).await;
            memcached.kill();
            let slower_ms = slowest(&site).await;
            memcached.restart();
            let back_after = time_to_a_hit(&site).await;
            runs.push(Run {
                slower_ms,
                back_after,
            });
        }
    }
}

#[tokio::test]
async fn a_memcached_that_never_was_costs_little() {
    let mut memcached = Memcached::start();
    memcached.kill();
    let mut runs = Vec::new();
    while !runs.last().is_some_and(Run::is_within_bounds) {
        assert!(runs.len() < RUNS, "{runs:?}");
        let local = Site::local(&site::with_default_budget(&memcached.url())).await;
        runs.push(Run {
            slower_ms: slowest(&local).await,
            ..Run::default()
        });
    }
}

#[tokio::test]
async fn a_flush_that_no_server_acknowledged_is_a_502_that_names_the_server() {
    let mut memcached = Memcached::start();
    memcached.kill();
    for site in site::both(site::variables(&memcached.url())).await {
        let answer = site.ask(&Ask::flush("")).await;
        assert_eq!(answer.status, 502, "{}: {answer:?}", site.name());
        let server = format!("127.0.0.1:{}", memcached.port());
        assert_eq!(answer.json()["servers"], serde_json::json!([server]));
    }
}

async fn warm(site: &Site) {
    let patience = Instant::now() + Duration::from_secs(30);
    let mut last = site.get("/user/1").await;
    while !last.is_hit() {
        assert_eq!(last.status, 200, "{}: {last:?}", site.name());
        assert!(Instant::now() < patience, "{}: {last:?}", site.name());
        last = site.get("/user/1").await;
    }
}

/// Asks for known keys and new ones while there is no cache. How much slower than its origin the slowest answer was, in
/// milliseconds.
async fn slowest(site: &Site) -> f64 {
    let mut slowest: f64 = slower(site, &site.get("/heavy-op?param=while-down").await);
    for id in 100..110 {
        slowest = slowest.max(slower(site, &site.get("/user/1").await));
        slowest = slowest.max(slower(site, &site.get(&format!("/user/{id}")).await));
    }
    slowest
}

fn slower(site: &Site, answer: &Answer) -> f64 {
    assert_eq!(answer.status, 200, "{}: {answer:?}", site.name());
    assert!(!answer.is_hit(), "{}: {answer:?}", site.name());
    answer.timing("total") - answer.timing("origin")
}

async fn time_to_a_hit(site: &Site) -> Duration {
    let back = Instant::now();
    warm(site).await;
    back.elapsed()
}
