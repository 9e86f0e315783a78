use std::time::Duration;

use larder::{
    CacheError, Fill, Freshness, Outcome, Policy, Scope, Source, with_cache, with_freshness,
};
use larder_testing::Memcached;

use crate::support::{MINUTE, Origin, alone, at, cache, every_store, key, logged};

#[tokio::test]
async fn the_first_call_is_a_miss_and_the_second_a_hit() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (origin, key) = (Origin::default(), key("calls", 1));
        let first = cache
            .get_or_fetch(&key, &MINUTE, || origin.call())
            .await
            .unwrap();
        assert_eq!(
            first.outcome(),
            Outcome::Miss(Fill::Stored),
            "{}",
            cache.location()
        );
        assert_eq!(
            (first.source(), first.ttl_left(), *first),
            (Source::Origin, 60, 1)
        );
        assert!(first.origin_time().is_some());
        let second = cache
            .get_or_fetch(&key, &MINUTE, || origin.call())
            .await
            .unwrap();
        assert_eq!(second.outcome(), Outcome::Hit, "{}", cache.location());
        assert!(second.is_hit() && second.origin_time().is_none());
        assert!((59..=60).contains(&second.ttl_left()));
        assert_eq!((*second, origin.calls()), (1, 1));
        let stats = cache.stats();
        assert_eq!(
            (stats.hit, stats.miss, stats.stored, stats.unreadable),
            (1, 1, 1, 0)
        );
    }
}

#[tokio::test]
async fn classic_and_meta_callers_share_entries_on_one_server() {
    let server = Memcached::start();
    let classic = at(&format!("{}?protocol=classic", server.url()));
    let meta = at(&format!("{}?protocol=meta", server.url()));
    let origin = Origin::default();
    for (n, writer, reader) in [(1, &classic, &meta), (2, &meta, &classic)] {
        let key = key("shared", n);
        writer
            .get_or_fetch(&key, &MINUTE, || origin.call())
            .await
            .unwrap();
        assert!(
            reader
                .get_or_fetch(&key, &MINUTE, || origin.call())
                .await
                .unwrap()
                .is_hit()
        );
        reader.invalidate(&key).await.unwrap();
        let again = writer
            .get_or_fetch(&key, &MINUTE, || origin.call())
            .await
            .unwrap();
        assert_eq!(again.outcome(), Outcome::Miss(Fill::Stored));
    }
}

#[tokio::test]
async fn invalidate_removes_one_key_and_flush_one_name_or_all() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let origin = Origin::default();
        let keys = [key("a", 1), key("a", 2), key("b", 1)];
        let fill = async || {
            for key in &keys {
                cache
                    .get_or_fetch(key, &MINUTE, || origin.call())
                    .await
                    .unwrap();
            }
        };
        let there = async || {
            let mut there = Vec::new();
            for key in &keys {
                there.push(cache.peek::<u64>(key, &MINUTE).await.is_some());
            }
            there
        };
        fill().await;
        cache.invalidate(&keys[0]).await.unwrap();
        assert_eq!(there().await, [false, true, true], "{}", cache.location());
        fill().await;
        cache.flush(Scope::Name("a")).await.unwrap();
        assert_eq!(there().await, [false, false, true], "{}", cache.location());
        fill().await;
        cache.flush(Scope::All).await.unwrap();
        assert_eq!(there().await, [false, false, false], "{}", cache.location());
        fill().await;
        assert_eq!(there().await, [true, true, true], "{}", cache.location());
    }
}

#[tokio::test]
async fn a_flush_leaves_other_namespaces_alone() {
    let server = Memcached::start();
    let url = server.url();
    let of = |name| {
        cache(&[
            ("CACHE_URL", &url),
            ("CACHE_NAMESPACE", name),
            ("CACHE_BUDGET_MS", "10000"),
        ])
    };
    let (one, two) = (of("one"), of("two"));
    let (origin, key) = (Origin::default(), key("ns", 1));
    for cache in [&one, &two] {
        cache
            .get_or_fetch(&key, &MINUTE, || origin.call())
            .await
            .unwrap();
    }
    one.flush(Scope::All).await.unwrap();
    assert!(one.peek::<u64>(&key, &MINUTE).await.is_none());
    assert_eq!(
        two.peek::<u64>(&key, &MINUTE)
            .await
            .map(larder::Fetched::into_inner),
        Some(2)
    );
}

