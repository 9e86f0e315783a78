//! Settings given in code. They are kept as the environment would give them, so that both go
//! through the same checks.

use std::{fmt, sync::Arc, time::Duration};

use super::names::Setting;
use crate::telemetry::events::{Observer, Observers};

/// Makes a [`Cache`](crate::Cache). A setting given here overrides the environment, which overrides
/// the default. Of a setting given twice the last one counts.
///
/// ```
/// # use std::time::Duration;
/// let cache = larder::Cache::builder()
///     .url("memcached://cache-1:11211,cache-2:11212?protocol=meta")
///     .namespace("shop")
///     .budget(Duration::from_millis(20))
///     .signing_key("the new secret of this cache")
///     .previous_signing_key("the old secret of this cache")
///     .build()?; // does not connect
/// assert_eq!(cache.location(), "memcached://cache-1:11211,cache-2:11212");
/// assert_eq!(cache.namespace(), "shop");
/// let shown = cache.configuration().to_string();
/// assert!(shown.contains("CACHE_BUDGET_MS=20"));
/// assert!(shown.contains("CACHE_SIGNING_KEY=(set, not shown)"));
/// # Ok::<_, larder::OptionsError>(())
/// ```
///
/// An error names the mistake, and what was probably meant:
///
/// ```
/// let misspelt = larder::Cache::builder().url("memcached://cache-1?protocl=meta");
/// let error = misspelt.build().unwrap_err();
/// assert!(error.to_string().contains("did you mean protocol=meta?"));
/// ```
#[derive(Clone, Default)]
#[must_use = "a builder makes nothing until it is built"]
pub struct Builder {
    settings: Vec<(Setting, String)>,
    pub(crate) observers: Observers,
}

impl Builder {
    /// Where the cache is, in the form of `CACHE_URL`: `memcached://host:port[,host:port…]`,
    /// `memcached+tls://…`, `memcached+unix:///path` or `memory:`. Default:
    /// `memcached://localhost:11211`. For servers with a password (`memcached -Y`):
    /// `memcached://user:password@host:port`, with `%XX` for what has a meaning in a URL; it is not
    /// shown anywhere.
    pub fn url(self, url: impl Into<String>) -> Self {
        self.set(Setting::Url, url.into())
    }

    /// Keeps the entries in this process, as [`Cache::memory`](crate::Cache::memory) does.
    pub fn memory(self) -> Self {
        self.url("memory:")
    }

    /// As [`memory`](Self::memory), of at most `max` bytes (default: 64 MiB), 1 MiB at least.
    pub fn memory_of(self, max: u64) -> Self {
        self.url(format!("memory:?max={max}"))
    }

    /// A PEM file with further root certificates for `memcached+tls`. It is read when the cache is
    /// made.
    pub fn ca_file(self, path: impl Into<String>) -> Self {
        self.set(Setting::CaFile, path.into())
    }

    /// PEM files with the certificate, and its chain, and the key by which `memcached+tls` shows
    /// who connects. They are read when the cache is made.
    pub fn client_certificate(
        self,
        certificate: impl Into<String>,
        key: impl Into<String>,
    ) -> Self {
        self.set(Setting::ClientCertFile, certificate.into())
            .set(Setting::ClientKeyFile, key.into())
    }

    /// The prefix of every key, 1 to 64 of `a-z A-Z 0-9 . _ -` (default `larder`). It keeps the
    /// applications that share a server apart.
    pub fn namespace(self, namespace: impl Into<String>) -> Self {
        self.set(Setting::Namespace, namespace.into())
    }

    /// The most time that cache I/O, lookup and fill together, adds to one call: 1 ms to 10 s
    /// (default 50 ms), rounded up to whole milliseconds. Waiting for another caller's origin call
    /// is limited by the policy's [`wait`](crate::Policy::wait) instead.
    pub fn budget(self, budget: Duration) -> Self {
        let ms = budget.as_nanos().div_ceil(1_000_000);
        self.set(Setting::Budget, ms.to_string())
    }

    /// Whether every call goes to its origin without using the cache (default: no).
    pub fn disabled(self, disabled: bool) -> Self {
        self.set(Setting::Disabled, disabled.to_string())
    }

    /// Whether copies may exist in this namespace (default: no): only then does a policy's
    /// [`near`](crate::Policy::near) count. Switch it on in every process of the namespace at once,
    /// after all of them have a release that knows it.
    pub fn near(self, on: bool) -> Self {
        self.set(Setting::Near, if on { "on" } else { "off" }.to_owned())
    }

