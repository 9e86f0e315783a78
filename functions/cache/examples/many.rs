//! A list of users, most of them cached: one lookup, and one query for those that are missing.
//!
//! `cargo run -p larder --example many` (in this process), or with
//! `CACHE_URL=memcached://localhost:11211`.

use std::{collections::HashMap, time::Duration};

use larder::{Cache, Policy};
use serde::{Deserialize, Serialize};

const USER: Policy = Policy::ttl(Duration::from_secs(60)).negative_ttl(Duration::from_secs(5));

#[derive(Debug, Clone, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
}

/// Imagine a database without users above 500.
#[derive(Debug)]
struct Database;

impl Database {
    /// `select id, name from users where id = any($1)`
    async fn users(&self, ids: Vec<u64>) -> Result<HashMap<u64, Option<User>>, DbError> {
        println!("  query for {ids:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        let user = |id| {
            let name = format!("User {id}");
            (id <= 500).then_some(User { id, name })
        };
        Ok(ids.into_iter().map(|id| (id, user(id))).collect())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the database does not answer")]
struct DbError;

/// One user; `user::fetch_many` gets many, with one query for those that are missing.
#[larder::cached("user", policy = USER, skip(database), many = |ids| database.users(ids))]
async fn user(id: u64, database: &Database) -> Result<Option<User>, DbError> {
    let users = database.users(vec![id]).await?;
    Ok(users.into_values().next().flatten())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = match std::env::var("CACHE_URL") {
        Ok(_) => Cache::from_env()?,
        Err(_) => Cache::memory(),
    };
    larder::install(cache)?;
    let database = Database;
    println!("one user alone");
    user(7, &database).await?;
    for ids in [&[6, 7, 8, 7][..], &[7, 8, 9, 999], &[6, 7, 8, 9, 999]] {
        println!("users {ids:?}");
        let found = user::fetch_many(&database, ids.to_vec()).await?;
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_unstable_by_key(|(id, _)| *id);
        for (id, user) in found {
            let name = user.as_ref().map_or("(no such user)", |user| &user.name);
            println!("  {id}: {name}, {:?}", user.outcome());
        }
    }
    Ok(())
}
