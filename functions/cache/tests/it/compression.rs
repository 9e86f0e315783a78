use std::time::Duration;

use larder::{CacheError, CacheFailure, Fill, Outcome, Policy};
use larder_testing::Memcached;

use crate::support::{MINUTE, every_store, key};

const PACKED: Policy = Policy::ttl(Duration::from_secs(60)).compress_over(1024);

/// Much larger than an item may be, and highly compressible.
fn text() -> String {
    (0..200_000).map(|n| format!("line {} ", n % 10)).collect()
}

#[tokio::test]
async fn a_value_too_large_for_an_item_is_stored_compressed_and_reads_back() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let key = key("packed", 1);
        let origin = || async { Ok::<_, ()>(text()) };
        let plain = cache.get_or_fetch(&key, &MINUTE, origin).await.unwrap();
        let oversize = Outcome::Miss(Fill::Failed(CacheFailure::Oversize));
        assert_eq!(plain.outcome(), oversize, "{}", cache.location());

        // Another key: of the first it is known for a while that nothing will be stored.
        let key = crate::support::key("packed", 2);
        let cold = cache.get_or_fetch(&key, &PACKED, origin).await.unwrap();
        assert_eq!(cold.outcome(), Outcome::Miss(Fill::Stored));
        // A reader need not know whether an entry was compressed.
        for policy in [PACKED, MINUTE] {
            let warm = cache.get_or_fetch(&key, &policy, origin).await.unwrap();
            assert!(warm.is_hit() && *warm == text(), "{}", cache.location());
        }
    }
    let stored = server.stat("bytes");
    assert!(stored < 100_000, "two compressed entries have {stored} B");
}

#[tokio::test]
async fn what_compression_does_not_make_small_enough_is_refused_by_name() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let key = key("packed", 2);
        let mut random = 1_u64;
        let noise: Vec<u64> = std::iter::repeat_with(|| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            random
        })
        .take(200_000)
        .collect();
        let refused = cache.put(&key, &PACKED, &noise).await.unwrap_err();
        assert!(matches!(refused, CacheError::Value(_)), "{refused}");
        assert!(refused.to_string().contains("max_size"), "{refused}");
    }
}

#[tokio::test]
async fn a_short_value_is_stored_as_it_is() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let key = key("packed", 3);
        let short = "x".repeat(1000);
        cache.put(&key, &PACKED, &short).await.unwrap();
        let read = cache.peek::<String>(&key, &PACKED).await.unwrap();
        assert_eq!(*read, short);
    }
    // Two entries of a thousand bytes, with their generations.
    let stored = server.stat("bytes");
    assert!(stored > 2000, "{stored} B");
}

/// The longest text whose entry `policy` takes, by trying.
async fn longest(cache: &larder::Cache, policy: &Policy) -> usize {
    let (mut fits, mut refused) = (0, 2000);
    while refused - fits > 1 {
        let middle = usize::midpoint(fits, refused);
        match cache
            .put(&key("size", 0), policy, &"x".repeat(middle))
            .await
        {
            Ok(()) => fits = middle,
            Err(CacheError::Value(_)) => refused = middle,
            Err(error) => panic!("{error}"),
        }
    }
    fits
}

#[tokio::test]
async fn at_the_largest_size_a_value_is_stored_and_one_byte_more_leaves_nothing_stale() {
    const SMALL: Policy = Policy::ttl(Duration::from_secs(60)).max_size(1000);
    let server = Memcached::start();
    for cache in every_store(&server) {
        let longest = longest(&cache, &SMALL).await;
        assert!((700..1000).contains(&longest), "{longest}");
        let key = key("size", 1);
        for length in [longest - 1, longest] {
            let origin = || async { Ok::<_, ()>("y".repeat(length)) };
            let stored = cache.refresh(&key, &SMALL, origin).await.unwrap();
            assert_eq!(
                stored.outcome(),
                Outcome::Refreshed(Fill::Stored),
                "{length}"
            );
            let read = cache.peek::<String>(&key, &SMALL).await.unwrap();
            assert_eq!(read.len(), length);
        }
        let origin = || async { Ok::<_, ()>("z".repeat(longest + 1)) };
        let large = cache.refresh(&key, &SMALL, origin).await.unwrap();
        let oversize = Outcome::Refreshed(Fill::Failed(CacheFailure::Oversize));
        assert_eq!((large.outcome(), large.len()), (oversize, longest + 1));
        assert!(
            cache.peek::<String>(&key, &SMALL).await.is_none(),
            "the old value is not left"
        );
    }
}
