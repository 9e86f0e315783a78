//! A memcached that freezes or dies: every request is answered, little slower than by the origin,
//! and hits return within a second.
//!
//! A busy machine may delay one answer, but not one in each of five runs. A wrong answer fails at
//! once.

use std::time::{Duration, Instant};

use larder_testing::Memcached;

use crate::request::{Request, Response};
use crate::site::{self, Site};

/// The most that the cache may add to the origin's time, in milliseconds.
const ALLOWED_MS: f64 = 100.0;
/// How soon hits must return.
const RETURN: Duration = Duration::from_secs(1);
const RUNS: usize = 5;

/// The worst values of one run.
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
        let answer = site.send(&Request::flush("")).await;
        assert_eq!(answer.status, 502, "{}: {answer:?}", site.name());
        let server = format!("127.0.0.1:{}", memcached.port());
        assert_eq!(answer.json()["servers"], serde_json::json!([server]));
    }
}

async fn warm(site: &Site) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut last = site.get("/user/1").await;
    while !last.is_hit() {
        assert_eq!(last.status, 200, "{}: {last:?}", site.name());
        assert!(Instant::now() < deadline, "{}: {last:?}", site.name());
        last = site.get("/user/1").await;
    }
}

/// Requests known and new keys while there is no cache. Returns by how much the slowest answer
/// exceeded its origin's time, in milliseconds.
async fn slowest(site: &Site) -> f64 {
    let mut slowest: f64 = slower(site, &site.get("/heavy-op?param=while-down").await);
    for id in 100..110 {
        slowest = slowest.max(slower(site, &site.get("/user/1").await));
        slowest = slowest.max(slower(site, &site.get(&format!("/user/{id}")).await));
    }
    slowest
}

fn slower(site: &Site, answer: &Response) -> f64 {
    assert_eq!(answer.status, 200, "{}: {answer:?}", site.name());
    assert!(!answer.is_hit(), "{}: {answer:?}", site.name());
    answer.timing("total") - answer.timing("origin")
}

async fn time_to_a_hit(site: &Site) -> Duration {
    let back = Instant::now();
    warm(site).await;
    back.elapsed()
}
