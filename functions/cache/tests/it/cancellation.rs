//! Drops every public async fn at every point at which it waits. The next call must be right, and a
//! call that was never polled must have sent nothing.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use larder::{Cache, Freshness, Policy, Scope, with_freshness};
use larder_testing::{Fault, Memcached, Proxy};

use crate::support::{cache, key};

pub(crate) const LEASE: Duration = Duration::from_secs(2);
pub(crate) const POLICY: Policy = Policy::ttl(Duration::from_secs(60))
    .stale_while_revalidate(Duration::from_secs(60))
    .lease(LEASE);
/// No verb is polled more often than this when each answer comes in two pieces.
const MOST: u32 = 240;

/// Polls `polls` times, then drops. Returns whether it was ready before.
async fn dropped_after(future: impl Future, polls: u32) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        let ready = future.as_mut().poll(cx).is_ready();
        // Without a poll left, the next wake would only drop it: drop it now.
        if ready || left == 0 {
            Poll::Ready(ready)
        } else {
            Poll::Pending
        }
    })
    .await
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Entry {
    GetOrFetch,
    FailingOrigin,
    Refresh,
    Peek,
    Put,
    PutLarge,
    PutMany,
    Invalidate,
    InvalidateMany,
    Expire,
    Flush,
    Ping,
}

pub(crate) const ALL: [Entry; 12] = [
    Entry::GetOrFetch,
    Entry::FailingOrigin,
    Entry::Refresh,
    Entry::Peek,
    Entry::Put,
    Entry::PutLarge,
    Entry::PutMany,
    Entry::Invalidate,
    Entry::InvalidateMany,
    Entry::Expire,
    Entry::Flush,
    Entry::Ping,
];

pub(crate) async fn call(cache: &Cache, entry: Entry, n: u64) {
    let key = key("dropped", n);
    let origin = || async {
        tokio::task::yield_now().await;
        Ok::<_, ()>(n.to_string())
    };
    match entry {
        Entry::GetOrFetch => _ = cache.get_or_fetch(&key, &POLICY, origin).await,
        Entry::FailingOrigin => {
            _ = cache
                .get_or_fetch(&key, &POLICY, || async { Err::<String, _>(()) })
                .await;
        }
        Entry::Refresh => {
            let call = cache.get_or_fetch(&key, &POLICY, origin);
            _ = with_freshness(Freshness::Refresh, call).await;
        }
        Entry::Peek => _ = cache.peek::<String>(&key, &POLICY).await,
        Entry::Put => _ = cache.put(&key, &POLICY, &n.to_string()).await,
        Entry::PutLarge => {
            let large = format!("{}{n}", "0".repeat(500_000));
            _ = cache.put(&key, &POLICY, &large).await;
        }
        Entry::PutMany => {
            let pairs = [n, n + 1].map(|n| (self::key("dropped", n), n.to_string()));
            _ = cache.put_many(pairs, &POLICY).await;
        }
        Entry::InvalidateMany => {
            let keys = [n, n + 1].map(|n| self::key("dropped", n));
            _ = cache.invalidate_many(keys).await;
        }
        Entry::Invalidate => _ = cache.invalidate(&key).await,
        Entry::Expire => _ = cache.expire(&key, &POLICY).await,
        Entry::Flush => _ = cache.flush(Scope::Name("dropped")).await,
        Entry::Ping => _ = cache.ping().await,
    }
}

/// Two keys are read after each drop; each must have its own value.
async fn check(cache: &Cache, what: &str) {
    for n in [1, 2] {
        let origin = || async { Ok::<_, ()>(n.to_string()) };
        let value = cache
            .get_or_fetch(&key("dropped", n), &POLICY, origin)
            .await
            .unwrap();
        assert_eq!(value.trim_start_matches('0'), n.to_string(), "after {what}");
    }
}

async fn enumerate(protocol: &str) {
    let server = Memcached::start();
    let halves = Fault {
        split: 1000,
        ..Fault::default()
    };
    let proxy = Proxy::start(server.port(), 1, halves).await;
    let url = format!("{}?protocol={protocol}", proxy.url());
    let cache = cache(&[("CACHE_URL", &url), ("CACHE_BUDGET_MS", "10000")]);
    check(&cache, "nothing").await;
    for entry in ALL {
        let mut ended = false;
        for polls in 0..MOST {
            let asked = server.stat("cmd_get") + server.stat("cmd_set") + server.stat("cmd_meta");
            let ready = dropped_after(call(&cache, entry, 1), polls).await;
            if polls == 0 {
                let now = server.stat("cmd_get") + server.stat("cmd_set") + server.stat("cmd_meta");
                assert_eq!(asked, now, "{entry:?} sent something before it was polled");
            }
            check(
                &cache,
                &format!("{protocol} {entry:?} dropped after {polls} polls"),
            )
            .await;
            if ready {
                ended = true;
                break;
            }
        }
        assert!(ended, "{entry:?} waits more than {MOST} times");
    }
    assert_eq!(cache.stats().unreadable, 0);
}

#[tokio::test]
async fn no_classic_call_harms_the_next_one_wherever_it_is_dropped() {
    enumerate("classic").await;
}

#[tokio::test]
async fn no_meta_call_harms_the_next_one_wherever_it_is_dropped() {
    enumerate("meta").await;
}
