//! Caches for one test.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use larder::{Cache, Key, Policy};
use larder_testing::Memcached;

/// Without jitter: what a test says of a ttl is exact.
pub(crate) const MINUTE: Policy = Policy::ttl(Duration::from_secs(60)).jitter(0);

/// A cache with exactly these settings.
pub(crate) fn cache(settings: &[(&str, &str)]) -> Cache {
    let lookup = |name: &str| {
        let found = settings.iter().find(|(n, _)| *n == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Cache::builder().build_from_lookup(lookup).unwrap()
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

/// What the library logs meanwhile: a line an event, with all of its fields. For a process with one
/// test: tracing remembers for all threads whether anybody listens.
pub(crate) fn logged(meanwhile: impl Future<Output = ()>) -> String {
    logged_by(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(meanwhile);
    })
}

/// The same on no runtime.
pub(crate) fn logged_by(meanwhile: impl FnOnce()) -> String {
    let lines = Lines::default();
    tracing::subscriber::with_default(lines.clone(), meanwhile);
    let lines = lines.0.lock().unwrap();
    lines.clone()
}

/// Whether this process runs this test alone. If it does not, another one is started that does, and
/// has to pass.
pub(crate) fn alone(test: &str) -> bool {
    const ALONE: &str = "TEST_ALONE";
    if std::env::var_os(ALONE).is_some_and(|alone| alone == test) {
        return true;
    }
    let mut process = std::process::Command::new(std::env::current_exe().unwrap());
    process
        .args([test, "--exact", "--nocapture"])
        .env(ALONE, test);
    passes(&mut process);
    false
}

/// Runs a process that runs one test, which has to pass.
pub(crate) fn passes(process: &mut std::process::Command) {
    let ran = process.output().unwrap();
    let printed = String::from_utf8_lossy(&ran.stdout);
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(
        ran.status.success() && printed.contains("1 passed"),
        "{printed}{errors}"
    );
}

#[derive(Debug, Clone, Default)]
struct Lines(std::sync::Arc<std::sync::Mutex<String>>);

impl tracing::field::Visit for Lines {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write as _;
        write!(self.0.lock().unwrap(), "{field}={value:?} ").unwrap();
    }
}

impl tracing::Subscriber for Lines {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
        self.0.lock().unwrap().push('\n');
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
