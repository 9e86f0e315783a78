use std::time::Duration;

use larder::{Bypass, Cache, Outcome, with_cache};
use larder_testing::{Fault, Memcached, Proxy};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::support::{MINUTE, Origin, cache, every_store, key};

/// One generic function with two types that can be decoded from each other's bytes.
#[larder::cached("parse", ttl = "60s", key = text)]
async fn parse<T>(text: &str) -> Result<Vec<T>, String>
where
    T: std::str::FromStr + Serialize + DeserializeOwned,
{
    text.split(' ')
        .map(|part| part.parse().map_err(|_| part.to_owned()))
        .collect()
}

#[tokio::test]
async fn two_types_through_one_generic_function_do_not_share_an_entry() {
    with_cache(Cache::memory(), async {
        assert_eq!(parse::<i64>("1 2").await.unwrap(), [1, 2]);
        let floats = parse::fetch::<f64>("1 2").await.unwrap();
        assert!(!floats.is_hit());
        assert!(parse::fetch::<i64>("1 2").await.unwrap().is_hit());
    })
    .await;
}

mod first {
    #[larder::cached("twins", ttl = "60s")]
    pub(super) async fn twins(_n: u8) -> String {
        "first".to_owned()
    }
}

mod second {
    #[larder::cached("twins", ttl = "60s")]
    pub(super) async fn twins(_n: u8) -> String {
        "second".to_owned()
    }
}

