//! The service under test: how its functions are called, from a TOML file or the built-in one.

pub(crate) mod cache_status;
pub(crate) mod headers;
pub(crate) mod outcome;
pub(crate) mod outcome_source;
pub(crate) mod presets;
pub(crate) mod server_timing;
pub(crate) mod throttle;

use std::path::{Path, PathBuf};

use reqwest::header::HeaderMap;
use reqwest::{Method, Url};
use serde::Deserialize;

use crate::target::{headers::Headers, outcome_source::OutcomeSource};

/// The built-in target: the routes, names and JSON of this project's own functions.
const BUILT_IN: &str = include_str!("target/larder.toml");

/// A service with one cache in front of one or more functions.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Target {
    /// The part of an answer that says whether it was a hit.
    pub(crate) outcome: OutcomeSource,
    pub(crate) flush: Option<Flush>,
    /// What makes the target bypass its cache; absent if nothing does.
    pub(crate) bypass: Option<Bypass>,
    /// Sent with every request, the flush included.
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    pub(crate) ground_truth: GroundTruth,
    /// Whether the functions run on Lambda, and are billed by the millisecond.
    #[serde(default)]
    pub(crate) billing: Billing,
    #[serde(rename = "function")]
    pub(crate) functions: Vec<Function>,
}

/// One cached route.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Function {
    pub(crate) name: String,
    #[serde(default)]
    method: MethodName,
    /// Path and query, with `{key}` in place of the percent-encoded key.
    pub(crate) path: String,
    /// The body of each request, with `{key}` in place of the key, which is escaped as in a JSON
    /// text if the body is JSON.
    body: Option<String>,
    #[serde(default)]
    headers: Headers,
    /// The statuses that are answers; any other one is a failure.
    #[serde(default = "only_200")]
    pub(crate) answers: Vec<u16>,
    /// How many redirects are followed, within the same host. A request is timed to the last
    /// answer.
    #[serde(default)]
    pub(crate) redirects: u8,
    pub(crate) keys: Keys,
    /// JSON pointer to the value that the origin computed: it must be the same on a hit as on the
    /// miss before.
    pub(crate) value: Option<String>,
    /// JSON pointer to the key in the answer: it must be the requested one.
    pub(crate) echo: Option<String>,
    /// Path that the function answers with neither cache nor origin, such as a bad request: the
    /// minimum latency of every request.
    pub(crate) floor: Option<String>,
    /// The path without --prefix, as it is in the logs of the service.
    #[serde(skip)]
    pub(crate) route: String,
    /// The headers of each request, with their values.
    #[serde(skip)]
    pub(crate) sent_headers: HeaderMap,
    /// The keys of [`Keys::File`].
    #[serde(skip)]
    pub(crate) listed: Vec<String>,
}

/// Where a function's keys come from.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Keys {
    /// Strings that were never used before: a salt of the run and a number.
    Salted,
    /// The numbers from `first` to `last`, both included; cold after a flush, and distinct over the
    /// rounds.
    Range { first: u64, last: u64 },
    /// One key a line of this file; its path is relative to the target file. As with a range.
    File(PathBuf),
}

/// The most keys of a range: they are shuffled in memory.
const MAX_RANGE: u64 = 10_000_000;

/// How the cache is emptied.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Flush {
    #[serde(default = "MethodName::post")]
    method: MethodName,
    pub(crate) path: String,
    /// May be empty.
    #[serde(default)]
    pub(crate) body: String,
    #[serde(default)]
    headers: Headers,
    /// The statuses that mean that every server acknowledged.
    #[serde(default = "flush_answers")]
    pub(crate) answers: Vec<u16>,
    #[serde(skip)]
    pub(crate) sent_headers: HeaderMap,
}

/// What makes a request bypass the cache.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "bypass must be a value of Cache-Control, { header, value } or { query }"
)]
pub(crate) enum Bypass {
    /// A value of `Cache-Control`.
    CacheControl(String),
    Header {
        header: String,
        value: String,
    },
    /// Appended to the query, such as `nocache=1`.
    Query {
        query: String,
    },
}

/// The headers with which a target counts its origin calls, apart from what its cache says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct GroundTruth {
    /// A name of the process that answers, which changes when it restarts.
    pub(crate) instance: String,
    /// How many requests it has had, this one included.
    pub(crate) invocation: String,
    /// How many origin calls it has made so far.
    pub(crate) origin_calls: String,
}

impl Default for GroundTruth {
    fn default() -> Self {
        Self {
            instance: "x-instance".into(),
            invocation: "x-invocation".into(),
            origin_calls: "x-origin-calls".into(),
        }
    }
}

/// How the time of an origin call is paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Billing {
    /// By the millisecond and the memory, as on Lambda.
    Lambda,
    /// Not by the call: servers that run anyway.
    #[default]
    None,
}

/// An HTTP method.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
struct MethodName(Method);

