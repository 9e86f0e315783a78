//! `Cache-Status` (RFC 9211): how a response came about, as one structured field. Every `fwd`
//! without `collapsed` is exactly one origin call.

use lambda_http::http::HeaderValue;
use larder::{Bypass, Fetched, Fill, Outcome};

use crate::http::headers::format_value;

/// The header for a fetched value.
pub(crate) fn of<T>(fetched: &Fetched<T>) -> HeaderValue {
    let ttl = fetched.ttl_left();
    match fetched.is_near() {
        true => format_value(format_args!("larder; hit; ttl={ttl}; detail=near")),
        false => cache_status(fetched.outcome(), ttl),
    }
}

/// The header for an outcome, and for the seconds that its value stays fresh: negative if it is
/// stale.
fn cache_status(outcome: Outcome, ttl: i64) -> HeaderValue {
    match outcome {
        Outcome::Hit | Outcome::Stale => format_value(format_args!("larder; hit; ttl={ttl}")),
        Outcome::StaleAfterError => format_value(format_args!(
            "larder; hit; detail=refresh-failed; ttl={ttl}"
        )),
        Outcome::StaleOnError => format_value(format_args!(
            "larder; fwd=stale; detail=origin-error; ttl={ttl}"
        )),
        Outcome::Miss(fill) => forwarded("miss", fill),
        Outcome::Expired(fill) => forwarded("stale", fill),
        Outcome::Refreshed(fill) => forwarded("request", fill),
        Outcome::Collapsed => HeaderValue::from_static("larder; fwd=miss; collapsed"),
        Outcome::Passed => HeaderValue::from_static("larder; fwd=miss; detail=passed"),
        Outcome::Bypassed(Bypass::Requested) => HeaderValue::from_static("larder; fwd=request"),
        Outcome::Bypassed(Bypass::Disabled) => {
            HeaderValue::from_static("larder; fwd=bypass; detail=disabled")
        }
        Outcome::Bypassed(Bypass::Breaker) => {
            HeaderValue::from_static("larder; fwd=bypass; detail=breaker")
        }
        Outcome::Bypassed(Bypass::Name) => {
            HeaderValue::from_static("larder; fwd=bypass; detail=name")
        }
        Outcome::Bypassed(Bypass::Key) => {
            HeaderValue::from_static("larder; fwd=bypass; detail=key")
        }
        // An outcome of a later version of larder. A client must not take it for a hit.
        _ => HeaderValue::from_static("larder; fwd=bypass"),
    }
}

fn forwarded(why: &str, fill: Fill) -> HeaderValue {
    match fill {
        Fill::Stored => format_value(format_args!("larder; fwd={why}; stored")),
        Fill::NotStored => format_value(format_args!("larder; fwd={why}")),
        Fill::Failed(trouble) => format_value(format_args!("larder; fwd={why}; detail={trouble}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use larder::CacheFailure;

    fn check(outcome: Outcome, ttl: i64, expected: &str) {
        assert_eq!(cache_status(outcome, ttl), format!("larder; {expected}"));
    }

    #[test]
    fn the_words_are_those_of_the_contract() {
        check(Outcome::Hit, 57, "hit; ttl=57");
        check(Outcome::Miss(Fill::Stored), 60, "fwd=miss; stored");
        check(Outcome::Miss(Fill::NotStored), 60, "fwd=miss");
        check(Outcome::Collapsed, 60, "fwd=miss; collapsed");
        check(Outcome::Expired(Fill::Stored), 60, "fwd=stale; stored");
        check(Outcome::Stale, -4, "hit; ttl=-4");
        check(
            Outcome::StaleOnError,
            -4,
            "fwd=stale; detail=origin-error; ttl=-4",
        );
        check(
            Outcome::StaleAfterError,
            -4,
            "hit; detail=refresh-failed; ttl=-4",
        );
        check(Outcome::Passed, 0, "fwd=miss; detail=passed");
        check(
            Outcome::Bypassed(Bypass::Name),
            0,
            "fwd=bypass; detail=name",
        );
        check(Outcome::Bypassed(Bypass::Key), 0, "fwd=bypass; detail=key");
        check(Outcome::Refreshed(Fill::Stored), 60, "fwd=request; stored");
        check(Outcome::Bypassed(Bypass::Requested), 0, "fwd=request");
        check(
            Outcome::Bypassed(Bypass::Disabled),
            0,
            "fwd=bypass; detail=disabled",
        );
        check(
            Outcome::Bypassed(Bypass::Breaker),
            0,
            "fwd=bypass; detail=breaker",
        );
    }

    #[test]
    fn a_failed_cache_is_named_by_its_trouble() {
        for (trouble, word) in [
            (CacheFailure::Timeout, "timeout"),
            (CacheFailure::Refused, "refused"),
            (CacheFailure::Closed, "closed"),
            (CacheFailure::Protocol, "protocol"),
            (CacheFailure::Decode, "decode"),
            (CacheFailure::Oversize, "oversize"),
            (CacheFailure::Full, "full"),
            (CacheFailure::Rejected, "rejected"),
            (CacheFailure::Dns, "dns"),
            (CacheFailure::Tls, "tls"),
            (CacheFailure::Login, "login"),
        ] {
            let failed = Outcome::Miss(Fill::Failed(trouble));
            check(failed, 0, &format!("fwd=miss; detail={word}"));
        }
    }
}
