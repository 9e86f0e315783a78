//! Whose entry a key is: two functions, or two instantiations of one, never read each other's.

use larder::{Bypass, Cache, Outcome, with_cache};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

mod keys;
mod owners;
mod twins;
mod types;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u64,
    name: String,
}

/// Two of them read each other's bytes.
trait Entity: Serialize + DeserializeOwned {
    const TABLE: &'static str;
    fn make(id: u64) -> Self;
}

impl Entity for User {
    const TABLE: &'static str = "user";
    fn make(id: u64) -> Self {
        Self {
            id,
            name: format!("user {id}"),
        }
    }
}

impl Entity for Order {
    const TABLE: &'static str = "order";
    fn make(id: u64) -> Self {
        Self {
            id,
            name: format!("order {id}"),
        }
    }
}

struct Db;

/// What is refused goes to its origin, and is counted.
fn refused(cache: &Cache, name: &str) -> u64 {
    cache
        .stats_by_name()
        .get(name)
        .map_or(0, |stats| stats.refused)
}

const BYPASSED: Outcome = Outcome::Bypassed(Bypass::Name);

/// In a cache of its own, each call twice: what is cached is served the second time.
async fn twice<Fut: Future<Output = ()>>(calls: impl Fn() -> Fut) -> Cache {
    let cache = Cache::memory();
    for _ in 0..2 {
        with_cache(cache.clone(), calls()).await;
    }
    cache
}
