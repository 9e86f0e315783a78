//! The settings of a cache, from a builder and a lookup function.

use std::time::Duration;

use crate::{
    entry::Seal,
    key::Namespace,
    store::memcached::{Between, ConnectOptions, Endpoint, Tls},
};

mod builder;
mod configuration;
mod error;
mod names;
mod url;
pub use builder::Builder;
pub use configuration::Configuration;
pub use error::OptionsError;
use names::Setting;
pub(crate) use names::{check as check_names, closest};
use url::Parsed;

/// The settings of a cache.
///
/// | variable | default | meaning |
/// |---|---|---|
/// | `CACHE_URL` | from the next two | `memcached://[user:password@]host:port[,host:port…]` with `?protocol=classic`, `meta` or `auto`, `?discover=true`, `?proxy=true`; `memcached+tls://…`; `memcached+unix:///path`; `memory:`, with `?max=256MiB` |
/// | `MEMCACHED_HOST`, `MEMCACHED_PORT` | `localhost`, `11211` | used when `CACHE_URL` is unset; Kubernetes' `tcp://host:port` and `MEMCACHED_SERVICE_HOST` are understood |
/// | `CACHE_CA_FILE` | bundled roots | a PEM file of further roots for TLS |
/// | `CACHE_CLIENT_CERT_FILE`, `CACHE_CLIENT_KEY_FILE` | unset | PEM files of a client's certificate and key for TLS |
/// | `CACHE_NAMESPACE` | `larder` | prefix of every key, 1 to 64 of `a-z A-Z 0-9 . _ -` |
/// | `CACHE_BUDGET_MS` | `50` | the most that cache I/O adds to one call, 1 to 10000 |
/// | `CACHE_DISABLED` | `false` | every call goes to its origin |
/// | `CACHE_NEAR` | `off` | `on`: a policy's `near` counts, here and in every process of the namespace |
/// | `CACHE_NEAR_BYTES` | `16777216` | the most bytes of near copies in this process, 65536 or more |
/// | `CACHE_SIGNING_KEY` | unset | entries are authenticated with it, 16 bytes or more |
/// | `CACHE_SIGNING_KEY_PREVIOUS` | unset | still verifies during a rotation |
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) backend: Backend,
    pub(crate) namespace: Namespace,
    pub(crate) budget: Duration,
    pub(crate) disabled: bool,
    pub(crate) seal: Seal,
    /// The most bytes of near copies, if there may be any.
    pub(crate) near: Option<usize>,
    pub(crate) configuration: Configuration,
}

/// Where entries are kept.
#[derive(Debug)]
pub(crate) enum Backend {
    /// In this process, in at most this many bytes.
    Memory {
        max: u64,
    },
    Memcached(Servers),
}

/// The memcached servers, and how to connect to them.
#[derive(Debug)]
pub(crate) struct Servers {
    /// At least one.
    pub(crate) endpoints: Vec<Endpoint>,
    /// The only endpoint is a configuration endpoint, which lists the servers.
    pub(crate) discover: bool,
    pub(crate) connect_options: ConnectOptions,
}

/// What near copies may take.
const NEAR_BYTES: usize = 16 << 20;
/// With less, each shard holds next to nothing.
const NEAR_BYTES_MIN: usize = 64 << 10;

/// A shorter signing key could be guessed.
const KEY_MIN: usize = 16;

/// Where a setting is looked up: in the builder, then in the environment.
struct Lookup<'a> {
    builder: &'a Builder,
    environment: &'a dyn Fn(&str) -> Option<String>,
}

impl Lookup<'_> {
    fn get(&self, setting: Setting) -> Option<String> {
        // An empty variable counts as unset, since compose files and shells pass "nothing" that
        // way.
        let variable = || (self.environment)(setting.name()).filter(|value| !value.is_empty());
        self.builder
            .get(setting)
            .map(str::to_owned)
            .or_else(variable)
    }

    /// The value as `parse` reads it; its error says what is wrong.
    fn parsed<T>(
        &self,
        setting: Setting,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, OptionsError> {
        let value = self.get(setting);
        let parsed = value.map(|value| parse(&value)).transpose();
        parsed.map_err(|problem| self.error(setting, problem))
    }

    fn error(&self, setting: Setting, problem: impl Into<String>) -> OptionsError {
        match self.builder.get(setting) {
            Some(_) => OptionsError::of_builder(setting, problem.into()),
            None => OptionsError::new(setting.name(), problem.into()),
        }
    }
}

