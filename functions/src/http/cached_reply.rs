//! The response for a value from [`larder`]: the body's shape, and the two headers that say where
//! the value came from and how long that took.

use std::fmt;
use std::time::{Duration, Instant};

use lambda_http::http::{HeaderName, HeaderValue, header};
use larder::Source;
use serde::Serialize;

use crate::Response;
use crate::http::cache_status;
use crate::http::headers::format_value;
use crate::telemetry::emf::{self, CacheReport, CacheResult};

/// Enough for most bodies, so that the buffer need not grow.
const BODY_CAPACITY: usize = 512;

/// What a response says about one fetched value.
pub(crate) struct CachedReply {
    source: &'static str,
    age: Duration,
    took: Duration,
    cache_status: HeaderValue,
    server_timing: HeaderValue,
    cache_result: CacheResult,
}

#[derive(Serialize)]
struct Body<'a, T> {
    result: &'a T,
    source: &'static str,
    age_s: f64,
    took_ms: f64,
}

impl CachedReply {
    /// The reply for a value whose request arrived at `started`.
    pub(crate) fn of<T>(fetched: &larder::Fetched<T>, started: Instant) -> Self {
        let took = started.elapsed();
        let cache_result = CacheResult {
            outcome: fetched.outcome(),
            cache: fetched.cache_time(),
            origin: fetched.origin_time().unwrap_or_default(),
        };
        Self {
            source: match fetched.source() {
                Source::Origin => "origin",
                Source::Cache => "cache",
                Source::Stale => "stale",
            },
            age: fetched.age(),
            took,
            cache_status: cache_status::of(fetched),
            server_timing: server_timing(cache_result.cache, cache_result.origin, took),
            cache_result,
        }
    }

    /// The response 200 with the value as JSON.
    pub(crate) fn json(self, result: &impl Serialize) -> Response {
        let body = Body {
            result,
            source: self.source,
            age_s: tenths(self.age.as_secs_f64()),
            took_ms: tenths(milliseconds(self.took)),
        };
        let mut json = Vec::with_capacity(BODY_CAPACITY);
        serde_json::to_writer(&mut json, &body).expect("our own structs always serialise");
        let json = String::from_utf8(json).expect("JSON is UTF-8");
        let mut response = Response::new(json.into());
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        self.with_headers(response)
    }

    /// Adds the two headers to a response, and records the cache result for the metrics line.
    pub(crate) fn with_headers(self, mut response: Response) -> Response {
        emf::record(CacheReport::Fetched(self.cache_result));
        let headers = response.headers_mut();
        headers.insert(HeaderName::from_static("cache-status"), self.cache_status);
        headers.insert(HeaderName::from_static("server-timing"), self.server_timing);
        response
    }
}

fn server_timing(cache: Duration, origin: Duration, total: Duration) -> HeaderValue {
    let [cache, origin, total] = [cache, origin, total].map(Milliseconds);
    format_value(format_args!(
        "cache;dur={cache}, origin;dur={origin}, total;dur={total}"
    ))
}

/// Milliseconds to three decimals, by integer arithmetic: formatting the three as floats cost a
/// fourteenth of a warm response.
struct Milliseconds(Duration);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds = self.0.as_micros();
        write!(f, "{}.{:03}", microseconds / 1000, microseconds % 1000)
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds() {
        let ms = Duration::from_micros;
        assert_eq!(
            server_timing(ms(412), ms(0), ms(3_001_900)),
            "cache;dur=0.412, origin;dur=0.000, total;dur=3001.900"
        );
        let longest = Duration::MAX;
        let longest = server_timing(longest, longest, longest);
        assert!(longest.to_str().unwrap().ends_with("999"), "{longest:?}");
        assert_eq!(tenths(3001.94), 3001.9);
    }
}
