//! Sends one request and reads its answer.
//!
//! # Why requests are timed at the socket, and not by Goose
//! A hit takes some hundred microseconds. What a client library and Goose do with an answer, parse
//! it and hand it from task to task, takes 10 to 30 µs of that, and is not the target's time. So
//! Goose starts the users, counts every request on its own, and can be asked for its own report;
//! reqwest, which Goose has anyway, builds requests; and hyper, on which reqwest is built, sends
//! them through a stream that notes when the first byte left and the last one came (`connection`,
//! `timed_stream`).

pub(crate) mod connection;
pub(crate) mod request;
pub(crate) mod sample;
pub(crate) mod timed_stream;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use hyper::Request;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Method, Url};
use serde_json::Value;

use crate::client::{
    connection::Connection, connection::ConnectionPool, connection::RawResponse,
    request::RequestSpec, sample::Answer, sample::Diagnostics, sample::Sample,
};
use crate::target::{
    Bypass, Function, GroundTruth, Target, outcome::Failure, outcome_source::header, server_timing,
    throttle::is_throttled,
};

/// The environment variable with the bearer token of a flush.
pub(crate) const FLUSH_TOKEN: &str = "LOADTEST_FLUSH_TOKEN";

/// A client of one target. It uses no proxy and retries nothing, and follows a redirect only if the
/// target file asks for it, so that each request is one request.
pub(crate) struct Client {
    /// Builds requests; `pool` sends them.
    http: reqwest::Client,
    pool: ConnectionPool,
    /// The base URL without a trailing slash.
    pub(crate) base: String,
    pub(crate) target: Target,
    epoch: Instant,
    timeout: Duration,
}

impl Client {
    pub(crate) fn new(base: &Url, target: Target, timeout: Duration) -> Result<Self, String> {
        Ok(Self {
            http: reqwest::Client::builder()
                .no_proxy()
                .build()
                .map_err(|e| e.to_string())?,
            pool: ConnectionPool::new(base)?,
            base: base.as_str().trim_end_matches('/').to_owned(),
            target,
            epoch: Instant::now(),
            timeout,
        })
    }

    /// Time since the start of the run.
    pub(crate) fn elapsed(&self) -> Duration {
        self.epoch.elapsed()
    }

    /// Opens a connection, which the first request will use. An error says why it cannot.
    pub(crate) async fn check_connection(&self) -> Result<(), String> {
        let reached = tokio::time::timeout(self.timeout, self.pool.open_one()).await;
        let reached = reached.unwrap_or_else(|_| Err(format!("not within {:?}", self.timeout)));
        reached.map_err(|why| format!("cannot connect to {}: {why}", self.base))
    }

    /// Sends one request. It may take until `latest` since the start of the run, but never longer
    /// than the timeout.
    pub(crate) async fn ask(&self, spec: &RequestSpec, latest: Duration) -> Sample {
        let begun = Instant::now();
        match self.connection(latest).await {
            Ok(connection) => self.ask_on(connection, spec, latest).await,
            Err(failure) => self.sample(spec, (begun, begun.elapsed()), Err(failure)),
        }
    }

    /// Opens connections until `count` are idle, as far as the timeout allows.
    pub(crate) async fn open_idle(&self, count: usize) {
        // What is missing after the timeout, each request opens for itself.
        _ = tokio::time::timeout(self.timeout, self.pool.open_idle(count)).await;
    }