impl Options {
    pub(crate) fn new(
        builder: &Builder,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, OptionsError> {
        let lookup = Lookup {
            builder,
            environment,
        };
        let mut options = Self {
            backend: backend(&lookup)?,
            namespace: namespace(&lookup)?,
            budget: lookup
                .parsed(Setting::Budget, budget)?
                .unwrap_or(Duration::from_millis(50)),
            disabled: lookup.parsed(Setting::Disabled, disabled)?.unwrap_or(false),
            seal: seal(&lookup)?,
            near: near(&lookup)?,
            configuration: Configuration::default(),
        };
        if let Backend::Memcached(servers) = &mut options.backend {
            if servers.connect_options.between == Between::Proxy {
                if options.near.is_some() {
                    let problem =
                        "copies in processes cannot be bounded behind a proxy (proxy=true)";
                    return Err(lookup.error(Setting::Near, problem));
                }
                options.namespace = options.namespace.by_tags();
            }
            servers.connect_options.probe = options.namespace.probe();
        }
        options.configuration = options.effective(&lookup);
        Ok(options)
    }

    /// Where the cache is, without secrets.
    pub(crate) fn location(&self) -> String {
        match &self.backend {
            Backend::Memory { max } => url::format_memory(*max),
            Backend::Memcached(servers) => {
                let query = match (servers.discover, servers.connect_options.between) {
                    (true, _) => "?discover=true",
                    (false, Between::Proxy) => "?proxy=true",
                    (false, Between::Nothing) => "",
                };
                url::format(&servers.endpoints, &servers.connect_options) + query
            }
        }
    }

    /// The settings in use, and where each comes from.
    fn effective(&self, lookup: &Lookup<'_>) -> Configuration {
        let mut all = Configuration::default();
        let protocol = match &self.backend {
            Backend::Memory { .. } => String::new(),
            Backend::Memcached(servers) => {
                let separator = match (servers.discover, servers.connect_options.between) {
                    (false, Between::Nothing) => '?',
                    _ => '&',
                };
                format!("{separator}protocol={}", servers.connect_options.protocol)
            }
        };
        all.url(self.location() + &protocol, lookup);
        for file in FILES {
            if let Some(path) = lookup.get(file) {
                all.add(file, path, lookup);
            }
        }
        all.add(Setting::Namespace, self.namespace.name(), lookup);
        all.add(Setting::Budget, self.budget.as_millis(), lookup);
        all.add(Setting::Disabled, self.disabled, lookup);
        all.add(
            Setting::Near,
            if self.near.is_some() { "on" } else { "off" },
            lookup,
        );
        if let Some(bytes) = self.near {
            all.add(Setting::NearBytes, bytes, lookup);
        }
        for secret in [Setting::SigningKey, Setting::SigningKeyPrevious] {
            if lookup.get(secret).is_some() {
                all.add(secret, "(set, not shown)", lookup);
            }
        }
        all
    }
}

/// Refuses a variable of the environment that is almost one of ours, or one of ours that is not
/// UTF-8: an unreadable signing key must not switch signing off.
pub(crate) fn check_environment() -> Result<(), OptionsError> {
    check_names(std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()))?;
    for setting in Setting::ALL {
        let value = std::env::var_os(setting.name());
        if value.is_some_and(|value| value.into_string().is_err()) {
            return Err(OptionsError::new(setting.name(), "not UTF-8"));
        }
    }
    Ok(())
}

/// The files that only TLS uses.
const FILES: [Setting; 3] = [
    Setting::CaFile,
    Setting::ClientCertFile,
    Setting::ClientKeyFile,
];

