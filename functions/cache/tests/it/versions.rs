use larder::{Cache, with_cache};
use larder_testing::Memcached;

/// Each release counts its own origin calls.
mod old {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicU64, Ordering},
    };

    pub(super) static CALLS: AtomicU64 = AtomicU64::new(0);

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(super) struct User {
        pub(super) name: String,
        pub(super) credit: i64,
    }

    const USER: larder::Policy = crate::support::MINUTE
        .stale_while_revalidate(std::time::Duration::from_secs(60))
        .version(1);

    #[larder::cached("versioned-user", policy = USER)]
    pub(super) async fn user(id: u64) -> Result<User, Infallible> {
        CALLS.fetch_add(1, Ordering::SeqCst);
        Ok(User {
            name: format!("user {id}"),
            credit: 100,
        })
    }
}

/// Its credit has another unit and another type.
mod new {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicU64, Ordering},
    };

    pub(super) static CALLS: AtomicU64 = AtomicU64::new(0);

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(super) struct User {
        pub(super) credit: String,
        pub(super) full_name: String,
    }

    const USER: larder::Policy = crate::support::MINUTE
        .stale_while_revalidate(std::time::Duration::from_secs(60))
        .version(2);

    #[larder::cached("versioned-user", policy = USER)]
    pub(super) async fn user(id: u64) -> Result<User, Infallible> {
        CALLS.fetch_add(1, Ordering::SeqCst);
        Ok(User {
            credit: "1.00".to_owned(),
            full_name: format!("user {id}"),
        })
    }
}

/// Two releases on one server, as during a deployment: each misses once and never touches the
/// other's entries.
#[tokio::test]
async fn two_schema_versions_live_side_by_side_without_a_fight() {
    const IDS: u64 = 10;
    for protocol in ["classic", "meta"] {
        let server = Memcached::start();
        let url = format!("{}?protocol={protocol}", server.url());
        let cache = || crate::support::at(&url);
        let (before, after): (Cache, Cache) = (cache(), cache());
        let old_calls = old::CALLS.load(std::sync::atomic::Ordering::SeqCst);
        let new_calls = new::CALLS.load(std::sync::atomic::Ordering::SeqCst);
        let mut writes = 0;
        for round in 0..10 {
            for id in 0..IDS {
                let one = with_cache(before.clone(), old::user(id)).await.unwrap();
                assert_eq!((one.name, one.credit), (format!("user {id}"), 100));
                let two = with_cache(after.clone(), new::user(id)).await.unwrap();
                assert_eq!(
                    (two.full_name, two.credit.as_str()),
                    (format!("user {id}"), "1.00")
                );
            }
            let now = server.stat("cmd_set");
            assert!(
                round == 0 || now == writes,
                "{protocol}: round {round} wrote"
            );
            writes = now;
        }
        assert_eq!(
            old::CALLS.load(std::sync::atomic::Ordering::SeqCst) - old_calls,
            IDS,
            "{protocol}"
        );
        assert_eq!(
            new::CALLS.load(std::sync::atomic::Ordering::SeqCst) - new_calls,
            IDS,
            "{protocol}"
        );
        for cache in [&before, &after] {
            let stats = cache.stats();
            assert_eq!((stats.miss, stats.hit), (IDS, 9 * IDS), "{protocol}");
            assert_eq!(
                (
                    stats.unreadable,
                    stats.failures.total(),
                    stats.lease_taken_over
                ),
                (0, 0, 0),
                "{protocol}"
            );
        }
        for refused in ["delete_hits", "cas_badval", "cas_misses", "evictions"] {
            assert_eq!(server.stat(refused), 0, "{protocol}: {refused}");
        }
        // One release removes its entries, and the other keeps its own.
        with_cache(before.clone(), old::user::invalidate(3))
            .await
            .unwrap();
        assert!(
            with_cache(before.clone(), old::user::peek(3))
                .await
                .is_none()
        );
        assert!(
            with_cache(after.clone(), new::user::peek(3))
                .await
                .is_some(),
            "{protocol}"
        );
        with_cache(after.clone(), new::user::expire(4))
            .await
            .unwrap();
        assert!(
            with_cache(before.clone(), old::user::fetch(4))
                .await
                .unwrap()
                .is_hit(),
            "{protocol}"
        );
        // The same for many keys in one call.
        let keyed = (0..IDS)
            .map(|id| (new::user::key(id).unwrap(), id))
            .collect::<Vec<_>>();
        let none = |missing: Vec<u64>| async move {
            assert_eq!(missing, [4], "the one that has expired");
            Ok::<_, std::convert::Infallible>(Vec::<(u64, new::User)>::new())
        };
        let policy = crate::support::MINUTE
            .stale_while_revalidate(std::time::Duration::from_secs(60))
            .version(2);
        let values = after.get_or_fetch_many(keyed, &policy, none).await.unwrap();
        assert_eq!(values.len() as u64, IDS - 1, "{protocol}");
    }
}
