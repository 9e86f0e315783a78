use std::{convert::Infallible, time::Duration};

use larder::{Cache, CacheFailure, Fill, Outcome, Policy};
use tokio::time::{advance, sleep};

use crate::support::{MINUTE, Origin, key};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn an_entry_in_memory_ends_when_the_tests_own_clock_says_so() {
    const STALE: Policy = MINUTE.stale_while_revalidate(Duration::from_secs(30));
    let (cache, origin) = (Cache::memory(), Origin::default());
    for (policy, after) in [(MINUTE, None), (STALE, Some(Outcome::Stale))] {
        let key = key("time", after.is_some().into());
        let fetch = async || {
            cache
                .get_or_fetch(&key, &policy, || origin.call())
                .await
                .unwrap()
        };
        assert_eq!(fetch().await.outcome(), Outcome::Miss(Fill::Stored));
        // The machine's clock goes on in the meantime. What it adds, up to ten seconds under load,
        // must not matter.
        advance(50 * SECOND).await;
        let hit = fetch().await;
        assert!(hit.is_hit() && (1..=20).contains(&hit.ttl_left()) && hit.age() >= 40 * SECOND);
        advance(20 * SECOND).await;
        let peeked = cache.peek::<u64>(&key, &policy).await;
        assert_eq!(peeked.map(|value| value.outcome()), after);
        advance(40 * SECOND).await;
        assert!(cache.peek::<u64>(&key, &policy).await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_day_of_refreshing_takes_no_time() {
    let (cache, origin, key) = (Cache::memory(), Origin::default(), key("day", 1));
    for _ in 0..24 * 60 {
        let slow = || async {
            sleep(SECOND).await;
            origin.call().await
        };
        cache.get_or_fetch(&key, &MINUTE, slow).await.unwrap();
        sleep(61 * SECOND).await;
    }
    assert_eq!(origin.calls(), 24 * 60);
    assert_eq!(cache.stats().origin_time, Duration::from_secs(24 * 60));
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_never_ends_is_outwaited_in_no_time() {
    let (cache, origin, key) = (Cache::memory(), Origin::default(), key("stuck", 1));
    let stuck = cache.get_or_fetch(
        &key,
        &MINUTE,
        std::future::pending::<Result<u64, Infallible>>,
    );
    tokio::pin!(stuck);
    tokio::select! {
        biased;
        _ = &mut stuck => unreachable!(),
        waited = async {
            sleep(SECOND).await;
            cache.get_or_fetch(&key, &MINUTE, || origin.call()).await
        } => assert_eq!(waited.unwrap().outcome(), Outcome::Miss(Fill::NotStored)),
    }
}

#[tokio::test]
async fn a_cache_that_keeps_nothing_counts_every_call() {
    let (cache, origin, key) = (Cache::null(), Origin::default(), key("null", 1));
    for n in 1..=3 {
        let value = cache
            .get_or_fetch(&key, &MINUTE, || origin.call())
            .await
            .unwrap();
        assert_eq!((*value, value.is_hit()), (n, false));
    }
    cache.put(&key, &MINUTE, &9_u64).await.unwrap();
    assert!(cache.peek::<u64>(&key, &MINUTE).await.is_none());
    let stats = cache.stats();
    assert_eq!(
        (
            stats.disabled,
            stats.hit,
            stats.failures[CacheFailure::Timeout]
        ),
        (3, 0, 0)
    );
}