fn backend(lookup: &Lookup<'_>) -> Result<Backend, OptionsError> {
    let url = lookup.parsed(Setting::Url, url::parse)?;
    let tls = matches!(&url, Some(Parsed::Memcached(parsed)) if parsed.tls);
    // A certificate without TLS is an error, because it was given for protection.
    for file in FILES {
        if !tls && lookup.get(file).is_some() {
            let problem = "only a CACHE_URL that begins with memcached+tls:// uses it";
            return Err(lookup.error(file, problem));
        }
    }
    Ok(match url {
        Some(Parsed::Memory { max }) => Backend::Memory { max },
        Some(Parsed::Memcached(parsed)) => {
            let tls = tls.then(|| tls_files(lookup)).transpose()?;
            Backend::Memcached(parsed.servers(tls))
        }
        None => Backend::Memcached(Servers {
            endpoints: vec![host_and_port(lookup)?],
            discover: false,
            connect_options: ConnectOptions::default(),
        }),
    })
}

/// The server of the `MEMCACHED_…` variables. Kubernetes sets some of them in every pod, if there
/// is a service that is named memcached.
fn host_and_port(lookup: &Lookup<'_>) -> Result<Endpoint, OptionsError> {
    let port_or_service = |text: &str| match url::service(text) {
        Some(service) => service.map(|(host, port)| (Some(host), port)),
        None => url::port(text).map(|port| (None, port)),
    };
    let mut host = lookup.parsed(Setting::Host, url::host)?;
    let (service, mut port) = match lookup.parsed(Setting::Port, port_or_service)? {
        Some((service, port)) => (service, Some(port)),
        None => (None, None),
    };
    host = host.or(service);
    if host.is_none() {
        host = lookup.parsed(Setting::ServiceHost, url::host)?;
        if host.is_some() && port.is_none() {
            port = lookup.parsed(Setting::ServicePort, url::port)?;
        }
    }
    Ok(Endpoint::Tcp {
        host: host.unwrap_or_else(|| "localhost".to_owned()),
        port: port.unwrap_or(url::DEFAULT_PORT),
    })
}

fn tls_files(lookup: &Lookup<'_>) -> Result<Tls, OptionsError> {
    let path = lookup.get(Setting::CaFile);
    let roots = Tls::roots(path.as_deref());
    let roots = roots.map_err(|problem| lookup.error(Setting::CaFile, problem))?;
    let (certificate, key) = (Setting::ClientCertFile, Setting::ClientKeyFile);
    let client = match (lookup.get(certificate), lookup.get(key)) {
        (None, None) => None,
        (Some(chain), Some(secret)) => {
            let chain = Tls::chain(&chain);
            let chain = chain.map_err(|problem| lookup.error(certificate, problem))?;
            let secret = Tls::key(&secret).map_err(|problem| lookup.error(key, problem))?;
            Some((chain, secret))
        }
        (Some(_), None) => {
            return Err(lookup.error(key, "CACHE_CLIENT_CERT_FILE needs its key"));
        }
        (None, Some(_)) => {
            return Err(lookup.error(certificate, "CACHE_CLIENT_KEY_FILE needs its certificate"));
        }
    };
    Tls::new(roots, client).map_err(|problem| lookup.error(certificate, problem))
}

fn namespace(lookup: &Lookup<'_>) -> Result<Namespace, OptionsError> {
    let parse = |name: &str| Namespace::new(name).map_err(|error| error.to_string());
    match lookup.parsed(Setting::Namespace, parse)? {
        Some(namespace) => Ok(namespace),
        None => Ok(Namespace::new("larder").expect("a sound name")),
    }
}

fn budget(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(ms @ 1..=10_000) => Ok(Duration::from_millis(ms)),
        _ => Err(format!(
            "{text:?} is not a number of milliseconds from 1 to 10000"
        )),
    }
}

