//! What is measured: the base URL and how its functions are asked. Owns the TOML form of a target and its checks;
//! knows nothing of phases or samples. The built-in target is the same form, compiled in.

pub(crate) mod cache_status;
pub(crate) mod outcome;
pub(crate) mod outcome_source;
pub(crate) mod server_timing;

use std::path::Path;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::target::outcome_source::OutcomeSource;

/// The built-in target: the routes, names and JSON of this project's own functions.
const BUILT_IN: &str = include_str!("target/larder.toml");

/// A service with one cache in front of one or more functions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Target {
    /// What in an answer tells a hit from a miss.
    pub(crate) outcome: OutcomeSource,
    pub(crate) flush: Option<Flush>,
    /// The `Cache-Control` of a request that the target answers past its cache; none if it has no such way.
    pub(crate) bypass: Option<String>,
    #[serde(rename = "function")]
    pub(crate) functions: Vec<Function>,
}

/// One cached `GET` route.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Path and query; `{key}` stands for the percent-encoded key.
    pub(crate) path: String,
    pub(crate) keys: Keys,
    /// JSON pointer to the value that the origin computed: it must be the same on a hit as on the miss before.
    pub(crate) value: Option<String>,
    /// JSON pointer to where the answer repeats its key: it must be the key that was asked for.
    pub(crate) echo: Option<String>,
    /// Path that the function answers with neither cache nor origin, such as a refusal: the floor of every request.
    pub(crate) floor: Option<String>,
}

/// Where a function's keys come from.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Keys {
    /// Strings that were never asked before: a salt of the run, the round and a number.
    Salted,
    /// The numbers from `first` to `last`, both included; fresh after a flush, and distinct over the rounds.
    Range { first: u64, last: u64 },
}

/// How the cache is emptied.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Flush {
    /// Always asked with `POST`; 200 means that every server acknowledged.
    pub(crate) path: String,
    /// JSON body; none when empty.
    #[serde(default)]
    pub(crate) body: String,
}

/// Why a target cannot be measured; each names what to mend.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("--url {url:?} is not an http(s) base URL: {reason}")]
    Url { url: String, reason: String },
    #[error("cannot read the target file {path}: {reason}")]
    File { path: String, reason: String },
    #[error("{0}")]
    Content(String),
}

impl Target {
    /// The target described by `file`, or the built-in one, narrowed to the functions named in `only` (all if empty).
    /// `prefix` goes before every path; `{function}` in it is the function's name, `flush` for the flush.
    pub(crate) fn load(
        file: Option<&Path>,
        only: &[String],
        prefix: &str,
    ) -> Result<Self, TargetError> {
        let (text, path) = match file {
            Some(path) => (
                std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?,
                path,
            ),
            None => (BUILT_IN.to_owned(), Path::new("larder.toml")),
        };
        let mut target: Self = toml::from_str(&text).map_err(|e| unreadable(path, &e))?;
        target.narrow(only)?;
        target.check()?;
        if !prefix.is_empty() && !prefix.starts_with('/') {
            return Err(TargetError::Content(format!(
                "--prefix {prefix:?} must begin with /"
            )));
        }
        target.prefix(prefix);
        Ok(target)
    }

    fn narrow(&mut self, only: &[String]) -> Result<(), TargetError> {
        let known: Vec<&str> = self.functions.iter().map(|f| f.name.as_str()).collect();
        if let Some(stranger) = only.iter().find(|name| !known.contains(&name.as_str())) {
            let known = known.join(", ");
            return Err(TargetError::Content(format!(
                "--functions {stranger:?}: the target has {known}"
            )));
        }
        self.functions
            .retain(|f| only.is_empty() || only.contains(&f.name));
        Ok(())
    }

