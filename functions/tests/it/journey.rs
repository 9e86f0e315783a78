//! The main job on a real memcached: the origin answers first, then the cache, until a flush.

use larder_testing::Memcached;
use serde_json::Value;

use crate::request::{Request, Response};
use crate::site::{self, Site};

/// `ñandú ☕`, a line break and a memcached command.
const NASTY: &str = "/heavy-op?param=%C3%B1and%C3%BA%20%E2%98%95%0D%0Aflush_all";

fn is_cold(answer: &Response) -> bool {
    answer.cache_status() == "larder; fwd=miss; stored"
}

fn source(answer: &Response) -> Value {
    answer.json()["source"].clone()
}

#[tokio::test]
async fn the_first_answer_is_the_origins_and_the_second_the_caches() {
    let memcached = Memcached::start();
    for site in site::both(site::variables(&memcached.url())).await {
        for target in [NASTY, "/heavy-op?param=a", "/user/7"] {
            let first = site.get(target).await;
            assert!(
                is_cold(&first) && source(&first) == "origin",
                "{} {target}: {first:?}",
                site.name()
            );
            let second = site.get(target).await;
            assert!(
                second.is_hit() && source(&second) == "cache",
                "{} {target}: {second:?}",
                site.name()
            );
            assert_eq!(first.json()["result"], second.json()["result"]);
            assert_eq!(second.timing("origin"), 0.0);
            assert!(second.json()["age_s"].as_f64().unwrap() >= 0.0);
        }
        let heavy = site.get("/heavy-op?param=slow").await;
        assert!(
            heavy.json()["took_ms"].as_f64().unwrap() >= 50.0,
            "{heavy:?}"
        );
        assert!(
            heavy.timing("origin") >= 50.0 && heavy.timing("total") >= heavy.timing("origin"),
            "{heavy:?}"
        );
    }
}

#[tokio::test]
async fn an_absent_user_is_a_cached_answer_too() {
    let memcached = Memcached::start();
    for site in site::both(site::variables(&memcached.url())).await {
        let first = site.get("/user/501").await;
        assert!(
            first.status == 404 && is_cold(&first),
            "{}: {first:?}",
            site.name()
        );
        let second = site.get("/user/501").await;
        assert!(
            second.status == 404 && second.is_hit(),
            "{}: {second:?}",
            site.name()
        );
        let ttl: i64 = second
            .cache_status()
            .rsplit('=')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        assert!((0..=10).contains(&ttl), "a short while, not {ttl} s");
    }
}

#[tokio::test]
async fn a_flush_empties_what_it_names_and_nothing_else() {
    let memcached = Memcached::start();
    for site in site::both(site::variables(&memcached.url())).await {
        for (scope, heavy_op_is_hit, user_is_hit) in [
            ("heavy-op", false, true),
            ("user", true, false),
            ("all", false, false),
        ] {
            warm(&site).await;
            let flushed = site
                .send(&Request::flush(&format!(r#"{{"scope":"{scope}"}}"#)))
                .await;
            assert_eq!(flushed.body, format!(r#"{{"flushed":"{scope}"}}"#));
            let (heavy_op, user) = (site.get(NASTY).await, site.get("/user/7").await);
            assert_eq!(
                heavy_op.is_hit(),
                heavy_op_is_hit,
                "{} {scope}: {heavy_op:?}",
                site.name()
            );
            assert_eq!(
                user.is_hit(),
                user_is_hit,
                "{} {scope}: {user:?}",
                site.name()
            );
        }
    }
}

async fn warm(site: &Site) {
    for target in [NASTY, "/user/7"] {
        site.get(target).await;
        let answer = site.get(target).await;
        assert!(answer.is_hit(), "{}: {answer:?}", site.name());
    }
}

#[tokio::test]
async fn flushing_one_namespace_leaves_the_others_entries() {
    let memcached = Memcached::start();
    let [one, other] = site::both(site::variables(&memcached.url())).await;
    for (flushed, kept) in [(&one, &other), (&other, &one)] {
        warm(flushed).await;
        warm(kept).await;
        assert_eq!(flushed.send(&Request::flush("")).await.status, 200);
        assert!(kept.get(NASTY).await.is_hit() && kept.get("/user/7").await.is_hit());
        assert!(!flushed.get(NASTY).await.is_hit() && !flushed.get("/user/7").await.is_hit());
    }
}

#[tokio::test]
async fn two_processes_share_what_one_of_them_computed() {
    let memcached = Memcached::start();
    let variables = site::variables(&memcached.url());
    let (functions, local) = (
        Site::functions(&variables).await,
        Site::local(&variables).await,
    );
    assert!(is_cold(&functions.get(NASTY).await));
    assert!(local.get(NASTY).await.is_hit());
    assert!(is_cold(&local.get("/user/7").await));
    assert!(functions.get("/user/7").await.is_hit());
}
