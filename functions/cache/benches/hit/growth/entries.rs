//! A hit and a flush by name, on a server with a thousand entries and on one with a million.

use std::{convert::Infallible, error::Error, time::Instant};

use larder::{Cache, Key, Scope};
use larder_testing::Memcached;
use tokio::runtime::Runtime;

use crate::{
    alone::{self, POLICY},
    layout::Layout,
    row::{Limit, Rounds, Row, Unit, median},
};

const LAYOUT: Layout = Layout::CrossCore;
const NAME: &str = "grown";
const FEW: i64 = 1000;
const MANY: i64 = 1_000_000;
const ROUNDS: usize = 41;
const CALLS: usize = 500;

pub(super) fn measure() -> Result<(), Box<dyn Error>> {
    let [small, large] = [
        LAYOUT.memcached(&["-m", "1024"])?,
        LAYOUT.memcached(&["-m", "1024"])?,
    ];
    let mut few = Filled::new(&small, FEW)?;
    let mut many = Filled::new(&large, MANY)?;
    for (what, limit, run) in [
        (
            "a hit, of 10^6 entries against 10^3",
            1.05,
            Filled::hits as Run,
        ),
        ("a flush by name, the same", 1.10, Filled::flushes),
    ] {
        let mut rounds = Rounds::of(Unit::Seconds);
        for _ in 0..ROUNDS {
            let base = run(&mut few)?;
            let took = run(&mut many)?;
            rounds.add(took, took / base);
        }
        Row::new("P8", what, LAYOUT.name(), &rounds, Limit::AtMost(limit)).report()?;
    }
    Ok(())
}

type Run = fn(&mut Filled) -> Result<f64, Box<dyn Error>>;

/// A cache with many entries.
struct Filled {
    cache: Cache,
    runtime: Runtime,
    keys: i64,
    /// Where the next round of hits begins.
    next: i64,
}

impl Filled {
    fn new(server: &Memcached, keys: i64) -> Result<Self, Box<dyn Error>> {
        let (cache, runtime) = (alone::cache(&server.url(), "growth")?, alone::runtime()?);
        let key = |n| Key::new(NAME, &(n,));
        runtime.block_on(super::fill(&cache, POLICY, keys, key, |n: i64| n))?;
        Ok(Self {
            cache,
            runtime,
            keys,
            next: 0,
        })
    }

    /// Hits of entries all over the cache.
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
            self.runtime.block_on(self.cache.flush(Scope::Name(NAME)))?;
            times.push(begun.elapsed().as_secs_f64());
            // Creates a generation for the next flush.
            self.runtime.block_on(call(&self.cache, self.keys));
        }
        Ok(median(times))
    }
}

/// Whether it was a hit.
async fn call(cache: &Cache, n: i64) -> bool {
    let key = Key::new(NAME, &(n,)).expect("a sound name");
    let origin = || async { Ok::<_, Infallible>(n) };
    let fetched = cache.get_or_fetch(&key, &POLICY, origin).await;
    fetched.is_ok_and(|fetched| fetched.is_hit())
}
