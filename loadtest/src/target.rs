//! The service under test: how its functions are called, from a TOML file or the built-in one.

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
    /// The part of an answer that says whether it was a hit.
    pub(crate) outcome: OutcomeSource,
    pub(crate) flush: Option<Flush>,
    /// The `Cache-Control` value that makes the target bypass its cache; absent if it cannot.
    pub(crate) bypass: Option<String>,
    #[serde(rename = "function")]
    pub(crate) functions: Vec<Function>,
}

/// One cached `GET` route.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Function {
    pub(crate) name: String,
    /// Path and query, with `{key}` in place of the percent-encoded key.
    pub(crate) path: String,
    pub(crate) keys: Keys,
    /// JSON pointer to the value that the origin computed: it must be the same on a hit as on the
    /// miss before.
    pub(crate) value: Option<String>,
    /// JSON pointer to the key in the answer: it must be the requested one.
    pub(crate) echo: Option<String>,
    /// Path that the function answers with neither cache nor origin, such as a bad request: the
    /// minimum latency of every request.
    pub(crate) floor: Option<String>,
}

/// Where a function's keys come from.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Keys {
    /// Strings that were never used before: a salt of the run and a number.
    Salted,
    /// The numbers from `first` to `last`, both included; cold after a flush, and distinct over the
    /// rounds.
    Range { first: u64, last: u64 },
}

/// How the cache is emptied.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Flush {
    /// Sent with `POST`; 200 means that every server acknowledged.
    pub(crate) path: String,
    /// JSON body; may be empty.
    #[serde(default)]
    pub(crate) body: String,
}

impl Target {
    /// The target described by `file`, or the built-in one, with only the functions named in `only`
    /// (all if empty). `prefix` goes before every path; `{function}` in it is the function's name,
    /// or `flush` for the flush.
    pub(crate) fn load(file: Option<&Path>, only: &[String], prefix: &str) -> Result<Self, String> {
        let (name, text) = match file {
            Some(path) => (path.display().to_string(), std::fs::read_to_string(path)),
            None => ("larder.toml".into(), Ok(BUILT_IN.to_owned())),
        };
        let unreadable = |reason: String| format!("cannot read the target file {name}: {reason}");
        let text = text.map_err(|e| unreadable(e.to_string()))?;
        let mut target = Self::parse(&text).map_err(unreadable)?;
        target.narrow(only)?;
        target.check()?;
        if !prefix.is_empty() && !prefix.starts_with('/') {
            return Err(format!("--prefix {prefix:?} must begin with /"));
        }
        target.prefix(prefix);
        Ok(target)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|e| e.to_string())
    }

    fn narrow(&mut self, only: &[String]) -> Result<(), String> {
        let known: Vec<&str> = self.functions.iter().map(|f| f.name.as_str()).collect();
        if let Some(stranger) = only.iter().find(|name| !known.contains(&name.as_str())) {
            let known = known.join(", ");
            return Err(format!("--functions {stranger:?}: the target has {known}"));
        }
        self.functions
            .retain(|f| only.is_empty() || only.contains(&f.name));
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        if self.functions.is_empty() {
            return Err("the target has no [[function]]".into());
        }
        for Function {
            name,
            path,
            floor,
            keys,
            ..
        } in &self.functions
        {
            let wrong = |what: String| Err(format!("function {name:?}: {what}"));
            if name.is_empty() || name.contains(char::is_whitespace) {
                return wrong("its name must be one word".into());
            }
            if !path.starts_with('/') || !path.contains("{key}") {
                return wrong(format!(
                    "path {path:?} must begin with / and contain {{key}}"
                ));
            }
            if let Some(floor) = floor.as_ref().filter(|path| !path.starts_with('/')) {
                return wrong(format!("floor {floor:?} must begin with /"));
            }
            if let Keys::Range { first, last } = keys
                && last.saturating_sub(*first) < 9
            {
                return wrong(format!("keys {first}..={last} are fewer than ten numbers"));
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

/// Checks a base URL.
pub(crate) fn base_url(text: &str) -> Result<Url, String> {
    // A password may precede an @, and a token may follow a ? or a #: then only the scheme is
    // shown.
    let shown = match text.split_once("://") {
        Some((scheme, rest)) if rest.contains(['@', '?', '#']) => format!("{scheme}://…"),
        _ => text.to_owned(),
    };
    let complain = |reason: &str| format!("--url {shown:?} is not an http(s) base URL: {reason}");
    let url = Url::parse(text).map_err(|e| complain(&e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(complain("it needs http:// or https:// and a host"));
    }
    let names_a_user = !url.username().is_empty() || url.password().is_some();
    if url.query().is_some() || url.fragment().is_some() || names_a_user {
        return Err(complain("a base URL has no query, fragment or user"));
    }
    Ok(url)
}

/// Whether a URL names this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|ip| ip.is_loopback())
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
            error,
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
            let error = base_url(secret).unwrap_err();
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
