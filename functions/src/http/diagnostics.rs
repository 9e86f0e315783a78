//! What `DIAGNOSTICS=on` adds: this process's id, its request count and its origin calls as
//! headers, which the load test uses as ground truth, and control over the cache by
//! `Cache-Control`.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use lambda_http::http::{HeaderMap, HeaderValue, header};
use larder::Freshness;

use crate::config::settings::Diagnostics;
use crate::origin_calls;

static INVOCATIONS: AtomicU64 = AtomicU64::new(0);

/// Random, to distinguish two environments of one function.
static INSTANCE: LazyLock<HeaderValue> = LazyLock::new(|| {
    let mut id = [0; 8];
    // Without a random source the process id still distinguishes most processes.
    if getrandom::fill(&mut id).is_err() {
        id = u64::from(std::process::id()).to_be_bytes();
    }
    HeaderValue::from_str(&hex::encode(id)).expect("hexadecimal digits are a valid header")
});

/// Counts a request of this process.
pub(crate) fn count_invocation() {
    INVOCATIONS.fetch_add(1, Ordering::Relaxed);
}

/// Adds the diagnostic headers if diagnostics are on.
pub(crate) fn add_headers(diagnostics: Diagnostics, headers: &mut HeaderMap) {
    if diagnostics == Diagnostics::On {
        headers.insert("x-instance", INSTANCE.clone());
        headers.insert("x-invocation", INVOCATIONS.load(Ordering::Relaxed).into());
        headers.insert("x-origin-calls", origin_calls::total().into());
    }
}

/// The freshness that the request's `Cache-Control` asks for, if diagnostics are on.
pub(crate) fn freshness(diagnostics: Diagnostics, headers: &HeaderMap) -> Freshness {
    if diagnostics == Diagnostics::Off {
        return Freshness::Normal;
    }
    let values = headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut freshness = Freshness::Normal;
    for directive in values.flat_map(|value| value.split(',')).map(str::trim) {
        if directive.eq_ignore_ascii_case("no-store") {
            return Freshness::Bypass;
        }
        if directive.eq_ignore_ascii_case("no-cache") {
            freshness = Freshness::Refresh;
        }
    }
    freshness
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(values: &[&str], expected: Freshness) {
        let headers = values
            .iter()
            .map(|value| (header::CACHE_CONTROL, value.parse().unwrap()))
            .collect();
        assert_eq!(freshness(Diagnostics::On, &headers), expected, "{values:?}");
        assert_eq!(
            freshness(Diagnostics::Off, &headers),
            Freshness::Normal,
            "{values:?}"
        );
    }

    #[test]
    fn a_request_may_steer_the_cache_only_with_diagnostics() {
        check(&[], Freshness::Normal);
        check(&["max-age=0"], Freshness::Normal);
        check(&["no-cache"], Freshness::Refresh);
        check(&["max-age=0, No-Cache"], Freshness::Refresh);
        check(&["no-cache, no-store"], Freshness::Bypass);
        check(&["no-cache", "no-store"], Freshness::Bypass);
        check(&["no-cached"], Freshness::Normal);
    }
}