#[tokio::test]
async fn put_stores_peek_reads_and_refresh_replaces() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (origin, key) = (Origin::default(), key("verbs", 1));
        assert!(cache.peek::<u64>(&key, &MINUTE).await.is_none());
        cache.put(&key, &MINUTE, &100_u64).await.unwrap();
        assert_eq!(*cache.peek::<u64>(&key, &MINUTE).await.unwrap(), 100);
        cache.put(&key, &MINUTE, &200_u64).await.unwrap();
        assert_eq!(
            *cache.peek::<u64>(&key, &MINUTE).await.unwrap(),
            200,
            "{}",
            cache.location()
        );
        let new = cache
            .refresh(&key, &MINUTE, || origin.call())
            .await
            .unwrap();
        assert_eq!((new.outcome(), *new), (Outcome::Refreshed(Fill::Stored), 1));
        assert_eq!(
            *cache.peek::<u64>(&key, &MINUTE).await.unwrap(),
            1,
            "{}",
            cache.location()
        );
        cache.invalidate(&key).await.unwrap();
        let new = cache
            .refresh(&key, &MINUTE, || origin.call())
            .await
            .unwrap();
        assert_eq!((new.outcome(), *new), (Outcome::Refreshed(Fill::Stored), 2));
    }
}

#[tokio::test]
async fn expire_makes_an_entry_stale_or_removes_it() {
    const STALE: Policy = MINUTE.stale_while_revalidate(Duration::from_secs(60));
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (origin, key) = (Origin::default(), key("expire", 1));
        cache
            .get_or_fetch(&key, &STALE, || origin.call())
            .await
            .unwrap();
        cache.expire(&key, &STALE).await.unwrap();
        let stale = cache.peek::<u64>(&key, &STALE).await.unwrap();
        assert_eq!((stale.outcome(), *stale), (Outcome::Stale, 1));
        assert!(stale.ttl_left() < 0);
        let new = cache
            .get_or_fetch(&key, &STALE, || origin.call())
            .await
            .unwrap();
        assert_eq!((new.outcome(), *new), (Outcome::Expired(Fill::Stored), 2));
        assert!(
            cache
                .get_or_fetch(&key, &STALE, || origin.call())
                .await
                .unwrap()
                .is_hit()
        );
        cache.expire(&key, &MINUTE).await.unwrap();
        assert!(
            cache.peek::<u64>(&key, &MINUTE).await.is_none(),
            "{}",
            cache.location()
        );
    }
}

#[tokio::test]
async fn a_failing_origin_is_never_cached_and_may_be_covered_by_a_stale_value() {
    const COVERED: Policy = MINUTE.stale_if_error(Duration::from_secs(60));
    let server = Memcached::start();
    for cache in every_store(&server) {
        let key = key("error", 1);
        let failing = || async { Err::<u64, _>("down") };
        let error = cache
            .get_or_fetch(&key, &COVERED, failing)
            .await
            .unwrap_err();
        assert_eq!(error, "down");
        let value = cache
            .get_or_fetch(&key, &COVERED, || async { Ok::<_, &str>(7_u64) })
            .await;
        assert_eq!(
            value.unwrap().outcome(),
            Outcome::Miss(Fill::Stored),
            "{}",
            cache.location()
        );
        cache.expire(&key, &COVERED).await.unwrap();
        let covered = cache.get_or_fetch(&key, &COVERED, failing).await.unwrap();
        assert_eq!((covered.outcome(), *covered), (Outcome::StaleOnError, 7));
        assert_eq!(covered.source(), Source::Stale);
    }
}

