//! Many callers in one process, each with a key of its own, on a runtime of one thread. Timed together: a hit's share.

use std::{error::Error, marker::PhantomData, time::Instant};

use larder::{Cache, testing::Memcached};
use tokio::{runtime::Runtime, task::JoinSet};

use crate::{
    Contender,
    alone::{self, POLICY},
    value::Value,
};

pub(crate) struct Crowd<V> {
    cache: Cache,
    runtime: Runtime,
    tasks: usize,
    value: PhantomData<V>,
}

impl<V: Value> Crowd<V> {
    pub(crate) fn new(server: &Memcached, tasks: usize) -> Result<Self, Box<dyn Error>> {
        let (cache, runtime) = (alone::cache(server, "crowd")?, alone::runtime()?);
        runtime.block_on(async {
            for id in 0..tasks as i64 {
                cache
                    .put(&alone::key::<V>(id)?, &POLICY, &V::new(id))
                    .await?;
            }
            Ok::<_, Box<dyn Error>>(())
        })?;
        Ok(Self {
            cache,
            runtime,
            tasks,
            value: PhantomData,
        })
    }
}

impl<V: Value> Contender for Crowd<V> {
    fn run(&mut self, calls: usize) -> Result<f64, Box<dyn Error>> {
        // Starting the tasks is not what is measured.
        let each = calls.div_ceil(self.tasks);
        self.runtime.block_on(async {
            let mut tasks = JoinSet::new();
            let begun = Instant::now();
            for id in 0..self.tasks as i64 {
                let cache = self.cache.clone();
                tasks.spawn(async move {
                    for _ in 0..each {
                        let hit = alone::hit::<V>(&cache, id).await;
                        hit.map_err(|error| error.to_string())?;
                    }
                    Ok::<_, String>(())
                });
            }
            while let Some(task) = tasks.join_next().await {
                task??;
            }
            Ok(begun.elapsed().as_secs_f64() / (self.tasks * each) as f64)
        })
    }
}