    /// A connection for one request. Connecting has a time of its own: it is neither the cache's
    /// nor the function's.
    async fn connection(&self, latest: Duration) -> Result<Connection<'_>, Failure> {
        within(self.limit(latest), self.pool.checkout()).await
    }

    /// As [`Client::ask`], on this connection.
    async fn ask_on(
        &self,
        connection: Connection<'_>,
        spec: &RequestSpec,
        latest: Duration,
    ) -> Sample {
        let function = &self.target.functions[spec.function];
        let request = self.function_request(function, spec);
        let (begun, connecting) = (Instant::now(), connection.connecting());
        let exchange = async {
            let answer = connection.exchange(request?).await?;
            self.follow(function, answer).await
        };
        match within(self.limit(latest), exchange).await {
            Ok(raw) => {
                let answer = read(&self.target, function, &spec.key, &raw);
                let mut sample = self.sample(spec, (raw.sent, raw.took), answer);
                sample.connecting = raw.connecting;
                sample
            }
            // A failure ends when this tool gives up.
            Err(failure) => {
                let mut sample = self.sample(spec, (begun, begun.elapsed()), Err(failure));
                sample.connecting = connecting;
                sample
            }
        }
    }

    fn function_request(
        &self,
        function: &Function,
        spec: &RequestSpec,
    ) -> Result<Request<Body>, Failure> {
        let bypass = self.target.bypass.as_ref().filter(|_| spec.bypass);
        let mut path = function.path_for(&spec.key);
        if let Some(Bypass::Query { query }) = bypass {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str(query);
        }
        let body = function.body_for(&spec.key);
        let mut request = self.request(function.method(), &path, body)?;
        let headers = request.headers_mut();
        headers.extend(function.sent_headers.clone());
        let (name, value) = match bypass {
            Some(Bypass::CacheControl(value)) => ("cache-control", value),
            Some(Bypass::Header { header, value }) => (header.as_str(), value),
            Some(Bypass::Query { .. }) | None => return Ok(request),
        };
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
            headers.insert(name, value);
        }
        Ok(request)
    }

    /// Follows the redirects of an answer, as far as the target file allows. The time goes on until
    /// the last answer.
    async fn follow(
        &self,
        function: &Function,
        first: RawResponse,
    ) -> Result<RawResponse, Failure> {
        let mut answer = first;
        for _ in 0..function.redirects {
            let Some(path) = self.redirected_to(&answer) else {
                break;
            };
            let mut request = self.request(Method::GET, &path, None)?;
            request.headers_mut().extend(function.sent_headers.clone());
            let next = self.pool.checkout().await?.exchange(request).await?;
            answer = RawResponse {
                took: (next.sent + next.took).saturating_duration_since(answer.sent),
                sent: answer.sent,
                connecting: answer.connecting,
                ..next
            };
        }
        Ok(answer)
    }

    /// The path of a redirect within this host; `None` if it is none.
    fn redirected_to(&self, answer: &RawResponse) -> Option<String> {
        if !matches!(answer.status, 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let base = Url::parse(&self.base).ok()?;
        let to = base.join(word(&answer.headers, "location")?).ok()?;
        let path = to.path().strip_prefix(base.path().trim_end_matches('/'));
        let query = to
            .query()
            .map_or_else(String::new, |query| format!("?{query}"));
        (to.origin() == base.origin()).then_some(format!("{}{query}", path?))
    }

    fn sample(
        &self,
        spec: &RequestSpec,
        (sent, took): (Instant, Duration),
        answer: Result<Answer, Failure>,
    ) -> Sample {
        let sent = sent.duration_since(self.epoch);
        Sample::new(spec.function, spec.key_index, sent, took, answer)
    }

    fn limit(&self, latest: Duration) -> Duration {
        self.timeout.min(latest.saturating_sub(self.elapsed()))
    }

    /// The latency of a GET of `path`, with any status below 500.
    pub(crate) async fn time(&self, path: &str) -> Result<Duration, String> {
        let request = self.request(Method::GET, path, None);
        match self.exchange(request).await {
            Ok(raw) if raw.status < 500 => Ok(raw.took),
            Ok(raw) => Err(format!("GET {path} answered {}", raw.status)),
            Err(failure) => Err(format!("GET {path} failed: {}", failure.label())),
        }
    }

    /// Empties the cache. `Ok(None)` if the target has no flush.
    pub(crate) async fn flush(&self) -> Result<Option<()>, String> {
        let Some(flush) = &self.target.flush else {
            return Ok(None);
        };
        let (method, path) = (flush.method(), &flush.path);
        let body = Some(flush.body.clone()).filter(|body| !body.is_empty());
        let request = self.request(method.clone(), path, body).map(|mut request| {
            let headers = request.headers_mut();
            if !flush.body.is_empty() {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            headers.extend(flush.sent_headers.clone());
            if let Some(token) = flush_token() {
                headers.insert(AUTHORIZATION, token);
            }
            request
        });
        match self.exchange(request).await {
            Ok(raw) if flush.answers.contains(&raw.status) => Ok(Some(())),
            Ok(raw) => {
                let (status, body, remedy) = (raw.status, excerpt(&raw.body), remedy(raw.status));
                Err(format!("{method} {path} answered {status}: {body}{remedy}"))
            }
            Err(failure) => Err(format!("{method} {path} failed: {}", failure.label())),
        }
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Request<Body>, Failure> {
        let mut builder = self.http.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            builder = builder.body(body);
        }
        let request = builder.build().and_then(TryInto::try_into);
        request.map_err(|_| Failure::Connect)
    }

    async fn exchange(
        &self,
        request: Result<Request<Body>, Failure>,
    ) -> Result<RawResponse, Failure> {
        let exchange = async { self.pool.checkout().await?.exchange(request?).await };
        within(self.timeout, exchange).await
    }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or(Err(Failure::Timeout))
}

/// What to do if a flush needs authorisation.
fn remedy(status: u16) -> String {
    match status {
        401 | 403 => format!(" (set {FLUSH_TOKEN} to the bearer token of the flush)"),
        _ => String::new(),
    }
}

fn read(
    target: &Target,
    function: &Function,
    key: &str,
    raw: &RawResponse,
) -> Result<Answer, Failure> {
    if !function.answers.contains(&raw.status) {
        return Err(match is_throttled(raw.status, &raw.headers, &raw.body) {
            true => Failure::Throttled(raw.status),
            false => Failure::Status(raw.status),
        });
    }
    // A body that is compressed although nothing asked for it cannot be looked into: neither its
    // key nor its value is compared, which the checks say.
    let encoding = word(&raw.headers, "content-encoding");
    let is_plain = encoding.is_none_or(|encoding| encoding.eq_ignore_ascii_case("identity"));
    let json: Option<Value> = serde_json::from_slice(&raw.body).ok();
    if let Some(pointer) = function.echo.as_ref().filter(|_| is_plain)
        && json
            .as_ref()
            .and_then(|json| text(json.pointer(pointer)?))
            .as_deref()
            != Some(key)
    {
        return Err(Failure::WrongBody);
    }
    let status = target.outcome.read(&raw.headers, json.as_ref());
    Ok(Answer {
        outcome: status.outcome,
        ttl_s: status.ttl_s,
        detail: status.detail,
        stored: status.stored,
        bytes: raw.body.len(),
        server: header(&raw.headers, "server-timing")
            .map(|list| server_timing::parse(&list))
            .unwrap_or_default(),
        diagnostics: diagnostics(&raw.headers, &target.ground_truth),
        value: match is_plain {
            true => value(function, json.as_ref(), &raw.body)?,
            false => None,
        },
    })
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(key_index) => Some(key_index.to_string()),
        _ => None,
    }
}

