//! One caller on a single-threaded runtime: key, lookup, check and value. Each call is timed
//! separately.

use std::{
    convert::Infallible,
    error::Error,
    marker::PhantomData,
    time::{Duration, Instant},
};

use larder::{Cache, Key, Policy};
use tokio::runtime::Runtime;

use crate::{contest::Contender, row::median, value::Value};

pub(crate) const POLICY: Policy = Policy::ttl(Duration::from_secs(3600));
const ID: i64 = 7;

pub(crate) struct Alone<V> {
    cache: Cache,
    runtime: Runtime,
    value: PhantomData<V>,
}

impl<V: Value> Alone<V> {
    /// Fills the cache.
    pub(crate) fn new(url: &str, namespace: &str) -> Result<Self, Box<dyn Error>> {
        let (cache, runtime) = (cache(url, namespace)?, runtime()?);
        runtime.block_on(cache.put(&key::<V>(ID)?, &POLICY, &V::new(ID)))?;
        Ok(Self {
            cache,
            runtime,
            value: PhantomData,
        })
    }

    /// The item's key on the server.
    pub(crate) fn item(&self) -> String {
        let digest = key::<V>(ID).map(|key| hex::encode(key.digest()));
        let digest = digest.unwrap_or_default();
        format!("{}:{}:{digest}", self.cache.namespace(), V::NAME)
    }
}

impl<V: Value> Contender for Alone<V> {
    fn run(&mut self, calls: usize) -> Result<f64, Box<dyn Error>> {
        let cache = &self.cache;
        self.runtime.block_on(async {
            let mut times = Vec::with_capacity(calls);
            for _ in 0..calls {
                let begun = Instant::now();
                hit::<V>(cache, ID).await?;
                times.push(begun.elapsed().as_secs_f64());
            }
            Ok(median(times))
        })
    }
}

/// One hit; anything else is an error.
pub(crate) async fn hit<V: Value>(cache: &Cache, id: i64) -> Result<V, Box<dyn Error>> {
    let origin = || async { Ok::<_, Infallible>(V::new(id)) };
    let fetched = cache.get_or_fetch(&key::<V>(id)?, &POLICY, origin).await?;
    if !fetched.is_hit() {
        return Err(format!("no hit but {:?}", fetched.outcome()).into());
    }
    Ok(fetched.into_inner())
}

pub(crate) fn key<V: Value>(id: i64) -> Result<Key, larder::KeyError> {
    Key::new(V::NAME, &(id,))
}

pub(crate) fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// With a budget that no call exceeds: such a call would not be a hit.
pub(crate) fn cache(url: &str, namespace: &str) -> Result<Cache, larder::OptionsError> {
    let budget = Duration::from_secs(10);
    let builder = Cache::builder().url(url).namespace(namespace);
    builder.budget(budget).build()
}
