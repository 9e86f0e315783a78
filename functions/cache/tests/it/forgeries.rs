use larder::Key;
use larder_testing::Memcached;
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

use crate::{
    hostile::peak,
    support::{MINUTE, cache, key},
    wrong_values::{raw, write},
};

const ROUNDS: u64 = 20;
const KEYS: u64 = 50;

/// Bytes that replace `there`, never equal to it. `other` is the record of another key.
fn forgery(random: &mut SmallRng, there: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = there.to_vec();
    let place = random.random_range(0..there.len());
    match random.random_range(0..7) {
        0 => {
            let length = if random.random_ratio(1, 50) {
                1_000_000
            } else {
                random.random_range(1..2000)
            };
            return (0..length).map(|_| random.random()).collect();
        }
        1 => bytes.truncate(place.max(1)),
        2 => bytes[place] ^= 1 << random.random_range(0..8),
        3 => bytes.extend_from_slice(other),
        4 => bytes[place..].fill(0xff),
        5 => bytes.rotate_left(place.max(1)),
        _ => return other.to_vec(),
    }
    if bytes == there {
        return b"plain text".to_vec();
    }
    bytes
}

async fn replaced(protocol: &str, signing: &[(&str, &str)], seed: u64) {
    println!("{protocol}: {ROUNDS} rounds of {KEYS} keys, seed {seed}");
    let server = Memcached::start();
    let url = format!("{}?protocol={protocol}", server.url());
    let settings = [("CACHE_URL", url.as_str()), ("CACHE_BUDGET_MS", "10000")];
    let cache = cache(&[&settings, signing].concat());
    let mut random = SmallRng::seed_from_u64(seed);
    for round in 0..ROUNDS {
        for n in 0..KEYS {
            let old = format!("{n} as of {round}");
            cache.put(&key("forged", n), &MINUTE, &old).await.unwrap();
        }
        // In every other round also the generations. Each key is named, because memcached's own
        // list of its keys may be incomplete.
        let entries = (0..KEYS).map(|n| {
            let digest = hex::encode(key("forged", n).digest());
            format!("larder:forged:{digest}")
        });
        let generations = ["larder:@all", "larder:@fn:forged"].map(str::to_owned);
        let generations = generations.into_iter().filter(|_| round % 2 == 1);
        let items: Vec<_> = entries
            .chain(generations)
            .map(|item| (raw(&server, &item), item))
            .collect();
        for (place, (there, item)) in items.iter().enumerate() {
            let (other, _) = &items[(place + 1) % items.len()];
            write(&server, item, &forgery(&mut random, there, other));
        }
        for n in 0..KEYS {
            let key: Key = key("forged", n);
            let new = format!("{n} computed in {round}");
            let origin = || async { Ok::<_, ()>(new.clone()) };
            let fetched = cache.get_or_fetch(&key, &MINUTE, origin).await.unwrap();
            assert!(!fetched.is_hit(), "seed {seed}, round {round}: {fetched:?}");
            assert_eq!(*fetched, new);
            let read = cache.peek::<String>(&key, &MINUTE).await;
            assert_eq!(read.unwrap().as_str(), new, "it was replaced in its turn");
        }
    }
}

const SIGNED: [(&str, &str); 1] = [("CACHE_SIGNING_KEY", "0123456789abcdef0123456789abcdef")];

#[tokio::test]
async fn whatever_is_put_in_a_records_place_is_a_miss() {
    let before = peak();
    replaced("classic", &[], 1).await;
    replaced("meta", &[], 2).await;
    replaced("classic", &SIGNED, 3).await;
    replaced("meta", &SIGNED, 4).await;
    // Other tests of this binary run at the same time.
    let grown = peak().saturating_sub(before);
    println!("peak memory grew by {grown} KiB");
    assert!(grown < 64 << 10, "{grown} KiB");
}