    fn check(&self) -> Result<(), TargetError> {
        let complain = |text: String| Err(TargetError::Content(text));
        if self.functions.is_empty() {
            return complain("the target has no [[function]]".into());
        }
        for function in &self.functions {
            let Function { name, path, .. } = function;
            if name.is_empty() || name.contains(char::is_whitespace) {
                return complain(format!("function name {name:?}: one word, please"));
            }
            if !path.starts_with('/') || !path.contains("{key}") {
                return complain(format!(
                    "function {name}: path {path:?} must begin with / and hold {{key}}"
                ));
            }
            if let Some(floor) = function
                .floor
                .as_ref()
                .filter(|path| !path.starts_with('/'))
            {
                return complain(format!(
                    "function {name}: floor {floor:?} must begin with /"
                ));
            }
            if let Keys::Range { first, last } = function.keys
                && last.saturating_sub(first) < 9
            {
                return complain(format!(
                    "function {name}: keys {first}..={last} are fewer than ten"
                ));
            }
        }
        Ok(())
    }

    fn prefix(&mut self, prefix: &str) {
        for function in &mut self.functions {
            let prefix = prefix.replace("{function}", &function.name);
            function.path.insert_str(0, &prefix);
            if let Some(floor) = &mut function.floor {
                floor.insert_str(0, &prefix);
            }
        }
        if let Some(flush) = &mut self.flush {
            flush.path = format!("{}{}", prefix.replace("{function}", "flush"), flush.path);
        }
    }
}

impl Function {
    /// Path and query for one key.
    pub(crate) fn path_for(&self, key: &str) -> String {
        let mut encoded = String::with_capacity(key.len());
        for byte in key.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    encoded.push(char::from(byte))
                }
                other => encoded.push_str(&format!("%{other:02X}")),
            }
        }
        self.path.replace("{key}", &encoded)
    }
}

/// Checks a base URL and gives it back without a trailing slash.
pub(crate) fn base_url(text: &str) -> Result<Url, TargetError> {
    // There may be a password before an @, and a token behind a ? or a #: then no more than the scheme is shown.
    let shown = match text.split_once("://") {
        Some((scheme, rest)) if rest.contains(['@', '?', '#']) => format!("{scheme}://…"),
        _ => text.to_owned(),
    };
    let complain = |reason: &str| TargetError::Url {
        url: shown.clone(),
        reason: reason.to_owned(),
    };
    let url = Url::parse(text).map_err(|e| complain(&e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(complain("it needs http:// or https:// and a host"));
    }
    let names_a_user = !url.username().is_empty() || url.password().is_some();
    if url.query().is_some() || url.fragment().is_some() || names_a_user {
        return Err(complain("no query, fragment or user belongs here"));
    }
    Ok(url)
}

/// Whether a URL names this very machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn unreadable(path: &Path, reason: &dyn std::fmt::Display) -> TargetError {
    TargetError::File {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_target_is_whole_and_takes_a_prefix() {
        let target = Target::load(None, &[], "/lambda-url/{function}").unwrap();
        let paths: Vec<String> = target.functions.iter().map(|f| f.path_for("ñ 1")).collect();
        assert_eq!(
            paths,
            [
                "/lambda-url/heavy-op/heavy-op?param=%C3%B1%201",
                "/lambda-url/user/user/%C3%B1%201"
            ]
        );
        assert_eq!(target.flush.unwrap().path, "/lambda-url/flush/flush");
    }

    #[test]
    fn a_function_that_the_target_lacks_is_named() {
        let error = Target::load(None, &["users".into()], "").unwrap_err();
        assert_eq!(
            error.to_string(),
            "--functions \"users\": the target has heavy-op, user"
        );
    }

    #[test]
    fn only_http_urls_are_taken_and_loopback_is_told_apart() {
        for bad in [
            "localhost:9000",
            "ftp://x",
            "http://",
            "http://x/?q",
            "http://me@x",
        ] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
        for secret in [
            "http://u:s3cr3t@x/",
            "http://:s3cr3t@x/",
            "http://u:s3cr3t?@x/",
            "http://x/?token=s3cr3t",
            "http://x/?mail=me@y&token=s3cr3t",
            "http://x/#s3cr3t",
        ] {
            let error = base_url(secret).unwrap_err().to_string();
            assert!(!error.contains("s3cr3t"), "{error}");
        }
        for (url, expected) in [
            ("http://[::1]:9", true),
            ("http://localhost", true),
            ("https://example.org", false),
        ] {
            assert_eq!(is_loopback(&base_url(url).unwrap()), expected, "{url}");
        }
    }
}
