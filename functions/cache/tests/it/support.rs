//! Caches for one test.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use larder::{Cache, Key, Policy};
use larder_testing::Memcached;

pub(crate) const MINUTE: Policy = Policy::ttl(Duration::from_secs(60));

/// A cache with exactly these settings.
pub(crate) fn cache(settings: &[(&str, &str)]) -> Cache {
    let lookup = |name: &str| {
        let found = settings.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Cache::from_lookup(lookup).unwrap()
}

pub(crate) fn at(url: &str) -> Cache {
    cache(&[("CACHE_URL", url), ("CACHE_BUDGET_MS", "10000")])
}

/// One cache of each kind; those on memcached share a server and have a namespace each. The budget
/// is large: these tests are not about time, and the machine may be busy.
pub(crate) fn every_store(server: &Memcached) -> Vec<Cache> {
    let url = server.url();
    let wide = ("CACHE_BUDGET_MS", "10000");
    let (classic, meta) = (
        format!("{url}?protocol=classic"),
        format!("{url}?protocol=meta"),
    );
    vec![
        cache(&[("CACHE_URL", "memory:"), wide]),
        cache(&[
            ("CACHE_URL", &classic),
            ("CACHE_NAMESPACE", "classic"),
            wide,
        ]),
        cache(&[("CACHE_URL", &meta), ("CACHE_NAMESPACE", "meta"), wide]),
    ]
}

pub(crate) fn key(name: &'static str, n: u64) -> Key {
    Key::new(name, &(n,)).unwrap()
}

/// Counts origin calls and returns their number.
#[derive(Debug, Default)]
pub(crate) struct Origin(AtomicU64);

impl Origin {
    pub(crate) async fn call(&self) -> Result<u64, std::convert::Infallible> {
        Ok(self.0.fetch_add(1, Ordering::SeqCst) + 1)
    }

    pub(crate) fn calls(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