#[tokio::test]
async fn two_functions_with_one_name_do_not_share_an_entry() {
    with_cache(Cache::memory(), async {
        assert_eq!(first::twins(1).await, "first");
        let other = second::twins::fetch(1).await;
        assert_eq!(
            (&**other, other.outcome()),
            ("second", Outcome::Bypassed(Bypass::Name))
        );
        let forged = second::twins::put(1, &"second".to_owned()).await;
        assert_eq!(forged, Err(larder::CacheError::NameTaken("twins")));
        assert!(first::twins::fetch(1).await.is_hit());
    })
    .await;
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Range {
    low: u32,
    high: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Reordered {
    high: u32,
    low: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Renamed {
    low: u32,
    top: u32,
}

#[tokio::test]
async fn reordered_fields_read_right_and_renamed_ones_are_a_miss() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let key = key("range", 1);
        cache
            .put(&key, &MINUTE, &Range { low: 1, high: 2 })
            .await
            .unwrap();
        let read = cache.peek::<Reordered>(&key, &MINUTE).await.unwrap();
        assert_eq!(read.into_inner(), Reordered { high: 2, low: 1 });
        let origin = || async { Ok::<_, ()>(Renamed { low: 3, top: 4 }) };
        let read = cache.get_or_fetch(&key, &MINUTE, origin).await.unwrap();
        assert_eq!((read.is_hit(), read.top), (false, 4));
        assert!(
            cache.peek::<Renamed>(&key, &MINUTE).await.is_some(),
            "{}",
            cache.location()
        );
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Pair(u32, u32);

#[derive(Debug, Serialize, Deserialize)]
struct Padded {
    high: u32,
    low: u32,
    #[serde(default)]
    step: u32,
}

#[derive(Debug, Serialize, Deserialize)]
enum Before {
    Box(u32, u32),
}

#[derive(Debug, Serialize, Deserialize)]
enum After {
    Box { height: u32, width: u32 },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Box { height: u32 },
}

#[derive(Debug, Serialize, Deserialize)]
struct Unit;

/// What one release has stored as `A` and the next asks for as `B`.
async fn reads<A: Serialize, B: DeserializeOwned>(cache: &Cache, n: u64, old: A) -> bool {
    let key = key("release", n);
    cache.put(&key, &MINUTE, &old).await.unwrap();
    let read = cache.peek::<B>(&key, &MINUTE).await;
    cache.invalidate(&key).await.unwrap();
    read.is_some()
}

#[tokio::test]
async fn what_has_become_another_type_is_a_miss() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        macro_rules! misses {
            ($($n:literal $new:ty: $old:expr;)*) => {
                let mut unreadable = 0;
                $(
                    assert!(!reads::<_, $new>(&cache, $n, $old).await, "{} {}", $n, cache.location());
                    unreadable += 1;
                )*
                assert_eq!(cache.stats().unreadable, unreadable);
            };
        }
        misses! {
            // A sequence is not a struct.
            1 Range: (1_u32, 2_u32);
            2 Range: [1_u32, 2];
            3 Range: vec![1_u32, 2];
            4 Range: Pair(1, 2);
            5 Padded: (1_u32, 2_u32);
            6 Option<Range>: vec![1_u32, 2];
            7 Vec<Range>: vec![(1_u32, 2_u32)];
            8 After: Before::Box(1, 2);
            9 Before: After::Box { height: 1, width: 2 };
            10 Tagged: ("Box", 1_u32);
            11 std::collections::BTreeMap<String, Range>: std::collections::BTreeMap::from([("a", [1, 2])]);
            // Nor is a map whose keys are the places of fields.
            12 Range: std::collections::BTreeMap::from([(0_u8, 1_u32), (1, 2)]);
            13 After: std::collections::BTreeMap::from([(0_u8, Range { low: 1, high: 2 })]);
            14 (u32, u32): Range { low: 1, high: 2 };
            // An integer is not a float, nor a float an integer; an f64 has digits that an f32 has
            // not.
            20 f64: 950_u64;
            21 f64: -1_i8;
            22 f32: 7_u32;
            23 f32: 0.1_f64;
            24 u64: 950.0_f64;
            25 Vec<f64>: vec![1_i64, 2];
            26 Option<f64>: 950_u128;
            27 u8: 300_u16;
            28 i128: u128::MAX;
            // Bytes, texts, integers, truths and nothing are five things.
            30 Vec<u8>: "abc";
            31 String: vec![b'a', b'b', b'c'];
            32 u128: vec![7_u8; 16];
            33 String: 5_u8;
            34 u8: true;
            35 bool: 1_u8;
            36 char: "ab";
            37 u8: ();
            38 (): Unit;
            39 (): Vec::<u8>::new();
            40 bytes::Bytes: "abc";
        }
        // Growth is no change: by value, as in keys.
        assert!(reads::<u8, u128>(&cache, 50, 7).await);
        assert!(reads::<u64, i128>(&cache, 51, u64::MAX).await);
        assert!(reads::<i64, u8>(&cache, 52, 7).await);
        assert!(reads::<f32, f64>(&cache, 53, 0.5).await);
        assert!(reads::<u8, Option<u64>>(&cache, 54, 7).await);
        assert!(reads::<char, String>(&cache, 55, 'a').await);
        assert!(reads::<[u8; 2], Vec<u8>>(&cache, 56, [1, 2]).await);
        assert!(reads::<Vec<u8>, Vec<u16>>(&cache, 57, vec![1, 2]).await);
    }
}

#[tokio::test]
async fn an_entry_of_another_version_is_a_miss_also_under_a_key_without_version() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let key = key("version", 1);
        cache.put(&key, &MINUTE, &1_u64).await.unwrap();
        let newer = MINUTE.version(1);
        assert!(
            cache.peek::<u64>(&key, &newer).await.is_none(),
            "{}",
            cache.location()
        );
        let origin = async || Ok::<_, ()>(2_u64);
        let read = cache.get_or_fetch(&key, &newer, origin).await.unwrap();
        assert_eq!((read.is_hit(), *read), (false, 2));
        assert!(cache.peek::<u64>(&key, &MINUTE).await.is_none());
    }
}

