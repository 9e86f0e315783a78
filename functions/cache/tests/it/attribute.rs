use larder::{Cache, Fetched, Fill, Outcome, with_cache};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Report {
    param: String,
}

/// As a user writes it: a borrowed argument and a fallible origin.
#[larder::cached("report", ttl = "60s", jitter = 10)]
async fn report(param: &str) -> Result<Report, String> {
    if param.is_empty() {
        return Err("empty".to_owned());
    }
    Ok(Report {
        param: param.to_owned(),
    })
}

#[tokio::test]
async fn the_function_keeps_its_signature_and_gains_companions() {
    with_cache(Cache::memory(), async {
        let text = "ñandú ☕\r\nflush_all";
        let expected = Report {
            param: text.to_owned(),
        };
        assert_eq!(report(text).await.as_ref(), Ok(&expected));
        let fetched: Fetched<Report> = report::fetch(text).await.unwrap();
        assert!(fetched.is_hit());
        assert_eq!(fetched.param, text);
        assert_eq!(report::peek(text).await.unwrap().into_inner(), expected);
        assert_eq!(report::uncached(text).await, Ok(expected));
        report::invalidate(text).await.unwrap();
        assert!(report::peek(text).await.is_none());
        let forged = Report {
            param: "put".to_owned(),
        };
        report::put(text, &forged).await.unwrap();
        assert_eq!(report(text).await, Ok(forged));
        assert_eq!(
            report::refresh(text).await.unwrap().outcome(),
            Outcome::Refreshed(Fill::Stored)
        );
        report::expire(text).await.unwrap();
        assert!(report::peek(text).await.is_none());
        assert_eq!(report::key(text).unwrap().name(), "report");
        assert_eq!(report("").await, Err("empty".to_owned()));
        assert_eq!(report("").await, Err("empty".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn every_shape_of_return_type_is_told_apart() {
    type Alias = Result<u8, String>;
    #[larder::cached("plain", ttl = "60s")]
    async fn plain(n: u8) -> u8 {
        n
    }
    #[larder::cached("option", ttl = "60s", negative_ttl = "5s")]
    async fn option(n: u8) -> Option<u8> {
        (n > 0).then_some(n)
    }
    #[larder::cached("alias", ttl = "60s")]
    async fn alias(n: u8) -> Alias {
        if n == 0 {
            Err("zero".to_owned())
        } else {
            Ok(n)
        }
    }
    #[larder::cached("io", ttl = "60s")]
    async fn io(n: u8) -> std::io::Result<Option<u8>> {
        Ok(Some(n))
    }
    with_cache(Cache::memory(), async {
        for expected_hit in [false, true] {
            let fetched: Fetched<u8> = plain::fetch(1).await;
            assert_eq!((fetched.is_hit(), plain(1).await), (expected_hit, 1));
            let fetched: Fetched<Option<u8>> = option::fetch(0).await;
            assert_eq!((fetched.is_hit(), option(0).await), (expected_hit, None));
            let fetched: Result<Fetched<u8>, String> = alias::fetch(1).await;
            assert_eq!(
                (fetched.unwrap().is_hit(), alias(1).await),
                (expected_hit, Ok(1))
            );
            let fetched: Fetched<Option<u8>> = io::fetch(1).await.unwrap();
            assert_eq!(
                (fetched.is_hit(), io(1).await.unwrap()),
                (expected_hit, Some(1))
            );
            // An error behind an alias is an error still.
            assert_eq!(alias::fetch(0).await, Err("zero".to_owned()));
        }
    })
    .await;
}

#[tokio::test]
async fn skipped_arguments_need_not_serialise_and_are_no_part_of_the_key() {
    struct Database;
    #[larder::cached("skips", ttl = "60s", skip(database))]
    async fn skips(id: i64, database: &Database) -> i64 {
        let Database = database;
        id
    }
    with_cache(Cache::memory(), async {
        skips(1, &Database).await;
        assert!(skips::fetch(1, &Database).await.is_hit());
        skips::invalidate(1).await.unwrap();
        assert!(skips::peek(1).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn without_a_cache_the_origin_answers() {
    #[larder::cached("alone", ttl = "60s")]
    async fn alone(n: u8) -> u8 {
        n
    }
    let fetched = alone::fetch(3).await;
    assert_eq!(
        (*fetched, fetched.outcome()),
        (3, Outcome::Bypassed(larder::Bypass::Disabled))
    );
    assert!(matches!(
        alone::invalidate(3).await,
        Err(larder::CacheError::NotInstalled)
    ));
}

#[tokio::test]
async fn arguments_may_have_any_name_and_aliases_are_told_apart_in_generic_functions_too() {
    #[larder::cached("any-name", ttl = "60s")]
    async fn any_name(key: &str, value: u8, site: u8, policy: u8) -> String {
        format!("{key} {value} {site} {policy}")
    }
    type Load = Result<u8, String>;
    #[larder::cached("generic-alias", ttl = "60s", key = n, skip(with))]
    async fn generic_alias<W: Send>(n: u8, with: W) -> Load {
        let _ = with;
        if n == 0 {
            Err("zero".to_owned())
        } else {
            Ok(n)
        }
    }
    with_cache(Cache::memory(), async {
        assert_eq!(any_name("a", 1, 2, 3).await, "a 1 2 3");
        any_name::put("a", 1, 2, 3, &"put".to_owned())
            .await
            .unwrap();
        assert_eq!(any_name("a", 1, 2, 3).await, "put");
        for _ in 0..2 {
            let failed: Result<Fetched<u8>, String> = generic_alias::fetch(0, "x").await;
            assert_eq!(failed, Err("zero".to_owned()));
        }
        assert_eq!(generic_alias(1, "x").await, Ok(1));
        assert!(generic_alias::fetch(1, "x").await.unwrap().is_hit());
    })
    .await;
}
