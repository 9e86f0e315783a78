//! How a cache is made. None of these connects to anything.

use std::sync::Arc;

use super::Cache;
use crate::{
    clock::Clock,
    flight::{Flights, LocalSingleFlight, Pollers},
    options::{Builder, Options, OptionsError, Servers, check_environment, check_names},
    shared::{Shared, name_registry::Names},
    store::{Store, memcached::Memcached, memory::Memory},
    telemetry::events::Observers,
    telemetry::log::Log,
    telemetry::metrics::CountersByName,
};

impl Cache {
    /// Makes a cache with settings given in code. Several caches may stand side by side, each with connections, settings and
    /// counters of its own.
    ///
    /// ```
    /// # use larder::Cache;
    /// let cache = Cache::builder().memory().namespace("shop").build()?;
    /// assert_eq!(cache.namespace(), "shop");
    /// # Ok::<_, larder::OptionsError>(())
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A cache as the environment's `CACHE_…` and `MEMCACHED_…` variables say: where it is
    /// (`CACHE_URL`, or `MEMCACHED_HOST` and `MEMCACHED_PORT`; `localhost:11211`), `CACHE_CA_FILE`, `CACHE_NAMESPACE` (`larder`),
    /// `CACHE_BUDGET_MS` (50), `CACHE_DISABLED` (false), `CACHE_SIGNING_KEY` and `CACHE_SIGNING_KEY_PREVIOUS`.
    ///
    /// ```
    /// # use larder::Cache;
    /// let cache = Cache::from_env()?; // connects to nothing
    /// println!("{}", cache.configuration()); // each setting, and who said so
    /// # Ok::<_, larder::OptionsError>(())
    /// ```
    ///
    /// # Errors
    /// [`OptionsError`] names the variable that can not be understood; see [`Builder::build_from_env`].
    pub fn from_env() -> Result<Self, OptionsError> {
        Self::builder().build_from_env()
    }

    /// As [`Cache::from_env`], with the variables taken from `lookup`.
    ///
    /// ```
    /// # use larder::Cache;
    /// let cache = Cache::from_lookup(|name| match name {
    ///     "MEMCACHED_HOST" => Some("cache-1".to_owned()),
    ///     _ => None,
    /// })?;
    /// assert_eq!(cache.location(), "memcached://cache-1:11211");
    /// # Ok::<_, larder::OptionsError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Builder::build_from_lookup`].
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, OptionsError> {
        Self::builder().build_from_lookup(lookup)
    }

    /// Refuses the first of these names that is almost one of a cache's variables: for those who read their variables elsewhere than
    /// in the environment, and use [`Cache::from_lookup`].
    ///
    /// ```
    /// # use larder::Cache;
    /// let error = Cache::check_variables(["PATH", "CACHE_NAMESPCE"]).unwrap_err();
    /// assert!(error.to_string().contains("CACHE_NAMESPACE"));
    /// ```
    ///
    /// # Errors
    /// [`OptionsError`] names it, and the variable that it was probably meant to be.
    pub fn check_variables<N: AsRef<str>>(
        names: impl IntoIterator<Item = N>,
    ) -> Result<(), OptionsError> {
        check_names(names)
    }

    /// A cache inside this process, at most 64 MiB, shared with nobody: for tests and for machines with nothing installed.
    ///
    /// It follows tokio's clock as well as the machine's, so a test of what happens after a minute takes none: with tokio's
    /// `test-util`, time stands still until the test, or a sleep of its own, moves it on.
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

    /// A cache that keeps nothing: every call goes to its origin and is counted. For tests of what a function does by itself, and to
    /// see how often it would be called.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use larder::{Cache, with_cache};
    /// #[larder::cached("rate", ttl = "60s")]
    /// async fn rate(currency: &str) -> Result<f64, Infallible> {
    ///     Ok(1.08)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let cache = Cache::null();
    /// with_cache(cache.clone(), async {
    ///     for _ in 0..3 {
    ///         assert!(!rate::fetch("EUR").await.unwrap().is_hit());
    ///     }
    /// })
    /// .await;
    /// assert_eq!(cache.stats_by_name()["rate"].disabled, 3);
    /// # }
    /// ```
    #[must_use]
    pub fn null() -> Self {
        let null = Self::builder().memory().disabled(true).build();
        null.expect("the defaults are sound")
    }

    pub(crate) fn new(options: Options, observers: Observers) -> Self {
        let location = options.location();
        let (store, clock) = match options.servers {
            None => (Store::Memory(Memory::new()), Clock::or_tokio()),
            Some(Servers::Listed {
                endpoints,
                connect_options,
            }) => {
                let memcached = Memcached::new(&endpoints, &connect_options);
                (Store::Memcached(memcached), Clock::Wall)
            }
            Some(Servers::Discovered {
                endpoint,
                connect_options,
            }) => {
                let memcached = Memcached::discovered(endpoint, connect_options);
                (Store::Memcached(memcached), Clock::Wall)
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
            counters: CountersByName::default(),
            observers,
            log: Log::default(),
            names: Names::new(),
        }))
    }

    /// A cache over a store of a test's own.
    #[cfg(test)]
    pub(crate) fn over(store: Store, clock: Clock) -> Self {
        let mut cache = Self::memory();
        let shared = Arc::get_mut(&mut cache.0).expect("shared with nobody");
        (shared.store, shared.clock) = (store, clock);
        cache
    }
}

impl Builder {
    /// The cache, with the default for what was not said. The environment is not asked. Connects to nothing.
    ///
    /// ```
    /// # use larder::Cache;
    /// assert!(Cache::builder().memory().build().is_ok());
    /// assert!(Cache::builder().url("localhost:11211").build().is_err()); // no memcached://
    /// ```
    ///
    /// # Errors
    /// [`OptionsError`] names the setting that can not be understood.
    pub fn build(self) -> Result<Cache, OptionsError> {
        self.build_from_lookup(|_| None)
    }

    /// The cache, with the environment's `CACHE_…` and `MEMCACHED_…` variables for what was not said. Connects to nothing.
    ///
    /// ```
    /// # use larder::Cache;
    /// let cache = Cache::builder().namespace("shop").build_from_env()?; // the rest: the environment
    /// assert_eq!(cache.namespace(), "shop");
    /// # Ok::<_, larder::OptionsError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Builder::build`]. A variable that is almost one of ours, such as `CACHE_BUGDET_MS`, is an error too, and so is one of
    /// ours that is not UTF-8: an unreadable signing key must not switch signing off.
    pub fn build_from_env(self) -> Result<Cache, OptionsError> {
        check_environment()?;
        self.build_from_lookup(|name| std::env::var(name).ok())
    }

    /// As [`Builder::build_from_env`], with the variables taken from `lookup`. It is asked for ours only, so misspelt ones are
    /// not found: see [`Cache::check_variables`].
    ///
    /// ```
    /// # use larder::Cache;
    /// let file = |name: &str| match name {
    ///     "CACHE_URL" => Some("memory:".to_owned()),
    ///     "CACHE_NAMESPACE" => Some("ignored".to_owned()),
    ///     _ => None,
    /// };
    /// let cache = Cache::builder().namespace("shop").build_from_lookup(file)?;
    /// assert_eq!((cache.location(), cache.namespace()), ("memory:", "shop"));
    /// # Ok::<_, larder::OptionsError>(())
    /// ```
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
