use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use larder::{Cache, Fill, Freshness, Outcome, Source, with_cache, with_freshness};
use larder_testing::Memcached;
use tokio::sync::Semaphore;

use crate::support::at;

/// Answers with the number of its call, once it is allowed to.
#[derive(Debug)]
struct Gated {
    calls: AtomicUsize,
    gate: Semaphore,
}

impl Gated {
    fn open(permits: usize) -> Arc<Self> {
        Arc::new(Self {
            calls: AtomicUsize::new(0),
            gate: Semaphore::new(permits),
        })
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[larder::cached(
    "background",
    ttl = "60s",
    stale_while_revalidate = "60s",
    background_refresh = true,
    skip(origin)
)]
async fn numbered(name: String, origin: Arc<Gated>) -> Result<usize, String> {
    let call = origin.calls.fetch_add(1, Ordering::SeqCst) + 1;
    let permit = origin
        .gate
        .acquire()
        .await
        .map_err(|error| error.to_string())?;
    permit.forget();
    match name.as_str() {
        "fails" if call > 1 => Err("failed".to_owned()),
        _ => Ok(call),
    }
}

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn no_caller_waits_for_a_refresh_and_one_task_makes_it() {
    let server = Memcached::start();
    for protocol in ["classic", "meta"] {
        let origin = Gated::open(1);
        let cache = at(&format!("{}?protocol={protocol}", server.url()));
        let call = || numbered::fetch(protocol.to_owned(), origin.clone());
        with_cache(cache.clone(), async {
            assert_eq!(*call().await.unwrap(), 1);
            numbered::expire(protocol.to_owned()).await.unwrap();
            // The gate is closed: whoever waited for the origin would wait for ever.
            for _ in 0..20 {
                let fetched = call().await.unwrap();
                assert_eq!(
                    (*fetched, fetched.source()),
                    (1, Source::Stale),
                    "{protocol}"
                );
            }
            until(|| origin.calls() == 2).await;
            assert_eq!(call().await.unwrap().source(), Source::Stale);
            origin.gate.add_permits(1);
            until(|| cache.stats().expired == 1).await;
            let fetched = call().await.unwrap();
            assert_eq!(
                (*fetched, fetched.outcome()),
                (2, Outcome::Hit),
                "{protocol}"
            );
        })
        .await;
        assert_eq!(origin.calls(), 2, "{protocol}");
        assert_eq!(cache.stats().lease_won, 2, "{protocol}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_leaves_the_stale_value_and_pauses() {
    let (cache, origin) = (Cache::memory(), Gated::open(10));
    let call = || numbered::fetch("fails".to_owned(), origin.clone());
    with_cache(cache.clone(), async {
        call().await.unwrap();
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(call().await.unwrap().outcome(), Outcome::Stale);
        until(|| cache.stats().origin_error == 1).await;
        assert_eq!(call().await.unwrap().outcome(), Outcome::StaleAfterError);
        assert_eq!(origin.calls(), 2);
        // Past its stale window the origin answers the call itself.
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(call().await.unwrap_err(), "failed");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_refresh_uses_the_cache_of_its_call_and_other_wishes_are_the_calls_own() {
    let (cache, origin) = (Cache::memory(), Gated::open(10));
    let call = || numbered::fetch("own".to_owned(), origin.clone());
    with_cache(cache.clone(), async {
        assert_eq!(call().await.unwrap().outcome(), Outcome::Miss(Fill::Stored));
        tokio::time::advance(Duration::from_secs(61)).await;
        let wished = with_freshness(Freshness::Refresh, call()).await.unwrap();
        assert_eq!(
            (*wished, wished.outcome()),
            (2, Outcome::Refreshed(Fill::Stored))
        );
        assert!(call().await.unwrap().is_hit());
        tokio::time::advance(Duration::from_secs(61)).await;
        call().await.unwrap();
        until(|| cache.stats().expired == 1).await;
    })
    .await;
    // Without a cache it is the function.
    assert_eq!(numbered("own".to_owned(), origin.clone()).await, Ok(4));
}

/// The runtime ends in the middle of a refresh: its lease is given back, or it expires.
#[test]
fn at_shutdown_nothing_is_lost_but_the_refresh() {
    let server = Memcached::start();
    let (origin, url) = (Gated::open(1), server.url());
    let call = || numbered::fetch("shutdown".to_owned(), origin.clone());
    let runtime = || tokio::runtime::Runtime::new().unwrap();
    let first = runtime();
    first.block_on(with_cache(at(&url), async {
        call().await.unwrap();
        numbered::expire("shutdown".to_owned()).await.unwrap();
        assert_eq!(*call().await.unwrap(), 1);
        until(|| origin.calls() == 2).await;
    }));
    drop(first);
    origin.gate.add_permits(10);
    let other = at(&url);
    runtime().block_on(with_cache(other.clone(), async {
        assert_eq!(call().await.unwrap().source(), Source::Stale);
        // The marker of the refresh that was cut off lives for a lease at most.
        while *call().await.unwrap() == 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }));
    assert_eq!(other.stats().expired, 1);
}
