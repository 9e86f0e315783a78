//! A user with twenty orders: 1 KB on the wire.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct User {
    id: i64,
    name: String,
    email: String,
    orders: Vec<Order>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    article: String,
    pieces: u32,
    cents: i64,
}

impl User {
    pub(crate) fn sample(id: i64) -> Self {
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
