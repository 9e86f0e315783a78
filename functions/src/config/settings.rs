//! The functions' own variables: names, defaults and limits. They are read through a lookup, so
//! that tests need no environment. `larder` reads the cache's variables through the same lookup,
//! and [`users`](crate::users) those of its database: a function without users holds no database
//! driver.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::flush_mode::{FlushMode, TokenDigest};

/// The checked settings of a process. An empty variable counts as unset.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `HEAVY_OP_MS`: how long the heavy operation takes. Default 3 s, at most 1 min.
    pub heavy_op: Duration,
    /// `FLUSH_AUTH` with `FLUSH_TOKEN_SHA256`: who may flush. Default `deny`.
    pub flush_auth: FlushMode,
    /// `DIAGNOSTICS`. Default off.
    pub diagnostics: Diagnostics,
    /// `LISTEN`: where the local server listens. Default `127.0.0.1:5000`.
    pub listen: SocketAddr,
}

/// Whether clients get diagnostic headers and may control the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diagnostics {
    /// Neither.
    Off,
    /// Responses carry `X-Instance`, `X-Invocation` and `X-Origin-Calls`, and a request's
    /// `Cache-Control` is honoured.
    On,
}

/// An invalid variable. The message never shows a value that may be a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {reason}")]
pub struct SettingsError {
    /// Its name.
    pub variable: &'static str,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

impl Settings {
    /// Reads every setting through `lookup`. The first invalid one is the error.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let value = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let token = optional(value("FLUSH_TOKEN_SHA256"), flush_token)?;
        Ok(Self {
            heavy_op: optional(value("HEAVY_OP_MS"), heavy_op)?.unwrap_or(Duration::from_secs(3)),
            flush_auth: optional(value("FLUSH_AUTH"), |text| flush_auth(text, token))?
                .unwrap_or(FlushMode::Deny),
            diagnostics: optional(value("DIAGNOSTICS"), diagnostics)?.unwrap_or(Diagnostics::Off),
            listen: optional(value("LISTEN"), listen)?.unwrap_or(LISTEN),
        })
    }
}

const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5000);

fn optional<T>(
    value: Option<String>,
    parse: impl FnOnce(&str) -> Result<T, SettingsError>,
) -> Result<Option<T>, SettingsError> {
    value.map(|text| parse(&text)).transpose()
}

/// One minute: an HTTP API ends a request after 30 s anyway.
const LONGEST_HEAVY_OP_MS: u64 = 60_000;

fn heavy_op(text: &str) -> Result<Duration, SettingsError> {
    match text.parse() {
        Ok(ms) if ms <= LONGEST_HEAVY_OP_MS => Ok(Duration::from_millis(ms)),
        _ => Err(invalid(
            "HEAVY_OP_MS",
            format!("{text:?} is not a whole number of milliseconds from 0 to 60000"),
        )),
    }
}

fn flush_token(text: &str) -> Result<TokenDigest, SettingsError> {
    text.parse()
        .map_err(|reason| invalid("FLUSH_TOKEN_SHA256", reason))
}

fn flush_auth(text: &str, token: Option<TokenDigest>) -> Result<FlushMode, SettingsError> {
    match text {
        "deny" => Ok(FlushMode::Deny),
        "iam" => Ok(FlushMode::Iam),
        "open" => Ok(FlushMode::Open),
        "token" => token.map(FlushMode::Token).ok_or_else(|| {
            invalid(
                "FLUSH_TOKEN_SHA256",
                "FLUSH_AUTH=token needs it: the SHA-256 of the token in hexadecimal".into(),
            )
        }),
        _ => Err(invalid(
            "FLUSH_AUTH",
            format!("{text:?} is not one of deny, token, iam, open"),
        )),
    }
}

fn diagnostics(text: &str) -> Result<Diagnostics, SettingsError> {
    match text {
        "off" => Ok(Diagnostics::Off),
        "on" => Ok(Diagnostics::On),
        _ => Err(invalid(
            "DIAGNOSTICS",
            format!("{text:?} is neither on nor off"),
        )),
    }
}

fn listen(text: &str) -> Result<SocketAddr, SettingsError> {
    let numeric = text
        .strip_prefix("localhost:")
        .map(|port| format!("127.0.0.1:{port}"));
    numeric.as_deref().unwrap_or(text).parse().map_err(|_| {
        invalid(
            "LISTEN",
            format!("{text:?} is not an address with a port, such as 127.0.0.1:5000 or [::1]:5000"),
        )
    })
}

fn invalid(variable: &'static str, reason: String) -> SettingsError {
    SettingsError { variable, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_lookup(|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_set_is_the_documented_default() {
        let settings = with(&[]).unwrap();
        assert_eq!(settings.heavy_op, Duration::from_secs(3));
        assert_eq!(settings.flush_auth, FlushMode::Deny);
        assert_eq!(settings.diagnostics, Diagnostics::Off);
        assert_eq!(settings.listen.to_string(), "127.0.0.1:5000");
        assert_eq!(
            with(&[("FLUSH_AUTH", "")]).unwrap().flush_auth,
            FlushMode::Deny
        );
    }

    #[test]
    fn what_cannot_be_parsed_is_named() {
        for (name, value) in [
            ("HEAVY_OP_MS", "3s"),
            ("HEAVY_OP_MS", "-1"),
            ("HEAVY_OP_MS", "60001"),
            ("FLUSH_AUTH", "Open"),
            ("FLUSH_TOKEN_SHA256", "abc"),
            ("DIAGNOSTICS", "true"),
            ("LISTEN", "5000"),
            ("LISTEN", "127.0.0.1:99999"),
        ] {
            assert_eq!(
                with(&[(name, value)]).unwrap_err().variable,
                name,
                "{value}"
            );
        }
    }

    #[test]
    fn a_token_mode_without_a_digest_does_not_start() {
        assert_eq!(
            with(&[("FLUSH_AUTH", "token")]).unwrap_err().variable,
            "FLUSH_TOKEN_SHA256"
        );
        let digest = "ab".repeat(32);
        assert!(matches!(
            with(&[("FLUSH_AUTH", "token"), ("FLUSH_TOKEN_SHA256", &digest)])
                .unwrap()
                .flush_auth,
            FlushMode::Token(_)
        ));
    }

    #[test]
    fn the_digest_is_never_shown() {
        let digest = "ab".repeat(32);
        let settings = with(&[("FLUSH_AUTH", "token"), ("FLUSH_TOKEN_SHA256", &digest)]).unwrap();
        assert!(!format!("{settings:?}").contains("abab"));
        let error = with(&[("FLUSH_TOKEN_SHA256", "my-secret")]).unwrap_err();
        assert!(!error.to_string().contains("my-secret"));
    }
}
