//! A memcached that freezes or dies: every request is answered, hardly slower than by the origin, and hits come back
//! within a second.

use std::time::{Duration, Instant};

use crate::ask::Answer;
use crate::memcached::Memcached;
use crate::site::{self, Site};

/// What the contract grants the cache on top of the origin, in milliseconds.
const ALLOWED_MS: f64 = 100.0;

#[tokio::test]
async fn a_frozen_memcached_costs_little_and_is_used_again() {
    let memcached = Memcached::start().await;
    for site in site::both(site::with_default_budget(&memcached.url())).await {
        warm(&site).await;
        memcached.freeze();
        every_request_is_answered(&site).await;
        memcached.thaw();
        hits_are_back_within_a_second(&site).await;
    }
}

#[tokio::test]
async fn a_killed_memcached_costs_little_and_its_successor_is_used() {
    let mut memcached = Memcached::start().await;
    for site in site::both(site::with_default_budget(&memcached.url())).await {
        warm(&site).await;
        memcached.kill();
        every_request_is_answered(&site).await;
        memcached.start_again().await;
        hits_are_back_within_a_second(&site).await;
    }
}

#[tokio::test]
async fn a_memcached_that_never_was_costs_little() {
    let mut memcached = Memcached::start().await;
    memcached.kill();
    for site in site::both(site::with_default_budget(&memcached.url())).await {
        every_request_is_answered(&site).await;
    }
}

async fn warm(site: &Site) {
    site.get("/user/1").await;
    let answer = site.get("/user/1").await;
    assert!(answer.is_hit(), "{}: {answer:?}", site.name());
}

/// Known keys and new ones, one after another and at once.
async fn every_request_is_answered(site: &Site) {
    for round in 0..10 {
        check(site, &site.get("/user/1").await);
        check(site, &site.get(&format!("/user/{}", 100 + round)).await);
        check(
            site,
            &site.get(&format!("/heavy-op?param=fault-{round}")).await,
        );
    }
}

fn check(site: &Site, answer: &Answer) {
    assert_eq!(answer.status, 200, "{}: {answer:?}", site.name());
    assert!(!answer.is_hit(), "{}: {answer:?}", site.name());
    let slower = answer.timing("total") - answer.timing("origin");
    assert!(
        slower <= ALLOWED_MS,
        "{}: {slower} ms slower than the origin: {answer:?}",
        site.name()
    );
}

async fn hits_are_back_within_a_second(site: &Site) {
    let back = Instant::now();
    let mut last = site.get("/user/1").await;
    while !last.is_hit() {
        assert!(
            back.elapsed() < Duration::from_secs(1),
            "{}: no hit after 1 s: {last:?}",
            site.name()
        );
        last = site.get("/user/1").await;
    }
}