impl Default for MethodName {
    fn default() -> Self {
        Self(Method::GET)
    }
}

impl MethodName {
    fn post() -> Self {
        Self(Method::POST)
    }
}

impl TryFrom<String> for MethodName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let method = Method::from_bytes(name.as_bytes());
        let method = method.map_err(|_| format!("{name:?} is not an HTTP method"))?;
        Ok(Self(method))
    }
}

fn only_200() -> Vec<u16> {
    vec![200]
}

fn flush_answers() -> Vec<u16> {
    vec![200, 202, 204]
}

/// Which target the command line asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) file: Option<&'a Path>,
    /// The name of a preset, for a target without a file.
    pub(crate) preset: Option<&'a str>,
    /// A path with `{key}`, the only function of such a target.
    pub(crate) path: Option<&'a str>,
    /// The names of the measured functions; all if empty.
    pub(crate) only: &'a [String],
    /// Goes before every path; `{function}` in it is the function's name, or `flush` for the flush.
    pub(crate) prefix: &'a str,
}

impl Target {
    /// The target of the command line; the built-in one if it names none.
    pub(crate) fn find(wanted: &Wanted<'_>) -> Result<Self, String> {
        let read = |name: &str, text: &str| {
            Self::parse(text).map_err(|e| format!("cannot read the target file {name}: {e}"))
        };
        let mut folder = PathBuf::new();
        let mut target = match (wanted.file, wanted.path) {
            (Some(path), _) => {
                let name = path.display().to_string();
                let text = std::fs::read_to_string(path);
                let text = text.map_err(|e| format!("cannot read the target file {name}: {e}"))?;
                folder = path.parent().map(Path::to_owned).unwrap_or_default();
                read(&name, &text)?
            }
            (None, Some(path)) => Self::of_path(wanted.preset, path)?,
            (None, None) => read("larder.toml", BUILT_IN)?,
        };
        target.narrow(wanted.only)?;
        target.check()?;
        target.resolve(&folder, &|name| std::env::var(name).ok())?;
        let prefix = wanted.prefix;
        if !prefix.is_empty() && !prefix.starts_with('/') {
            return Err(format!("--prefix {prefix:?} must begin with /"));
        }
        target.prefix(prefix);
        Ok(target)
    }

    /// The target described by `file`, or the built-in one, with only the functions named in
    /// `only`, and `prefix` before every path.
    #[cfg(test)]
    pub(crate) fn load(file: Option<&Path>, only: &[String], prefix: &str) -> Result<Self, String> {
        Self::find(&Wanted {
            file,
            only,
            prefix,
            ..Wanted::default()
        })
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // Errors of the whole text name a line; after a preset is added there are no lines.
        let described: toml::Table = text.parse().map_err(|e: toml::de::Error| e.to_string())?;
        if !described.contains_key("preset") {
            return toml::from_str(text).map_err(|e| e.to_string());
        }
        Self::from_table(described)
    }

    fn from_table(described: toml::Table) -> Result<Self, String> {
        let completed = presets::complete(described)?;
        completed.try_into().map_err(|e| e.to_string())
    }

    /// A target of one function, named after the first word of its path.
    fn of_path(preset: Option<&str>, path: &str) -> Result<Self, String> {
        let mut words = path.split(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
        let name = words.find(|word| !word.is_empty() && *word != "key");
        let function = [
            ("name", name.unwrap_or("path")),
            ("path", path),
            ("keys", "salted"),
        ];
        let function = toml::Table::from_iter(function.map(|(k, v)| (k.to_owned(), v.into())));
        let mut target = toml::Table::new();
        match preset {
            Some(preset) => _ = target.insert("preset".into(), preset.into()),
            // Any cache that names itself in Cache-Status.
            None => {
                let outcome = [("cache-status".to_owned(), "*".into())];
                target.insert("outcome".into(), toml::Table::from_iter(outcome).into());
            }
        }
        let functions = vec![toml::Value::Table(function)];
        target.insert("function".into(), functions.into());
        Self::from_table(target)
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
            body,
            answers,
            floor,
            keys,
            ..
        } in &self.functions
        {
            let wrong = |what: String| Err(format!("function {name:?}: {what}"));
            if name.is_empty() || name.contains(char::is_whitespace) {
                return wrong("its name must be one word".into());
            }
            let has_key = |text: &str| text.contains("{key}");
            if !path.starts_with('/') || !has_key(path) && !body.as_deref().is_some_and(has_key) {
                return wrong(format!(
                    "path {path:?} must begin with / and contain {{key}}, unless the body does"
                ));
            }
            if answers.is_empty() {
                return wrong("answers is empty: no status would be an answer".into());
            }
            if let Some(floor) = floor.as_ref().filter(|path| !path.starts_with('/')) {
                return wrong(format!("floor {floor:?} must begin with /"));
            }
            if let Keys::Range { first, last } = keys
                && last.saturating_sub(*first) < 9
            {
                return wrong(format!("keys {first}..={last} are fewer than ten numbers"));
            }
            if let Keys::Range { first, last } = keys
                && last.saturating_sub(*first) >= MAX_RANGE
            {
                return wrong(format!(
                    "keys {first}..={last} are more than {MAX_RANGE} numbers"
                ));
            }
        }
        Ok(())
    }