#[tokio::test]
async fn a_cancelled_read_does_not_answer_the_next_one() {
    let server = Memcached::start();
    // Even on a busy machine no answer arrives before its reader has been dropped.
    let late = Fault {
        delay: Duration::from_millis(1),
        ..Fault::default()
    };
    let proxy = Proxy::start(server.port(), 1, late).await;
    for protocol in ["classic", "meta"] {
        let url = format!("{}?protocol={protocol}", proxy.url());
        let cache = cache(&[
            ("CACHE_URL", &url),
            ("CACHE_NAMESPACE", protocol),
            ("CACHE_BUDGET_MS", "10000"),
        ]);
        let origin = Origin::default();
        for n in 1..=50 {
            cache.put(&key("cancel", n), &MINUTE, &n).await.unwrap();
        }
        let mut cancelled = 0;
        for n in 1..=50 {
            for polls in 1..4 {
                let (victim, next) = (key("cancel", n), key("cancel", n % 50 + 1));
                let mut call = Box::pin(cache.get_or_fetch(&victim, &MINUTE, || origin.call()));
                let mut answered = false;
                for _ in 0..polls {
                    answered = futures_util::poll!(&mut call).is_ready();
                    if answered {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                drop(call);
                cancelled += u32::from(!answered);
                let read = cache
                    .get_or_fetch(&next, &MINUTE, || origin.call())
                    .await
                    .unwrap();
                assert_eq!(
                    (read.is_hit(), *read),
                    (true, n % 50 + 1),
                    "{protocol} after {polls}: {:?}",
                    read.outcome()
                );
            }
        }
        assert!(
            cancelled > 100,
            "only {cancelled} of 150 reads were dropped"
        );
        assert_eq!(origin.calls(), 0);
    }
}

#[tokio::test]
async fn bytes_of_another_key_and_changed_bytes_are_a_miss() {
    let server = Memcached::start();
    for protocol in ["classic", "meta"] {
        let url = format!("{}?protocol={protocol}", server.url());
        let cache = cache(&[("CACHE_URL", &url), ("CACHE_NAMESPACE", protocol)]);
        let (a, b) = (key("bytes", 1), key("bytes", 2));
        cache.put(&a, &MINUTE, &"of a").await.unwrap();
        cache.put(&b, &MINUTE, &"of b").await.unwrap();
        let wire = |key: &larder::Key| format!("{protocol}:bytes:{}", hex::encode(key.digest()));
        let stolen = raw(&server, &wire(&a));
        let mut changed = stolen.clone();
        *changed.last_mut().unwrap() ^= 1;
        let forgeries = [
            stolen.clone(),
            stolen[..stolen.len() - 1].to_vec(),
            Vec::from("plain text"),
            vec![0],
        ];
        for forgery in forgeries {
            write(&server, &wire(&b), &forgery);
            assert!(
                cache.peek::<String>(&b, &MINUTE).await.is_none(),
                "{protocol} {forgery:?}"
            );
        }
        write(&server, &wire(&a), &changed);
        let origin = || async { Ok::<_, ()>("new".to_owned()) };
        let read = cache.get_or_fetch(&a, &MINUTE, origin).await.unwrap();
        assert_eq!((read.is_hit(), read.as_str()), (false, "new"));
        assert_eq!(
            cache.peek::<String>(&a, &MINUTE).await.unwrap().as_str(),
            "new"
        );
    }
}

/// The item under `key`.
pub(crate) fn raw(server: &Memcached, key: &str) -> Vec<u8> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    write!(stream, "get {key}\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"END\r\n") {
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).unwrap();
        assert_ne!(n, 0, "no answer");
        answer.extend_from_slice(&chunk[..n]);
    }
    let start = answer.windows(2).position(|w| w == b"\r\n").unwrap() + 2;
    answer[start..answer.len() - 7].to_vec()
}

/// Stores `bytes` under `key` without an expiry.
pub(crate) fn write(server: &Memcached, key: &str, bytes: &[u8]) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    write!(stream, "set {key} 0 0 {}\r\n", bytes.len()).unwrap();
    stream.write_all(bytes).unwrap();
    stream.write_all(b"\r\n").unwrap();
    let mut answer = [0; 8];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"STORED\r\n");
}