    /// The most bytes that copies may hold in this process, keys and payloads as they are on the
    /// server (64 KiB or more, default 16 MiB).
    pub fn near_bytes(self, bytes: usize) -> Self {
        self.set(Setting::NearBytes, bytes.to_string())
    }

    /// Authenticates entries with HMAC-SHA-256 under this key of at least 16 bytes. Without one,
    /// entries only have a checksum.
    pub fn signing_key(self, key: impl Into<String>) -> Self {
        self.set(Setting::SigningKey, key.into())
    }

    /// A key whose entries are still accepted while a new [`signing_key`](Self::signing_key) is
    /// rolled out.
    pub fn previous_signing_key(self, key: impl Into<String>) -> Self {
        self.set(Setting::SigningKeyPrevious, key.into())
    }

    /// Is notified of every call of this cache that has ended.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers = Observers::of(observer);
        self
    }

    /// The last word counts.
    fn set(mut self, setting: Setting, value: String) -> Self {
        self.settings.retain(|(other, _)| *other != setting);
        self.settings.push((setting, value));
        self
    }

    pub(super) fn get(&self, setting: Setting) -> Option<&str> {
        let found = self.settings.iter().find(|(other, _)| *other == setting);
        found.map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Builder");
        for (setting, value) in &self.settings {
            match setting {
                // A URL may hold a password.
                Setting::Url | Setting::SigningKey | Setting::SigningKeyPrevious => {
                    shown.field(setting.method(), &"(set, not shown)")
                }
                _ => shown.field(setting.method(), value),
            };
        }
        shown.field("observer", &self.observers).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cache;

    fn environment(name: &str) -> Option<String> {
        let set = match name {
            "MEMCACHED_HOST" => "cache",
            "CACHE_NAMESPACE" => "environment",
            "CACHE_BUDGET_MS" => "7",
            "CACHE_SIGNING_KEY" => "0123456789abcdef",
            _ => return None,
        };
        Some(set.to_owned())
    }

    #[test]
    fn the_builder_beats_the_environment_and_that_the_default() {
        let cache = Cache::builder()
            .namespace("first")
            .namespace("builder")
            .build_from_lookup(environment)
            .unwrap();
        let expected = "\
CACHE_URL=memcached://cache:11211?protocol=auto (environment)
CACHE_NAMESPACE=builder (builder)
CACHE_BUDGET_MS=7 (environment)
CACHE_DISABLED=false (default)
CACHE_NEAR=off (default)
CACHE_SIGNING_KEY=(set, not shown) (environment)";
        assert_eq!(cache.configuration().to_string(), expected);
        let alone = Cache::builder().memory().disabled(true).build().unwrap();
        let expected = "\
CACHE_URL=memory: (builder)
CACHE_NAMESPACE=larder (default)
CACHE_BUDGET_MS=50 (default)
CACHE_DISABLED=true (builder)
CACHE_NEAR=off (default)";
        assert_eq!(alone.configuration().to_string(), expected);
    }

    #[test]
    fn no_secret_is_shown() {
        let secret = "hunter2 hunter2 hunter2";
        let builder = Cache::builder()
            .url("memcached://user:hunter2@cache")
            .signing_key(secret)
            .previous_signing_key(secret);
        assert!(!format!("{builder:?}").contains("hunter2"), "{builder:?}");
        let cache = builder.clone().build().unwrap();
        let shown = format!(
            "{cache:?} {:?} {0} {}",
            cache.configuration(),
            cache.location()
        );
        assert!(!shown.contains("hunter2"), "{shown}");
        let wrong = builder.clone().url("memcached://user:hunter2@cache:x");
        let error = wrong.build().unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
        let cache = builder.url("memory:").build().unwrap();
        let shown = format!("{cache:?} {:?} {0}", cache.configuration());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_can_not_be_understood_is_named_as_it_was_said() {
        let long = Duration::from_secs(11);
        let rows = [
            (Cache::builder().url(""), "url", "CACHE_URL"),
            (
                Cache::builder().namespace(""),
                "namespace",
                "CACHE_NAMESPACE",
            ),
            (
                Cache::builder().budget(Duration::ZERO),
                "budget",
                "CACHE_BUDGET_MS",
            ),
            (Cache::builder().budget(long), "budget", "CACHE_BUDGET_MS"),
            (
                Cache::builder().signing_key("short"),
                "signing_key",
                "CACHE_SIGNING_KEY",
            ),
        ];
        for (builder, method, variable) in rows {
            let error = builder.build_from_lookup(environment).unwrap_err();
            assert_eq!(error.variable(), variable);
            let start = format!("Cache::builder().{method}(…): ");
            assert!(error.to_string().starts_with(&start), "{error}");
        }
    }
}