/// A digest of the value that the function returned, at the JSON pointer of the target file; `None`
/// if there is no pointer. An error if the answer has nothing there.
fn value(function: &Function, json: Option<&Value>, body: &[u8]) -> Result<Option<u64>, Failure> {
    let Some(pointer) = function.value.as_deref() else {
        return Ok(None);
    };
    let mut digest = DefaultHasher::new();
    match pointer {
        "" => body.hash(&mut digest),
        pointer => {
            let value = json.and_then(|json| json.pointer(pointer));
            value
                .ok_or(Failure::WrongBody)?
                .to_string()
                .hash(&mut digest);
        }
    }
    Ok(Some(digest.finish()))
}

fn diagnostics(headers: &HeaderMap, names: &GroundTruth) -> Option<Diagnostics> {
    Some(Diagnostics {
        instance: word(headers, &names.instance)?.to_owned(),
        invocation: word(headers, &names.invocation)?.parse().ok()?,
        origin_calls: word(headers, &names.origin_calls)?.parse().ok()?,
    })
}

/// The token of a flush from the environment.
fn flush_token() -> Option<HeaderValue> {
    let token = std::env::var(FLUSH_TOKEN).ok()?;
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn word<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let start = text.chars().take(200);
    start.filter(|c| !c.is_control()).collect()
}
