//! The settings of a cache, from a lookup that it is given. The only place that knows their names.

use std::time::Duration;

use crate::{
    entry::Seal,
    key::Namespace,
    store::memcached::{Endpoint, How, Tls},
};

mod url;

/// The settings of a cache.
///
/// | variable | default | meaning |
/// |---|---|---|
/// | `CACHE_URL` | from the next two | `memcached://host:port[,host:port…]` with `?protocol=classic`, `meta` or `auto`, `?discover=true`; `memcached+tls://…`; `memcached+unix:///path`; `memory:` |
/// | `MEMCACHED_HOST`, `MEMCACHED_PORT` | `localhost`, `11211` | used when `CACHE_URL` is unset |
/// | `CACHE_CA_FILE` | bundled roots | a PEM file of further roots for TLS |
/// | `CACHE_NAMESPACE` | `larder` | prefix of every key, 1 to 64 of `a-z A-Z 0-9 . _ -` |
/// | `CACHE_BUDGET_MS` | `50` | the most that cache I/O adds to one call, 1 to 10000 |
/// | `CACHE_DISABLED` | `false` | every call goes to its origin |
/// | `CACHE_SIGNING_KEY` | unset | entries are authenticated with it, 16 bytes or more |
/// | `CACHE_SIGNING_KEY_PREVIOUS` | unset | still verifies during a rotation |
#[derive(Debug)]
pub(crate) struct Options {
    /// `None`: in this process.
    pub(crate) servers: Option<Servers>,
    pub(crate) namespace: Namespace,
    pub(crate) budget: Duration,
    pub(crate) disabled: bool,
    pub(crate) seal: Seal,
}

/// The memcached servers of one cache.
#[derive(Debug)]
pub(crate) enum Servers {
    /// These, at least one.
    Listed { endpoints: Vec<Endpoint>, how: How },
    /// Those that this ElastiCache configuration endpoint tells.
    Discovered { endpoint: Endpoint, how: How },
}

/// A setting that can not be understood. Its value is shown unless it is a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct OptionsError {
    variable: &'static str,
    problem: String,
}

impl OptionsError {
    fn new(variable: &'static str, problem: impl Into<String>) -> Self {
        Self {
            variable,
            problem: problem.into(),
        }
    }

    /// The name of the variable.
    #[must_use]
    pub fn variable(&self) -> &'static str {
        self.variable
    }
}

/// A signing key shorter than this is guessed, not broken.
const KEY_MIN: usize = 16;

/// All that are read here.
const NAMES: [&str; 9] = [
    "CACHE_URL",
    "MEMCACHED_HOST",
    "MEMCACHED_PORT",
    "CACHE_CA_FILE",
    "CACHE_NAMESPACE",
    "CACHE_BUDGET_MS",
    "CACHE_DISABLED",
    "CACHE_SIGNING_KEY",
    "CACHE_SIGNING_KEY_PREVIOUS",
];