    /// Reads what is outside of the file: environment variables, and files of keys.
    fn resolve(
        &mut self,
        folder: &Path,
        setting: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), String> {
        let common = self.headers.resolve(setting)?;
        for function in &mut self.functions {
            let wrong = |what: String| format!("function {:?}: {what}", function.name);
            function.route.clone_from(&function.path);
            function.sent_headers.clone_from(&common);
            let own = function.headers.resolve(setting).map_err(wrong)?;
            function.sent_headers.extend(own);
            if let Keys::File(path) = &function.keys {
                function.listed = listed_keys(&folder.join(path)).map_err(wrong)?;
            }
        }
        if let Some(flush) = &mut self.flush {
            flush.sent_headers = common;
            let own = flush.headers.resolve(setting);
            flush
                .sent_headers
                .extend(own.map_err(|e| format!("flush: {e}"))?);
        }
        if let Some(Bypass::Header { header, value }) = &self.bypass {
            let (name, value) = (
                header.parse::<reqwest::header::HeaderName>(),
                value.parse::<reqwest::header::HeaderValue>(),
            );
            if name.is_err() || value.is_err() {
                return Err(format!("bypass: {header:?} is no header with such a value"));
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
    pub(crate) fn method(&self) -> Method {
        self.method.0.clone()
    }

    /// The body for one key.
    pub(crate) fn body_for(&self, key: &str) -> Option<String> {
        let body = self.body.as_ref()?;
        let escaped = match body.trim_start().starts_with(['{', '[']) {
            true => serde_json::Value::from(key).to_string(),
            false => key.to_owned(),
        };
        let key = escaped
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        Some(body.replace("{key}", key.unwrap_or(&escaped)))
    }

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

impl Flush {
    pub(crate) fn method(&self) -> Method {
        self.method.0.clone()
    }
}

/// The lines of a file of keys.
fn listed_keys(path: &Path) -> Result<Vec<String>, String> {
    let at = |reason: String| format!("keys in {}: {reason}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| at(e.to_string()))?;
    let mut seen = std::collections::HashSet::new();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys: Vec<String> = lines
        .filter(|line| seen.insert(*line))
        .map(str::to_owned)
        .collect();
    match keys.len() {
        0..10 => Err(at("fewer than ten keys".into())),
        _ => Ok(keys),
    }
}

/// Decodes what a path has percent-encoded. What is no such code stays as it is.
pub(crate) fn decode(text: &str) -> String {
    let (mut decoded, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        let code = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        match (first, after.get(..2).and_then(code)) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            _ => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| text.to_owned())
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
    fn a_request_of_any_kind_can_be_described() {
        let text = r#"
            outcome = { header = { in = "x-cache", hit = "hit", miss = "miss" } }
            bypass = { query = "nocache=1" }
            headers = { x-tenant = "a" }
            flush = { method = "PURGE", path = "/all", answers = [204] }
            [[function]]
            name = "search"
            method = "POST"
            path = "/search"
            body = '{"q": "{key}"}'
            headers = { content-type = "application/json" }
            answers = [200, 404]
            redirects = 2
            keys = { range = { first = 1, last = 50 } }
        "#;
        let mut target = Target::parse(text).unwrap();
        target.check().unwrap();
        target.resolve(Path::new(""), &|_| None).unwrap();
        let search = &target.functions[0];
        assert_eq!(search.body_for("a\"b").unwrap(), r#"{"q": "a\"b"}"#);
        assert_eq!(
            (search.method(), search.sent_headers.len()),
            (Method::POST, 2)
        );
        let flush = target.flush.unwrap();
        assert_eq!(
            (flush.method().as_str(), flush.sent_headers.len()),
            ("PURGE", 1)
        );
    }

    #[test]
    fn what_was_percent_encoded_is_decoded() {
        let table = [
            ("a%20b", "a b"),
            ("%C3%B1", "ñ"),
            ("100%", "100%"),
            ("%zz", "%zz"),
        ];
        for (encoded, decoded) in table {
            assert_eq!(decode(encoded), decoded);
        }
    }

    #[test]
    fn a_path_alone_is_a_target() {
        let target = Target::find(&Wanted {
            path: Some("/item/{key}"),
            preset: Some("nginx"),
            ..Wanted::default()
        });
        let target = target.unwrap();
        assert_eq!(target.functions[0].name, "item");
        assert_eq!(target.outcome.describe(), "header x-cache-status");
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
