//! Evicts each item of the server at every moment of every operation, as a full server would.

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    task::Poll,
    time::Duration,
};

use larder::{Cache, Outcome, Policy};
use larder_testing::{Fault, Memcached, Proxy};

use crate::support::{cache, key};

const POLICY: Policy =
    Policy::ttl(Duration::from_secs(60)).stale_while_revalidate(Duration::from_secs(60));
/// No operation here is polled more often.
const MOST: u32 = 60;
/// The value before the operation; after a change it must not be read as fresh.
const OLD: u64 = 1_000_000;
const PUT: u64 = 2_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    /// The value or the lease, under the item's key.
    Item,
    Marker,
    Namespace,
    Function,
}

const VICTIMS: [Victim; 4] = [
    Victim::Item,
    Victim::Marker,
    Victim::Namespace,
    Victim::Function,
];

impl Victim {
    /// Evicts the item. Returns whether it was there.
    fn evict(self, server: &Memcached) -> bool {
        let item = || format!("larder:evicted:{}", hex::encode(key("evicted", 1).digest()));
        let key = match self {
            Self::Item => item(),
            Self::Marker => item() + ":r",
            Self::Namespace => "larder:@all".to_owned(),
            Self::Function => "larder:@fn:evicted".to_owned(),
        };
        server
            .ask(&format!("delete {key}\r\n"), "\r\n")
            .starts_with("DELETED")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    GetCold,
    GetStale,
    Refresh,
    PutOverNothing,
    PutOverEntry,
    Expire,
    Invalidate,
}

const OPERATIONS: [Operation; 7] = [
    Operation::GetCold,
    Operation::GetStale,
    Operation::Refresh,
    Operation::PutOverNothing,
    Operation::PutOverEntry,
    Operation::Expire,
    Operation::Invalidate,
];

/// Returns how often it was called, after a few polls.
#[derive(Default)]
struct Origin(AtomicU64);

impl Origin {
    async fn call(&self) -> Result<u64, Infallible> {
        let value = self.0.fetch_add(1, SeqCst) + 1;
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(4)).await;
        }
        Ok(value)
    }
}

impl Operation {
    async fn prepare(self, cache: &Cache) {
        let key = key("evicted", 1);
        cache.put(&key, &POLICY, &OLD).await.unwrap();
        match self {
            Self::GetCold | Self::PutOverNothing => cache.invalidate(&key).await.unwrap(),
            Self::GetStale => cache.expire(&key, &POLICY).await.unwrap(),
            Self::Refresh | Self::PutOverEntry | Self::Expire | Self::Invalidate => {}
        }
    }

    /// Only a refresh of a stale entry has a marker.
    fn never_meets(self, victim: Victim) -> bool {
        victim == Victim::Marker && self != Self::GetStale
    }

    async fn run(self, cache: &Cache, origin: &Origin) {
        let key = key("evicted", 1);
        match self {
            Self::GetCold | Self::GetStale => {
                let Ok(value) = cache.get_or_fetch(&key, &POLICY, || origin.call()).await;
                assert!(
                    *value < OLD || value.outcome() == Outcome::Stale,
                    "{self:?} {value:?}"
                );
            }
            Self::Refresh => {
                let Ok(value) = cache.refresh(&key, &POLICY, || origin.call()).await;
                assert!(*value < OLD, "{self:?} {value:?}");
            }
            Self::PutOverNothing | Self::PutOverEntry => {
                cache.put(&key, &POLICY, &PUT).await.unwrap()
            }
            Self::Expire => cache.expire(&key, &POLICY).await.unwrap(),
            Self::Invalidate => cache.invalidate(&key).await.unwrap(),
        }
    }
}

/// Polls `future` `polls` times, does `then`, and runs it to its end together with `other`. Returns
/// whether it was still running at `then`.
async fn interrupted(
    future: impl Future<Output = ()>,
    polls: u32,
    then: impl FnOnce(),
    other: impl Future<Output = ()>,
) -> bool {
    let mut future = pin!(future);
    let mut left = polls;
    let ended = std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
    then();
    if ended {
        other.await;
    } else {
        tokio::join!(future, other);
    }
    !ended
}

/// The result of one trial.
struct Trial {
    /// The operation was still running when the item was evicted.
    interrupted: bool,
    /// There was an item to evict.
    evicted: bool,
    /// Origin calls of the operation, of a caller in another cache that begins right after the
    /// eviction, and of one that begins when both have ended.
    calls: u64,
}

async fn trial(
    server: &Memcached,
    caches: &[Cache; 2],
    (operation, victim, polls): (Operation, Victim, u32),
) -> Trial {
    let (origin, key) = (Origin::default(), key("evicted", 1));
    let read = async |cache: &Cache| {
        let Ok(fetched) = cache.get_or_fetch(&key, &POLICY, || origin.call()).await;
        fetched
    };
    for victim in VICTIMS {
        victim.evict(server);
    }
    operation.prepare(&caches[0]).await;
    let mut evicted = false;
    let interrupted = interrupted(
        operation.run(&caches[0], &origin),
        polls,
        || evicted = victim.evict(server),
        async { _ = read(&caches[1]).await },
    )
    .await;
    let what = format!("{operation:?}, {victim:?} gone after {polls} polls");
    let after = read(&caches[1]).await;
    assert_ne!(*after, OLD, "{what}: the past came back: {after:?}");
    let last = read(&caches[0]).await;
    assert_eq!(
        (last.outcome(), *last),
        (Outcome::Hit, *after),
        "{what}: not filled again"
    );
    Trial {
        interrupted,
        evicted,
        calls: origin.0.load(SeqCst),
    }
}

async fn enumerate(protocol: &str) {
    let server = Memcached::start();
    // Every answer comes in two pieces, so that there is a poll before each command and one after
    // it.
    let halves = Fault {
        split: 1000,
        ..Fault::default()
    };
    let proxy = Proxy::start(server.port(), 1, halves).await;
    let caches = [proxy.url(), server.url()].map(|url| {
        let url = format!("{url}?protocol={protocol}");
        cache(&[("CACHE_URL", &url), ("CACHE_BUDGET_MS", "10000")])
    });
    for operation in OPERATIONS {
        let mut row = format!("{protocol:<8}{:<16}", format!("{operation:?}"));
        for victim in VICTIMS {
            let (mut evictions, mut most, mut ended) = (0, 0, false);
            for polls in 0..MOST {
                let trial = trial(&server, &caches, (operation, victim, polls)).await;
                assert!(
                    trial.calls <= 2,
                    "{operation:?}, {victim:?} gone after {polls} polls: {} calls",
                    trial.calls
                );
                if !trial.interrupted {
                    ended = true;
                    break;
                }
                evictions += u32::from(trial.evicted);
                most = most.max(trial.calls);
            }
            assert!(ended, "{operation:?} waits more often than {MOST} times");
            let never = operation.never_meets(victim);
            assert_eq!(
                evictions == 0,
                never,
                "{operation:?}: {victim:?} was thrown out {evictions} times"
            );
            row += &format!("{victim:?} {most} calls at most in {evictions:>2} evictions   ");
        }
        println!("{row}");
    }
}

#[tokio::test]
async fn no_eviction_brings_back_the_past_with_classic() {
    enumerate("classic").await;
}

#[tokio::test]
async fn no_eviction_brings_back_the_past_with_meta() {
    enumerate("meta").await;
}