impl Options {
    /// From the process's environment. A variable that is not UTF-8 is an error and not "unset": an unreadable signing key must
    /// not switch signing off.
    pub(crate) fn from_env() -> Result<Self, OptionsError> {
        let unreadable =
            |name: &&&str| std::env::var_os(name).is_some_and(|value| value.into_string().is_err());
        if let Some(name) = NAMES.iter().find(unreadable) {
            return Err(OptionsError::new(name, "not UTF-8"));
        }
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    pub(crate) fn from_lookup(
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, OptionsError> {
        // An empty variable is an unset one: that is how compose files and shells pass "nothing".
        let lookup = |name: &str| lookup(name).filter(|value| !value.is_empty());
        Ok(Self {
            servers: servers(&lookup)?,
            namespace: namespace(&lookup)?,
            budget: budget(&lookup)?,
            disabled: disabled(&lookup)?,
            seal: seal(&lookup)?,
        })
    }

    pub(crate) fn memory() -> Self {
        let lookup = |name: &str| (name == "CACHE_URL").then(|| "memory:".to_owned());
        Self::from_lookup(lookup).expect("the defaults are sound")
    }

    /// Where the cache is, without secrets.
    pub(crate) fn location(&self) -> String {
        match &self.servers {
            None => "memory:".to_owned(),
            Some(Servers::Listed { endpoints, how }) => url::format(endpoints, how),
            Some(Servers::Discovered { endpoint, how }) => {
                url::format(std::slice::from_ref(endpoint), how) + "?discover=true"
            }
        }
    }
}

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

fn servers(lookup: Lookup<'_>) -> Result<Option<Servers>, OptionsError> {
    if let Some(url) = lookup("CACHE_URL") {
        let parsed = url::parse(&url);
        let parsed = parsed.map_err(|problem| OptionsError::new("CACHE_URL", problem))?;
        return match parsed {
            None => Ok(None),
            Some(parsed) => {
                let tls = parsed.tls.then(|| tls_roots(lookup)).transpose()?;
                let how = How {
                    protocol: parsed.protocol,
                    tls,
                };
                Ok(Some(parsed.servers(how)))
            }
        };
    }
    let host = lookup("MEMCACHED_HOST").unwrap_or_else(|| "localhost".to_owned());
    let host = url::host(&host).map_err(|problem| OptionsError::new("MEMCACHED_HOST", problem))?;
    let port = lookup("MEMCACHED_PORT").unwrap_or_else(|| url::DEFAULT_PORT.to_string());
    let port = url::port(&port).map_err(|problem| OptionsError::new("MEMCACHED_PORT", problem))?;
    Ok(Some(Servers::Listed {
        endpoints: vec![Endpoint::Tcp { host, port }],
        how: How::default(),
    }))
}

fn tls_roots(lookup: Lookup<'_>) -> Result<Tls, OptionsError> {
    Tls::new(lookup("CACHE_CA_FILE").as_deref())
        .map_err(|problem| OptionsError::new("CACHE_CA_FILE", problem))
}

fn namespace(lookup: Lookup<'_>) -> Result<Namespace, OptionsError> {
    let name = lookup("CACHE_NAMESPACE").unwrap_or_else(|| "larder".to_owned());
    Namespace::new(&name).map_err(|error| OptionsError::new("CACHE_NAMESPACE", error.to_string()))
}

fn budget(lookup: Lookup<'_>) -> Result<Duration, OptionsError> {
    let Some(text) = lookup("CACHE_BUDGET_MS") else {
        return Ok(Duration::from_millis(50));
    };
    match text.parse() {
        Ok(ms @ 1..=10_000) => Ok(Duration::from_millis(ms)),
        _ => {
            let problem = format!("{text:?} is not a number of milliseconds from 1 to 10000");
            Err(OptionsError::new("CACHE_BUDGET_MS", problem))
        }
    }
}

fn disabled(lookup: Lookup<'_>) -> Result<bool, OptionsError> {
    match lookup("CACHE_DISABLED").as_deref() {
        None | Some("false" | "0") => Ok(false),
        Some("true" | "1") => Ok(true),
        Some(text) => {
            let problem = format!("{text:?} is neither true nor false");
            Err(OptionsError::new("CACHE_DISABLED", problem))
        }
    }
}

fn seal(lookup: Lookup<'_>) -> Result<Seal, OptionsError> {
    let key = |name: &'static str| match lookup(name) {
        // How a caller's lookup passes on what is not UTF-8: a key that many others would equal.
        Some(key) if key.contains(char::REPLACEMENT_CHARACTER) => {
            Err(OptionsError::new(name, "not UTF-8"))
        }
        Some(key) if key.len() < KEY_MIN => Err(OptionsError::new(
            name,
            format!("shorter than {KEY_MIN} bytes"),
        )),
        key => Ok(key),
    };
    let previous = key("CACHE_SIGNING_KEY_PREVIOUS")?;
    match (key("CACHE_SIGNING_KEY")?, previous) {
        (Some(key), previous) => Ok(Seal::signature(
            key.as_bytes(),
            previous.as_ref().map(String::as_bytes),
        )),
        (None, None) => Ok(Seal::Checksum),
        (None, Some(_)) => {
            let problem = "set without CACHE_SIGNING_KEY, which it precedes";
            Err(OptionsError::new("CACHE_SIGNING_KEY_PREVIOUS", problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(settings: &[(&str, &str)]) -> Result<Options, OptionsError> {
        Options::from_lookup(|name| {
            settings
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| (*value).to_owned())
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
        assert_eq!(options(&[]).unwrap().budget, Duration::from_millis(50));
        assert!(options(&[("CACHE_DISABLED", "true")]).unwrap().disabled);
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
            &[("CACHE_URL", "memcached://user:secret@a")],
            &[("CACHE_URL", "memory:x")],
            &[("CACHE_URL", "memcached+unix://relative")],
            &[("CACHE_URL", "memcached+tls://")],
            &[("CACHE_URL", "memcached://a,b?discover=true")],
            &[("CACHE_URL", "memcached://a?discover=yes")],
            &[
                ("CACHE_CA_FILE", "/nonexistent"),
                ("CACHE_URL", "memcached+tls://a"),
            ],
            &[("MEMCACHED_PORT", "eleven")],
            &[("MEMCACHED_HOST", "a:11211")],
            &[("CACHE_NAMESPACE", "a:b")],
            &[("CACHE_BUDGET_MS", "0")],
            &[("CACHE_BUDGET_MS", "50ms")],
            &[("CACHE_DISABLED", "maybe")],
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