#[tokio::test]
async fn none_is_cached_only_with_a_ttl_of_its_own() {
    const NEGATIVE: Policy = MINUTE.negative_ttl(Duration::from_secs(5));
    let server = Memcached::start();
    let none = || async { Ok::<_, ()>(None::<u64>) };
    for cache in every_store(&server) {
        let key = key("none", 1);
        for expected in [Outcome::Miss(Fill::NotStored), Outcome::Passed] {
            let missing = cache.get_or_fetch(&key, &MINUTE, none).await.unwrap();
            assert_eq!(missing.outcome(), expected, "{}", cache.location());
        }
        // Another key: of the first it is known for a while that nothing will be stored.
        let key = crate::support::key("none", 2);
        let missing = cache.get_or_fetch(&key, &NEGATIVE, none).await.unwrap();
        assert_eq!(
            (missing.outcome(), missing.ttl_left()),
            (Outcome::Miss(Fill::Stored), 5)
        );
        assert!(
            cache
                .get_or_fetch(&key, &NEGATIVE, none)
                .await
                .unwrap()
                .is_hit()
        );
    }
}

#[tokio::test]
async fn an_entry_whose_origin_says_none_is_not_served_any_longer() {
    const STALE: Policy = MINUTE.stale_while_revalidate(Duration::from_secs(60));
    let server = Memcached::start();
    for cache in every_store(&server) {
        let key = key("gone", 1);
        let some = || async { Ok::<_, ()>(Some(1_u64)) };
        let none = || async { Ok::<_, ()>(None::<u64>) };
        cache.get_or_fetch(&key, &STALE, some).await.unwrap();
        cache.expire(&key, &STALE).await.unwrap();
        assert_eq!(*cache.get_or_fetch(&key, &STALE, none).await.unwrap(), None);
        assert!(
            cache.peek::<Option<u64>>(&key, &STALE).await.is_none(),
            "{}",
            cache.location()
        );
    }
}

#[tokio::test]
async fn a_request_may_ask_for_a_new_value_or_for_no_cache_at_all() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let (origin, key) = (Origin::default(), key("fresh", 1));
        let call = || cache.get_or_fetch(&key, &MINUTE, || origin.call());
        call().await.unwrap();
        let refreshed = with_freshness(Freshness::Refresh, call()).await.unwrap();
        assert_eq!(
            (refreshed.outcome(), *refreshed),
            (Outcome::Refreshed(Fill::Stored), 2)
        );
        let bypassed = with_freshness(Freshness::Bypass, call()).await.unwrap();
        assert_eq!(
            bypassed.outcome(),
            Outcome::Bypassed(larder::Bypass::Requested)
        );
        let hit = call().await.unwrap();
        assert_eq!(
            (hit.is_hit(), *hit, origin.calls()),
            (true, 2, 3),
            "{}",
            cache.location()
        );
    }
}

#[tokio::test]
async fn values_up_to_the_limit_are_stored_and_larger_ones_counted() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        for (length, stored) in [
            (0, true),
            (100_000, true),
            (1_047_000, true),
            (2_000_000, false),
        ] {
            let key = key("size", length);
            let text = "x".repeat(usize::try_from(length).unwrap());
            let call = || cache.get_or_fetch(&key, &MINUTE, || async { Ok::<_, ()>(text.clone()) });
            let first = call().await.unwrap();
            assert_eq!(first.into_inner(), text);
            let second = call().await.unwrap();
            assert_eq!(second.is_hit(), stored, "{length} on {}", cache.location());
            assert_eq!(second.into_inner(), text);
        }
        // The second call of the value that is too large goes to its origin as if uncached.
        let stats = cache.stats();
        assert_eq!(stats.failures[larder::CacheFailure::Oversize], 1);
        assert_eq!(stats.passed, 1);
        let big = "x".repeat(2_000_000);
        let error = cache.put(&key("size", 0), &MINUTE, &big).await.unwrap_err();
        assert!(matches!(error, CacheError::Value(_)), "{error}");
    }
}

#[tokio::test]
async fn a_switched_off_cache_calls_every_origin() {
    let server = Memcached::start();
    let cache = cache(&[("CACHE_URL", &server.url()), ("CACHE_DISABLED", "true")]);
    let (origin, key) = (Origin::default(), key("off", 1));
    for _ in 0..2 {
        let fetched = cache
            .get_or_fetch(&key, &MINUTE, || origin.call())
            .await
            .unwrap();
        assert_eq!(
            fetched.outcome(),
            Outcome::Bypassed(larder::Bypass::Disabled)
        );
    }
    assert_eq!((origin.calls(), server.stat("cmd_get")), (2, 0));
}

