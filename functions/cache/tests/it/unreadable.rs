use std::{collections::BTreeMap, convert::Infallible};

use larder::{Cache, CacheError, CacheFailure, Fill, Outcome, with_cache};
use larder_testing::Memcached;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::support::{MINUTE, at, every_store, key, logged};

/// For five seconds after an answer that cannot be stored, nobody tries to store another.
const PASSED: Outcome = Outcome::Passed;
const LEFT_OUT: [Outcome; 3] = [UNREADABLE, PASSED, PASSED];
const UNREADABLE: Outcome = Outcome::Miss(Fill::Failed(CacheFailure::Decode));
const STORED: Outcome = Outcome::Miss(Fill::Stored);

/// What becomes of a value that is fetched three times.
async fn outcomes<T>(cache: &Cache, n: u64, value: T) -> [Outcome; 3]
where
    T: Serialize + DeserializeOwned + Clone + PartialEq + std::fmt::Debug,
{
    let mut outcomes = [UNREADABLE; 3];
    for outcome in &mut outcomes {
        let origin = async || Ok::<_, Infallible>(value.clone());
        let key = key("unreadable", n);
        let fetched = cache.get_or_fetch(&key, &MINUTE, origin).await.unwrap();
        assert_eq!(*fetched, value);
        *outcome = fetched.outcome();
    }
    outcomes
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Hidden {
    id: u64,
    #[serde(skip_serializing)]
    password: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sparse {
    id: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all(serialize = "camelCase"))]
struct Outward {
    first_name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wide {
    wei: u128,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flat {
    id: u64,
    #[serde(flatten)]
    inner: Wide,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Big(u128),
    Text(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Twice {
    id: u64,
    #[serde(flatten)]
    rest: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Level {
    #[serde(skip_deserializing)]
    Old,
    New,
}

/// Read back without complaint, as something else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Kind {
    #[serde(rename(serialize = "first"))]
    First,
    #[serde(other)]
    Other,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Checked(u64);

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(String::deserialize(from)?.len() as u64))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tree {
    name: String,
    children: Vec<Self>,
}

fn tree(levels: u32) -> Tree {
    let children = if levels == 1 {
        vec![]
    } else {
        vec![tree(levels - 1)]
    };
    Tree {
        name: levels.to_string(),
        children,
    }
}

#[tokio::test]
async fn what_would_not_read_back_is_found_before_it_is_stored() {
    let server = Memcached::start();
    for cache in every_store(&server) {
        let location = cache.location().to_owned();
        macro_rules! never {
            ($($n:literal $value:expr;)*) => {
                $(assert_eq!(outcomes(&cache, $n, $value).await, LEFT_OUT, "{location}: {}", $n);)*
            };
        }
        never! {
            1 Hidden { id: 7, password: "x".to_owned() };
            2 Outward { first_name: "Ada".to_owned() };
            3 Flat { id: 7, inner: Wide { wei: u128::MAX } };
            4 Flat { id: 7, inner: Wide { wei: 5 } };
            5 Untagged::Big(u128::MAX);
            6 Twice { id: 7, rest: [("id".to_owned(), 8)].into() };
            7 Level::Old;
            8 Kind::First;
            9 Checked(7);
            10 tree(70);
            11 vec![Hidden { id: 7, password: "x".to_owned() }];
            12 Some(Wide { wei: 1 }).map(|inner| Flat { id: 1, inner });
        }
        let stats = cache.stats();
        assert_eq!((stats.unreadable, stats.stored), (0, 0), "{location}");
        assert_eq!(stats.failures[CacheFailure::Decode], 12, "{location}");
        // Its neighbours are cached.
        macro_rules! stored {
            ($($n:literal $value:expr;)*) => {
                $(assert_eq!(outcomes(&cache, $n, $value).await, [STORED, Outcome::Hit, Outcome::Hit], "{location}: {}", $n);)*
            };
        }
        stored! {
            101 Wide { wei: u128::MAX };
            102 Untagged::Text("a".to_owned());
            103 Twice { id: 7, rest: [("ids".to_owned(), 8)].into() };
            104 Level::New;
            105 Kind::Other;
            106 tree(60);
            107 i128::MIN;
            108 (i128::from(i64::MIN) - 1, u128::from(u64::MAX) + 1);
        }
    }
}

/// Some values of a type read back and others do not: the first that does not is written once.
#[tokio::test]
async fn a_type_with_values_of_both_kinds_is_tried_each_time_after_one_failed() {
    let cache = Cache::memory();
    let sparse = |note: &str| Sparse {
        id: 7,
        note: note.to_owned(),
    };
    let stored = [STORED, Outcome::Hit, Outcome::Hit];
    assert_eq!(outcomes(&cache, 1, sparse("a")).await, stored);
    assert_eq!(
        outcomes(&cache, 2, sparse("")).await,
        [STORED, UNREADABLE, PASSED]
    );
    assert_eq!(outcomes(&cache, 3, sparse("")).await, LEFT_OUT);
    assert_eq!(outcomes(&cache, 4, sparse("b")).await, stored);
    assert_eq!(cache.stats().unreadable, 1);
}

#[larder::cached("unreadable-row", ttl = "60s")]
async fn row(id: u64) -> Result<Hidden, String> {
    Ok(Hidden {
        id,
        password: "hunter2".to_owned(),
    })
}

/// Not a test of its own: what a process does that the next test has started.
#[test]
fn a_process() {
    if std::env::var_os("UNREADABLE_LOG").is_none() {
        return;
    }
    let log = logged(async {
        let cache = Cache::memory();
        for id in 1..4 {
            with_cache(cache.clone(), row(id)).await.unwrap();
        }
        let inner = Wide { wei: 77_777 };
        outcomes(&cache, 1, Flat { id: 1, inner }).await;
    });
    println!("{log}");
}

#[test]
fn the_log_says_once_which_type_and_which_field_and_no_value() {
    let ran = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["unreadable::a_process", "--exact", "--nocapture"])
        .env("UNREADABLE_LOG", "1")
        .output()
        .unwrap();
    let log = String::from_utf8(ran.stdout).unwrap();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("do not read back"))
        .collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(
        lines[0].contains("Hidden") && lines[0].contains("`password`"),
        "{log}"
    );
    assert!(
        !lines[0].contains("Coded") && !log.contains("hunter2"),
        "{log}"
    );
    assert!(
        lines[1].contains("Flat") && lines[1].contains("\"wei\""),
        "{log}"
    );
    assert!(!log.contains("77777"), "{log}");
}

#[tokio::test]
async fn a_value_beyond_the_limit_is_not_encoded_to_its_end() {
    use std::sync::atomic::{AtomicU64, Ordering};
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    #[derive(Clone, Deserialize)]
    struct Piece(u64);
    impl Serialize for Piece {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            WRITTEN.fetch_add(1, Ordering::Relaxed);
            to.serialize_u64(self.0)
        }
    }
    const PIECES: usize = 4_000_000;
    let cache = Cache::memory();
    let origin = async || Ok::<_, Infallible>(vec![Piece(u64::MAX); PIECES]);
    let fetched = cache
        .get_or_fetch(&key("large", 1), &MINUTE, origin)
        .await
        .unwrap();
    assert_eq!(
        fetched.outcome(),
        Outcome::Miss(Fill::Failed(CacheFailure::Oversize))
    );
    let written = WRITTEN.load(Ordering::Relaxed);
    assert!(written < 150_000, "{written} of {PIECES} were written");
    let put = cache
        .put(&key("large", 2), &MINUTE, &vec![Piece(u64::MAX); PIECES])
        .await;
    assert!(matches!(put, Err(CacheError::Value(_))), "{put:?}");
}

/// An image of 750 KB fits, and takes its own length on the server.
#[tokio::test]
async fn bytes_are_stored_as_bytes() {
    let server = Memcached::start();
    let image: Vec<u8> = (0..750_000_u32)
        .map(|n| (n.wrapping_mul(n) >> 7) as u8)
        .collect();
    for protocol in ["classic", "meta"] {
        let cache = at(&format!("{}?protocol={protocol}", server.url()));
        let outcomes = outcomes(&cache, 1, image.clone()).await;
        assert_eq!(outcomes, [STORED, Outcome::Hit, Outcome::Hit], "{protocol}");
        let written = cache.stats().bytes_written;
        assert!(written < 751_000, "{protocol}: {written} bytes");
        cache.invalidate(&key("unreadable", 1)).await.unwrap();
    }
}
