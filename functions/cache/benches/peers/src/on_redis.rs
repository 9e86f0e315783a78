//! The crate `cached` with its asynchronous Redis store: a decorated function whose value is a user
//! with twenty orders.

use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use cached::{AsyncRedisCache, macros::concurrent_cached, time::Duration};

use crate::{Result, turns};

#[path = "../../hit/user.rs"]
mod user;
use user::User;

/// The port of the Redis server, for the decorated function, which makes its cache itself.
static PORT: AtomicU16 = AtomicU16::new(0);
static ORIGIN_CALLS: AtomicUsize = AtomicUsize::new(0);

#[concurrent_cached(
    ty = "AsyncRedisCache<i64, User>",
    create = r##"{ store().await }"##,
    map_error = r##"|error| error.to_string()"##
)]
async fn fetch(id: i64) -> std::result::Result<User, String> {
    if ORIGIN_CALLS.fetch_add(1, Ordering::Relaxed) > 0 {
        return Err("this was no hit".to_owned());
    }
    Ok(User::sample(id))
}

async fn store() -> AsyncRedisCache<i64, User> {
    let url = format!("redis://127.0.0.1:{}", PORT.load(Ordering::Relaxed));
    AsyncRedisCache::builder("user")
        .namespace("bench")
        .ttl(Duration::from_secs(3600))
        .connection_string(&url)
        .build()
        .await
        .expect("a Redis server on that port")
}

/// Hits of the user with this number.
pub(crate) async fn cached(port: u16, id: i64) -> Result<()> {
    PORT.store(port, Ordering::Relaxed);
    turns(async || {
        fetch(id).await?;
        Ok(())
    })
    .await
}