#[tokio::test]
async fn signed_caches_believe_only_signed_entries() {
    let server = Memcached::start();
    let url = server.url();
    let signed = cache(&[
        ("CACHE_URL", &url),
        ("CACHE_SIGNING_KEY", "0123456789abcdef"),
        ("CACHE_BUDGET_MS", "10000"),
    ]);
    let plain = at(&url);
    let (origin, key) = (Origin::default(), key("signed", 1));
    plain
        .get_or_fetch(&key, &MINUTE, || origin.call())
        .await
        .unwrap();
    let mine = signed
        .get_or_fetch(&key, &MINUTE, || origin.call())
        .await
        .unwrap();
    assert_eq!((mine.outcome(), *mine), (Outcome::Miss(Fill::Stored), 2));
    assert!(
        signed
            .get_or_fetch(&key, &MINUTE, || origin.call())
            .await
            .unwrap()
            .is_hit()
    );
    assert_eq!(signed.stats().unreadable, 1);
}

#[tokio::test]
async fn caches_stand_side_by_side_each_with_its_own_settings() {
    let server = Memcached::start();
    let on = |namespace: &str| {
        let builder = larder::Cache::builder().url(server.url());
        builder.namespace(namespace).budget(Duration::from_secs(2))
    };
    let one = on("one").build().unwrap();
    let two = on("two").signing_key("0123456789abcdef").build().unwrap();
    let (origin, key) = (Origin::default(), key("beside", 1));
    for (cache, n) in [(&one, 1), (&two, 2)] {
        let value = cache
            .get_or_fetch(&key, &MINUTE, || origin.call())
            .await
            .unwrap();
        assert_eq!((value.outcome(), *value), (Outcome::Miss(Fill::Stored), n));
        let again = with_cache(
            cache.clone(),
            cache.get_or_fetch(&key, &MINUTE, || origin.call()),
        );
        assert!(again.await.unwrap().is_hit());
        assert_eq!((cache.stats().hit, cache.stats().miss), (1, 1));
    }
    one.flush(Scope::All).await.unwrap();
    assert!(one.peek::<u64>(&key, &MINUTE).await.is_none());
    assert_eq!(*two.peek::<u64>(&key, &MINUTE).await.unwrap(), 2);
}

#[larder::cached("unknown-known", ttl = "60s")]
async fn known(n: u64) -> u64 {
    n
}

#[larder::cached("unknown-unused", ttl = "60s")]
async fn unused(n: u64) -> u64 {
    n
}

/// In a process of its own: the log is the process's.
#[test]
fn a_flush_of_a_name_that_nothing_has_is_said_once() {
    if !alone("calls::a_flush_of_a_name_that_nothing_has_is_said_once") {
        return;
    }
    let server = Memcached::start();
    let log = logged(async {
        let (cache, other) = (at(&server.url()), at(&server.url()));
        with_cache(cache.clone(), known(1)).await;
        let theirs = key("of-another-program", 1);
        other.put(&theirs, &MINUTE, &1).await.unwrap();
        for _ in 0..2 {
            // Its name is a function's, called or not, or one that a server has something of.
            with_cache(cache.clone(), known::flush()).await.unwrap();
            with_cache(cache.clone(), unused::flush()).await.unwrap();
            cache.flush(Scope::Name("unknown-known")).await.unwrap();
            cache.flush(Scope::All).await.unwrap();
        }
        other.put(&theirs, &MINUTE, &1).await.unwrap();
        cache
            .flush(Scope::Name("of-another-program"))
            .await
            .unwrap();
        for _ in 0..2 {
            cache.flush(Scope::Name("unknown-knwon")).await.unwrap();
            cache.flush(Scope::Name("another")).await.unwrap();
        }
    });
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("flushed"))
        .collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(
        lines[0].contains("did you mean \"unknown-known\"?"),
        "{log}"
    );
    assert!(
        lines[1].contains("\"another\"") && !lines[1].contains("mean"),
        "{log}"
    );
}
