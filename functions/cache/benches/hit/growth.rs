//! How time grows with entries and servers, and memory with entries. Growth with callers is part of
//! the crowds.

use std::error::Error;

use larder::{Cache, Key, KeyError, Policy};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::row;

mod entries;
mod memory;
mod servers;

pub(crate) fn measure() -> Result<(), Box<dyn Error>> {
    row::heading("growth");
    entries::measure()?;
    servers::measure()?;
    memory::measure()
}

/// Stores `value(n)` under `key(n)` for every `n` below `keys`, many at the same time.
pub(crate) async fn fill<V: Serialize + Send + Sync + 'static>(
    cache: &Cache,
    policy: Policy,
    keys: i64,
    key: impl Fn(i64) -> Result<Key, KeyError> + Copy + Send + 'static,
    value: fn(i64) -> V,
) -> Result<(), Box<dyn Error>> {
    const TASKS: i64 = 64;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS.min(keys) {
        let cache = cache.clone();
        tasks.spawn(async move {
            for n in (task..keys).step_by(TASKS as usize) {
                let key = key(n).map_err(|error| error.to_string())?;
                let put = cache.put(&key, &policy, &value(n)).await;
                put.map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    Ok(())
}
