//! What is cached: a user with twenty orders, 1 KB on the wire, as a struct that is decoded or as JSON that is not.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// A value of the cache.
pub(crate) trait Value: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Where it is kept: two kinds of value under one key would replace each other.
    const NAME: &str;

    fn new(id: i64) -> Self;
}

/// Decoded by the library.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Decoded {
    id: i64,
    name: String,
    email: String,
    orders: Vec<Order>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    article: String,
    pieces: u32,
    cents: i64,
}

impl Value for Decoded {
    const NAME: &str = "user";

    fn new(id: i64) -> Self {
        let order = |n: u32| Order {
            article: format!("article-{n:05}"),
            pieces: n % 7 + 1,
            cents: i64::from(n) * 1999,
        };
        Self {
            id,
            name: format!("User {id}"),
            email: format!("user{id}@example.com"),
            orders: (0..20).map(order).collect(),
        }
    }
}

/// An answer as it goes out.
pub(crate) type Json = Bytes;

impl Value for Json {
    const NAME: &str = "json";

    fn new(id: i64) -> Self {
        let json = serde_json::to_vec(&Decoded::new(id)).unwrap_or_default();
        // As long as the struct is on the wire, so that one raw get is the limit of both.
        json[..1024.min(json.len())].to_vec().into()
    }
}
