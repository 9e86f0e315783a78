use std::{collections::BTreeSet, convert::Infallible, sync::OnceLock, time::Duration};

use larder::{Cache, Fill, Key, Outcome, Policy, Source, origin, with_cache};
use larder_testing::Memcached;

use crate::support::{MINUTE, at, every_store};

const fn seconds(seconds: u64) -> Policy {
    Policy::ttl(Duration::from_secs(seconds)).jitter(0)
}

/// From an argument of the key.
#[larder::cached("policy-by-kind", policy = seconds(10 * u64::from(kind)), version = 2)]
async fn by_kind(kind: u8) -> u8 {
    kind
}

#[tokio::test]
async fn an_argument_of_the_key_decides() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let near = |ttl: i64, expected: i64| (expected - 9..=expected).contains(&ttl);
        with_cache(cache, async {
            for kind in [1, 6] {
                let (first, expected) = (by_kind::fetch(kind).await, i64::from(kind) * 10);
                assert_eq!(first.outcome(), Outcome::Miss(Fill::Stored));
                assert!(near(first.ttl_left(), expected), "{first:?}");
                assert!(by_kind::fetch(kind).await.is_hit());
                by_kind::put(kind, &7).await.unwrap();
                let put = by_kind::peek(kind).await.unwrap();
                assert!(*put == 7 && near(put.ttl_left(), expected), "{put:?}");
                by_kind::invalidate(kind).await.unwrap();
            }
            by_kind::put_with(1, &8, &seconds(600)).await.unwrap();
            let put = by_kind::fetch(1).await;
            assert!(put.is_hit() && put.ttl_left() > 500, "{put:?}");
            // It has no stale window.
            by_kind::expire(1).await.unwrap();
            by_kind::invalidate_many(vec![1, 6]).await.unwrap();
            assert!(by_kind::peek(1).await.is_none());
        })
        .await;
    }
}

struct Tenant {
    policy: Policy,
}

/// From what is no part of the key: of the companions those get it that need a policy.
#[larder::cached(
    "policy-of-tenant",
    policy = tenant.policy,
    skip(tenant),
    many = |numbers| async { Ok(numbers.into_iter().map(|n| (n, n)).collect::<Vec<_>>()) }
)]
async fn of_tenant(n: u64, tenant: &Tenant) -> Result<u64, Infallible> {
    let _ = tenant;
    Ok(n)
}

#[tokio::test(start_paused = true)]
async fn a_skipped_argument_decides_and_the_version_is_the_functions() {
    let stale = seconds(5).stale_while_revalidate(Duration::from_secs(5));
    let tenant = Tenant {
        // Another version than the key's would be another release's.
        policy: stale.version(9),
    };
    let (cache, tenant) = (Cache::memory(), &tenant);
    with_cache(cache, async {
        of_tenant(1, tenant).await.unwrap();
        assert!(of_tenant::fetch(1, tenant).await.unwrap().is_hit());
        assert_eq!(of_tenant::key(1), Key::new("policy-of-tenant", &(1,)));
        of_tenant::expire(1, tenant).await.unwrap();
        let expired = of_tenant::peek(1, tenant).await.unwrap();
        assert_eq!(expired.source(), Source::Stale);
        of_tenant::put(1, tenant, &7).await.unwrap();
        let many = of_tenant::fetch_many(tenant, vec![1, 2]).await.unwrap();
        assert_eq!((*many[&1], many[&1].ttl_left()), (7, 5));
        assert_eq!((*many[&2], many[&2].ttl_left()), (2, 5));
        of_tenant::put_many(tenant, vec![(3, &4)]).await.unwrap();
        assert!(of_tenant::fetch(3, tenant).await.unwrap().is_hit());
    })
    .await;
}

static CONFIGURED: OnceLock<Policy> = OnceLock::new();

/// From the configuration.
#[larder::cached("policy-configured", policy = || *CONFIGURED.get_or_init(|| seconds(7)))]
async fn configured(n: u64) -> u64 {
    n
}

trait Doubles {
    async fn doubled(&self, n: u64) -> u64;
}

impl Doubles for Tenant {
    #[larder::cached("policy-of-self", policy = self.policy, skip(self))]
    async fn doubled(&self, n: u64) -> u64 {
        n * 2
    }
}

#[tokio::test(start_paused = true)]
async fn a_closure_and_a_method_decide_too() {
    with_cache(Cache::memory(), async {
        assert_eq!(configured::fetch(1).await.ttl_left(), 7);
        let tenant = Tenant { policy: seconds(3) };
        for (after, calls) in [(0, 1), (2, 1), (2, 2)] {
            tokio::time::advance(Duration::from_secs(after)).await;
            assert_eq!(tenant.doubled(4).await, 8);
            let cache = larder::installed().unwrap();
            assert_eq!(cache.stats_by_name()["policy-of-self"].stored, calls);
        }
    })
    .await;
}

/// What an origin says of one value.
async fn says(cache: &Cache, key: &Key, ours: &Policy, policy: Policy) -> Outcome {
    let call = cache.get_or_fetch(key, ours, || async {
        origin::policy(policy);
        Ok::<_, Infallible>(Some(1))
    });
    call.await.unwrap().outcome()
}

#[tokio::test(start_paused = true)]
async fn an_origin_decides_by_its_value() {
    let (cache, key) = (Cache::memory(), Key::new("policy-said", &()).unwrap());
    let ours = MINUTE.stale_while_revalidate(Duration::from_secs(60));
    let short = seconds(5).stale_while_revalidate(Duration::from_secs(10));
    let peeked = || cache.peek::<Option<u64>>(&key, &ours);
    assert_eq!(
        says(&cache, &key, &ours, short).await,
        Outcome::Miss(Fill::Stored)
    );
    assert_eq!(peeked().await.unwrap().ttl_left(), 5);
    tokio::time::advance(Duration::from_secs(14)).await;
    assert_eq!(peeked().await.unwrap().source(), Source::Stale);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(peeked().await.is_none(), "its own stale window has ended");
    // One that does not store it, by its size or by what it costs.
    let too_small = seconds(5).max_size(10);
    let outcome = says(&cache, &key, &ours, too_small).await;
    assert!(matches!(
        outcome,
        Outcome::Expired(Fill::Failed(_)) | Outcome::Miss(Fill::Failed(_))
    ));
    cache.invalidate(&key).await.unwrap();
    let too_quick = seconds(5).min_cost(Duration::from_secs(1));
    let outcome = says(&cache, &key, &ours, too_quick).await;
    assert_eq!(outcome, Outcome::Miss(Fill::NotStored));
    // Its version is not the key's.
    cache.invalidate(&key).await.unwrap();
    says(&cache, &key, &ours, short.version(7)).await;
    assert_eq!(peeked().await.unwrap().ttl_left(), 5);
}

#[tokio::test]
async fn entries_that_are_filled_together_do_not_expire_together() {
    let server = Memcached::start();
    let (cache, policy) = (at(&server.url()), Policy::ttl(Duration::from_secs(6000)));
    let mut ends = BTreeSet::new();
    for n in 0..20 {
        let key = Key::new("policy-jitter", &(n,)).unwrap();
        cache.put(&key, &policy, &n).await.unwrap();
        let left = cache.peek::<u64>(&key, &policy).await.unwrap().ttl_left();
        assert!((5300..=6000).contains(&left), "{left}");
        ends.insert(left / 10);
    }
    assert!(ends.len() > 5, "{ends:?}");
}