/// The most bytes of near copies; `None` if they are off.
fn near(lookup: &Lookup<'_>) -> Result<Option<usize>, OptionsError> {
    let on = lookup.parsed(Setting::Near, |text| match text {
        "off" => Ok(false),
        "on" => Ok(true),
        _ => Err(format!("{text:?} is neither on nor off")),
    })?;
    let bytes = lookup.parsed(Setting::NearBytes, |text| match text.parse() {
        Ok(bytes @ NEAR_BYTES_MIN..) => Ok(bytes),
        _ => Err(format!(
            "{text:?} is not a number of bytes from {NEAR_BYTES_MIN} on"
        )),
    })?;
    Ok((on == Some(true)).then(|| bytes.unwrap_or(NEAR_BYTES)))
}

fn disabled(text: &str) -> Result<bool, String> {
    match text {
        "false" | "0" => Ok(false),
        "true" | "1" => Ok(true),
        _ => {
            let suggestion = names::did_you_mean(text, ["true", "false"]);
            Err(format!("{text:?} is neither true nor false{suggestion}"))
        }
    }
}

fn seal(lookup: &Lookup<'_>) -> Result<Seal, OptionsError> {
    let key = |text: &str| {
        if text.contains(char::REPLACEMENT_CHARACTER) {
            // Lossy conversion replaces what is not UTF-8 by this character: many keys would become
            // equal.
            Err("not UTF-8".to_owned())
        } else if text.len() < KEY_MIN {
            Err(format!("shorter than {KEY_MIN} bytes"))
        } else {
            Ok(text.to_owned())
        }
    };
    let previous = lookup.parsed(Setting::SigningKeyPrevious, key)?;
    match (lookup.parsed(Setting::SigningKey, key)?, previous) {
        (Some(key), previous) => Ok(Seal::signature(
            key.as_bytes(),
            previous.as_ref().map(String::as_bytes),
        )),
        (None, None) => Ok(Seal::Checksum),
        (None, Some(_)) => {
            let problem = "set without CACHE_SIGNING_KEY, which it precedes";
            Err(lookup.error(Setting::SigningKeyPrevious, problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(settings: &[(&str, &str)]) -> Result<Options, OptionsError> {
        Options::new(&Builder::default(), &|name| {
            let found = settings.iter().find(|(n, _)| *n == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_is_set_counts_and_what_is_not_has_a_default() {
        let location = |settings: &[(&str, &str)]| options(settings).unwrap().location();
        assert_eq!(location(&[]), "memcached://localhost:11211");
        assert_eq!(
            location(&[("MEMCACHED_HOST", "cache"), ("MEMCACHED_PORT", "1")]),
            "memcached://cache:1"
        );
        assert_eq!(
            location(&[("CACHE_URL", "memory:"), ("MEMCACHED_HOST", "cache")]),
            "memory:"
        );
        assert_eq!(
            location(&[("CACHE_URL", "memcached://a,[::1]:5,b:7")]),
            "memcached://a:11211,[::1]:5,b:7"
        );
        assert_eq!(
            location(&[("CACHE_URL", ""), ("MEMCACHED_HOST", "")]),
            "memcached://localhost:11211"
        );
        let unix = "memcached+unix:///run/memcached.sock";
        assert_eq!(location(&[("CACHE_URL", unix)]), unix);
        let tls = [("CACHE_URL", "memcached+tls://a,b:7?protocol=meta")];
        assert_eq!(location(&tls), "memcached+tls://a:11211,b:7");
        let told = "memcached+tls://a.cfg:11211?discover=true";
        assert_eq!(location(&[("CACHE_URL", told)]), told);
        let slash = "memcached://a:11211/?discover=true";
        assert_eq!(
            location(&[("CACHE_URL", slash)]),
            "memcached://a:11211?discover=true"
        );
        let login = "memcached://user:s%40cret@a,b";
        assert_eq!(
            location(&[("CACHE_URL", login)]),
            "memcached://a:11211,b:11211"
        );
        let large = "memory:?max=256MiB";
        assert_eq!(location(&[("CACHE_URL", large)]), large);
        assert_eq!(options(&[]).unwrap().budget, Duration::from_millis(50));
        assert!(options(&[("CACHE_DISABLED", "true")]).unwrap().disabled);
    }

    /// A pod in a namespace with a service that is named memcached has all of these.
    #[test]
    fn the_variables_that_kubernetes_sets_are_a_host_and_a_port() {
        let pod = [
            ("MEMCACHED_SERVICE_HOST", "10.0.0.1"),
            ("MEMCACHED_SERVICE_PORT", "11212"),
            ("MEMCACHED_PORT", "tcp://10.0.0.1:11212"),
            ("MEMCACHED_PORT_11212_TCP", "tcp://10.0.0.1:11212"),
        ];
        let location = |settings: &[(&str, &str)]| options(settings).unwrap().location();
        assert_eq!(location(&pod), "memcached://10.0.0.1:11212");
        assert_eq!(location(&pod[..2]), "memcached://10.0.0.1:11212");
        let named = [&[("MEMCACHED_HOST", "memcached")], &pod[..]].concat();
        assert_eq!(location(&named), "memcached://memcached:11212");
        let explicit = [&[("CACHE_URL", "memcached://b")], &pod[..]].concat();
        assert_eq!(location(&explicit), "memcached://b:11211");
    }

    #[test]
    fn what_can_not_be_understood_is_named() {
        let rows: &[&[(&str, &str)]] = &[
            &[("CACHE_URL", "localhost:11211")],
            &[("CACHE_URL", "redis://localhost")],
            &[("CACHE_URL", "memcached://")],
            &[("CACHE_URL", "memcached://a:0")],
            &[("CACHE_URL", "memcached://a:99999")],
            &[("CACHE_URL", "memcached://a b")],
            &[("CACHE_URL", "memcached://a/path")],
            &[("CACHE_URL", "memcached://a?x=1")],
            &[("CACHE_URL", "memcached://a?protocol=binary")],
            &[("CACHE_URL", "memcached://user:secret@a/path")],
            &[("CACHE_URL", "memcached://secret@a")],
            &[("CACHE_URL", "memory:x")],
            &[("CACHE_URL", "memory:?max=64")],
            &[("CACHE_CA_FILE", "ca.pem"), ("CACHE_URL", "memcached://a")],
            &[
                ("CACHE_CLIENT_CERT_FILE", "client.pem"),
                ("CACHE_URL", "memcached://a"),
            ],
            &[
                ("CACHE_CLIENT_KEY_FILE", "/nonexistent"),
                ("CACHE_CLIENT_CERT_FILE", ""),
                ("MEMCACHED_HOST", "a"),
            ],
            &[("CACHE_URL", "memcached+unix://relative")],
            &[("CACHE_URL", "memcached+tls://")],
            &[("CACHE_URL", "memcached://a,b?discover=true")],
            &[("CACHE_URL", "memcached://a?discover=yes")],
            &[("CACHE_URL", "memcached://a?proxy=yes")],
            &[("CACHE_URL", "memcached://a?proxy=true&protocol=meta")],
            &[("CACHE_URL", "memcached://a?proxy=true&discover=true")],
            &[
                ("CACHE_NEAR", "on"),
                ("CACHE_URL", "memcached://a?proxy=true"),
            ],
            &[
                ("CACHE_CA_FILE", "/nonexistent"),
                ("CACHE_URL", "memcached+tls://a"),
            ],
            &[("MEMCACHED_PORT", "eleven")],
            &[("MEMCACHED_PORT", "tcp://a:eleven")],
            &[("MEMCACHED_HOST", "a:11211")],
            &[("CACHE_NAMESPACE", "a:b")],
            &[("CACHE_BUDGET_MS", "0")],
            &[("CACHE_BUDGET_MS", "50ms")],
            &[("CACHE_DISABLED", "maybe")],
            &[("CACHE_NEAR", "true")],
            &[("CACHE_NEAR_BYTES", "16MiB")],
            &[("CACHE_SIGNING_KEY", "hunter2")],
            &[("CACHE_SIGNING_KEY", "0123456789abcdef\u{fffd}")],
            &[("CACHE_SIGNING_KEY_PREVIOUS", "0123456789abcdef")],
        ];
        for settings in rows {
            let error = options(settings).unwrap_err();
            assert_eq!(error.variable(), settings[0].0, "{error}");
            assert!(
                !error.to_string().contains("secret") && !error.to_string().contains("hunter2")
            );
        }
    }
}
