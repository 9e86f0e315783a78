//! A hit and a flush by name, on a server with a thousand entries and on one with a million.

use std::{convert::Infallible, error::Error, time::Instant};

use larder::{Cache, Key, Scope, testing::Memcached};
use tokio::{runtime::Runtime, task::JoinSet};

use crate::{
    alone::{self, POLICY},
    cores::{self, Layout},
    median,
    row::{Limit, Row},
};

const FEW: u64 = 1000;
const MANY: u64 = 1_000_000;
const ROUNDS: usize = 41;
const CALLS: usize = 500;

pub(crate) fn measure() -> Result<(), Box<dyn Error>> {
    let many = std::env::var("BENCH_KEYS")
        .ok()
        .map_or(Ok(MANY), |keys| keys.parse())?;
    cores::pin(Layout::CrossCore.server())?;
    let [small, large] = [(); 2].map(|()| Memcached::start_with(&["-m", "1024"]));
    cores::pin(Layout::CrossCore.client())?;
    let mut few = Filled::new(&small, FEW)?;
    let mut many = Filled::new(&large, many)?;
    for (what, limit, run) in [
        (
            "a hit, of 10^6 entries against 10^3",
            1.05,
            Filled::hits as Run,
        ),
        ("a flush by name, the same", 1.10, Filled::flushes),
    ] {
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let base = run(&mut few)?;
            ratios.push(run(&mut many)? / base);
        }
        Row::new("P8", what, "cross-core", &ratios, Limit::AtMost(limit)).report()?;
    }
    Ok(())
}

type Run = fn(&mut Filled) -> Result<f64, Box<dyn Error>>;

/// A cache with many entries.
struct Filled {
    cache: Cache,
    runtime: Runtime,
    keys: u64,
    /// Where the next round of hits begins.
    next: u64,
}

impl Filled {
    fn new(server: &Memcached, keys: u64) -> Result<Self, Box<dyn Error>> {
        let (cache, runtime) = (alone::cache(server, "growth")?, alone::runtime()?);
        const TASKS: u64 = 64;
        runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for task in 0..TASKS {
                let cache = cache.clone();
                tasks.spawn(async move {
                    for n in (task..keys).step_by(TASKS as usize) {
                        call(&cache, n).await;
                    }
                });
            }
            while let Some(task) = tasks.join_next().await {
                task?;
            }
            Ok::<_, Box<dyn Error>>(())
        })?;
        Ok(Self {
            cache,
            runtime,
            keys,
            next: 0,
        })
    }

    /// Of entries all over the cache.
    fn hits(&mut self) -> Result<f64, Box<dyn Error>> {
        let mut times = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            self.next = (self.next + 7919) % self.keys;
            let begun = Instant::now();
            if !self.runtime.block_on(call(&self.cache, self.next)) {
                return Err(format!("entry {} is not there", self.next).into());
            }
            times.push(begun.elapsed().as_secs_f64());
        }
        Ok(median(times))
    }

    fn flushes(&mut self) -> Result<f64, Box<dyn Error>> {
        let mut times = Vec::with_capacity(CALLS / 10);
        for _ in 0..CALLS / 10 {
            let begun = Instant::now();
            self.runtime
                .block_on(self.cache.flush(Scope::Name("grown")))?;
            times.push(begun.elapsed().as_secs_f64());
            // There is a generation to flush again.
            self.runtime.block_on(call(&self.cache, self.keys));
        }
        Ok(median(times))
    }
}

/// Whether it was a hit.
async fn call(cache: &Cache, n: u64) -> bool {
    let key = Key::new("grown", &(n,)).expect("a sound name");
    let origin = || async { Ok::<_, Infallible>(n) };
    let fetched = cache.get_or_fetch(&key, &POLICY, origin).await;
    fetched.is_ok_and(|fetched| fetched.is_hit())
}
