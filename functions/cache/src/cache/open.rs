//! How a cache is made. None of these connects.

use std::sync::Arc;
#[cfg(test)]
use std::time::Duration;

use super::Cache;
use crate::{
    clock::Clock,
    flight::{Flights, LocalSingleFlight, Pollers},
    near::Near,
    options::{Backend, Builder, Options, OptionsError, check_environment, check_names},
    shared::{Shared, abandoned::Abandoned, name_registry::Names, refreshing::Refreshing},
    store::{
        Store,
        memcached::{BreakerWatch, ConnectOptions, Memcached},
        memory::Memory,
    },
    telemetry::events::{BreakerChange, Observers},
    telemetry::log::{self, Log},
    telemetry::metrics::CountersByName,
};

impl Cache {
    /// Makes a cache with settings given in code; see [`Builder`].
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A cache with settings from environment variables: `CACHE_URL`, or `MEMCACHED_HOST` and
    /// `MEMCACHED_PORT` (default: `localhost` and `11211`); `CACHE_CA_FILE`,
    /// `CACHE_CLIENT_CERT_FILE` and `CACHE_CLIENT_KEY_FILE`; `CACHE_NAMESPACE` (`larder`);
    /// `CACHE_BUDGET_MS` (50); `CACHE_DISABLED` (`false`); `CACHE_NEAR` (`off`) and
    /// `CACHE_NEAR_BYTES` (16 MiB); `CACHE_SIGNING_KEY` and `CACHE_SIGNING_KEY_PREVIOUS`.
    ///
    /// # Errors
    /// [`OptionsError`] names the invalid variable; see [`Builder::build_from_env`].
    pub fn from_env() -> Result<Self, OptionsError> {
        Self::builder().build_from_env()
    }

    /// Finds misspelt names of a cache's variables, for settings that do not come from the
    /// environment and are given to [`Builder::build_from_lookup`].
    ///
    /// # Errors
    /// [`OptionsError`] for the first name that is almost one of a cache's variables, with the one
    /// that was probably meant.
    pub fn check_variables<N: AsRef<str>>(
        names: impl IntoIterator<Item = N>,
    ) -> Result<(), OptionsError> {
        check_names(names)
    }

    /// A cache in this process, of at most 64 MiB: for tests, and for machines without a memcached.
    ///
    /// It follows tokio's clock, so a test need not wait for a ttl to end: with tokio's
    /// `test-util`, time is paused until the test or one of its sleeps advances it.
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use larder::{Cache, with_cache};
    /// #[larder::cached("rate", ttl = "60s")]
    /// async fn rate(currency: &str) -> Result<f64, Infallible> {
    ///     Ok(1.08)
    /// }
    ///
    /// // In a test: #[tokio::test(start_paused = true)]
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// with_cache(Cache::memory(), async {
    ///     rate("EUR").await.unwrap();
    ///     assert!(rate::fetch("EUR").await.unwrap().is_hit());
    ///     tokio::time::advance(Duration::from_secs(61)).await;
    ///     assert!(!rate::fetch("EUR").await.unwrap().is_hit());
    /// })
    /// .await;
    /// # }
    /// ```
    #[must_use]
    pub fn memory() -> Self {
        let memory = Self::builder().memory().build();
        memory.expect("the defaults are sound")
    }

    /// A cache that stores nothing: every call goes to its origin and is counted. For tests of what
    /// a function does by itself, and of how often it is called.
    #[must_use]
    pub fn null() -> Self {
        let null = Self::builder().memory().disabled(true).build();
        null.expect("the defaults are sound")
    }

    pub(crate) fn new(options: Options, observers: Observers) -> Self {
        let location = options.location();
        let near = match (&options.backend, options.near) {
            (Backend::Memcached(_), Some(bytes)) => Near::on(bytes),
            // A cache in this process is as near as a copy.
            _ => Near::default(),
        };
        let (store, clock) = match options.backend {
            Backend::Memory { max } => (Store::Memory(Memory::new(max)), Clock::or_tokio()),
            Backend::Memcached(servers) => {
                let notified = observers.clone();
                let breaker_watch = BreakerWatch::new(move |server, state| {
                    log::breaker_changed(server, state);
                    notified.breaker_changed(&BreakerChange { server, state });
                });
                let connect_options = ConnectOptions {
                    breaker_watch,
                    ..servers.connect_options
                };
                let endpoints = servers.endpoints;
                let memcached = Memcached::new(endpoints, servers.discover, connect_options);
                (Store::Memcached(memcached), Clock::wall())
            }
        };
        Self(Arc::new(Shared {
            store,
            location,
            configuration: options.configuration,
            namespace: options.namespace,
            seal: options.seal,
            budget: options.budget,
            disabled: options.disabled,
            clock,
            flights: Flights::default(),
            single_flight: LocalSingleFlight::default(),
            pollers: Pollers::default(),
            abandoned: Abandoned::default(),
            counters: CountersByName::default(),
            observers,
            log: Log::default(),
            names: Names::new(),
            near,
            refreshing: Refreshing::default(),
        }))
    }

    /// A cache with the store of a test.
    #[cfg(test)]
    pub(crate) fn over(store: Store, clock: Clock) -> Self {
        Self::with_near(store, clock, Near::default(), Duration::from_millis(50))
    }

    /// The same, with near copies.
    #[cfg(test)]
    pub(crate) fn with_near(store: Store, clock: Clock, near: Near, budget: Duration) -> Self {
        let mut cache = Self::memory();
        let shared = Arc::get_mut(&mut cache.0).expect("shared with nobody");
        (shared.store, shared.clock) = (store, clock);
        (shared.near, shared.budget) = (near, budget);
        cache
    }
}

impl Builder {
    /// Makes the cache, with defaults for what was not set and without the environment. Does not
    /// connect.
    ///
    /// # Errors
    /// [`OptionsError`] names the first invalid setting.
    pub fn build(self) -> Result<Cache, OptionsError> {
        self.build_from_lookup(|_| None)
    }

    /// Makes the cache, with the environment's `CACHE_…` and `MEMCACHED_…` variables for what was
    /// not set. Does not connect.
    ///
    /// # Errors
    /// As [`Builder::build`]. A variable with almost one of these names, such as `CACHE_BUGDET_MS`,
    /// is an error, too. So is a value that is not UTF-8: an unreadable signing key must not switch
    /// signing off.
    pub fn build_from_env(self) -> Result<Cache, OptionsError> {
        check_environment()?;
        self.build_from_lookup(|name| std::env::var(name).ok())
    }

    /// As [`Builder::build_from_env`], with the variables from `lookup`. It is only called for
    /// names that a cache knows, so misspelt ones are not found: see [`Cache::check_variables`].
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn build_from_lookup(
        self,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Cache, OptionsError> {
        Ok(Cache::new(Options::new(&self, &lookup)?, self.observers))
    }
}
