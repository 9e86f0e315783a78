//! What `DIAGNOSTICS=on` shows and allows, and that without it nothing is shown or allowed.

use larder_testing::Memcached;

use crate::request::{Request, Response};
use crate::site;

fn number(answer: &Response, name: &str) -> u64 {
    answer
        .header(name)
        .parse()
        .unwrap_or_else(|_| panic!("no {name} in {answer:?}"))
}

#[tokio::test]
async fn the_counters_distinguish_origin_calls_from_requests() {
    let memcached = Memcached::start();
    let mut variables = site::variables(&memcached.url());
    variables.push(("DIAGNOSTICS", "on".to_owned()));
    for site in site::both(variables).await {
        for [cold, warm] in [
            ["/heavy-op?param=a", "/heavy-op?param=a"],
            ["/user/7", "/user/7"],
        ] {
            let first = site.get(cold).await;
            let second = site.get(warm).await;
            assert!(
                !first.is_hit() && second.is_hit(),
                "{}: {first:?} {second:?}",
                site.name()
            );
            assert_eq!(first.header("x-instance").len(), 16);
            assert_eq!(first.header("x-instance"), second.header("x-instance"));
            assert_eq!(
                number(&second, "x-invocation"),
                number(&first, "x-invocation") + 1
            );
            assert_eq!(
                number(&second, "x-origin-calls"),
                number(&first, "x-origin-calls")
            );
            let third = site
                .get(&cold.replace("=a", "=b").replace("/7", "/8"))
                .await;
            assert_eq!(
                number(&third, "x-origin-calls"),
                number(&second, "x-origin-calls") + 1
            );
        }
    }
}

#[tokio::test]
async fn a_request_steers_the_cache_only_with_diagnostics() {
    let memcached = Memcached::start();
    for (diagnostics, no_cache, no_store) in [
        ("on", "larder; fwd=request; stored", "larder; fwd=request"),
        ("off", "", ""),
    ] {
        let mut variables = site::variables(&memcached.url());
        variables.push(("DIAGNOSTICS", diagnostics.to_owned()));
        for site in site::both(variables).await {
            let target = format!("/heavy-op?param=steered-{diagnostics}");
            assert!(!site.get(&target).await.is_hit());
            for (directive, expected) in [("no-cache", no_cache), ("no-store", no_store)] {
                let answer = site
                    .send(&Request::get(&target).header("cache-control", directive))
                    .await;
                let expected_now = if expected.is_empty() {
                    answer.is_hit()
                } else {
                    answer.cache_status() == expected
                };
                assert!(
                    expected_now,
                    "{} {diagnostics} {directive}: {answer:?}",
                    site.name()
                );
            }
            let unseen =
                Request::get(format!("{target}-unseen")).header("cache-control", "no-store");
            let first = site.send(&unseen).await;
            let then = site.get(&unseen.target).await;
            assert_eq!(
                then.is_hit(),
                diagnostics == "off",
                "{}: {first:?} {then:?}",
                site.name()
            );
        }
    }
}
