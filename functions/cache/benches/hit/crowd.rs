//! Many callers in one process, each with its own keys, on a single-threaded runtime. They are
//! timed together; the figure is the share of one hit.

use std::{error::Error, marker::PhantomData, time::Instant};

use larder::Cache;
use tokio::{runtime::Runtime, task::JoinSet};

use crate::{
    alone::{self, POLICY},
    contest::Contender,
    value::Value,
};

/// The least number of calls for each task, so that starting the tasks does not count.
const EACH: usize = 16;

/// The number of callers, and of the keys that each asks for in turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) tasks: usize,
    pub(crate) keys: usize,
}

impl Spread {
    /// A single key for each.
    pub(crate) fn own_key(tasks: usize) -> Self {
        Self { tasks, keys: 1 }
    }
}

pub(crate) struct Crowd<V> {
    cache: Cache,
    runtime: Runtime,
    spread: Spread,
    value: PhantomData<V>,
}

impl<V: Value> Crowd<V> {
    pub(crate) fn new(url: &str, namespace: &str, spread: Spread) -> Result<Self, Box<dyn Error>> {
        let (cache, runtime) = (alone::cache(url, namespace)?, alone::runtime()?);
        runtime.block_on(async {
            for id in 0..(spread.tasks * spread.keys) as i64 {
                cache
                    .put(&alone::key::<V>(id)?, &POLICY, &V::new(id))
                    .await?;
            }
            Ok::<_, Box<dyn Error>>(())
        })?;
        Ok(Self {
            cache,
            runtime,
            spread,
            value: PhantomData,
        })
    }
}

impl<V: Value> Contender for Crowd<V> {
    fn run(&mut self, calls: usize) -> Result<f64, Box<dyn Error>> {
        let Spread {
            tasks: callers,
            keys,
        } = self.spread;
        let each = calls.div_ceil(callers).max(EACH);
        self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            let begun = Instant::now();
            for caller in 0..callers {
                let cache = self.cache.clone();
                tasks.spawn(async move {
                    for call in 0..each {
                        let id = caller * keys + call % keys;
                        let hit = alone::hit::<V>(&cache, id as i64).await;
                        hit.map_err(|error| error.to_string())?;
                    }
                    Ok::<_, String>(())
                });
            }
            while let Some(task) = tasks.join_next().await {
                task??;
            }
            Ok(begun.elapsed().as_secs_f64() / (callers * each) as f64)
        })
    }
}
