//! Which answers say that the target limits its requests, and not that it failed.

use reqwest::header::{HeaderMap, RETRY_AFTER};

/// The bodies with which an HTTP API of API Gateway answers 503 and 429 itself: it found no
/// environment of its function, or its own throttle refused.
const API_GATEWAY: [&[u8]; 2] = [
    br#"{"message":"Service Unavailable"}"#,
    br#"{"message":"Too Many Requests"}"#,
];

/// Parts of `x-amzn-errortype` in throttled answers of Lambda and API Gateway.
const ERROR_TYPES: [&str; 3] = ["TooManyRequests", "LimitExceeded", "Throttl"];

/// Whether an answer with a status that is no answer was throttled. 429 says so by itself. A 503
/// does with a `Retry-After`, or with the marks of Lambda or API Gateway, whose own 503 has the
/// header `apigw-requestid` and one of two bodies.
pub(crate) fn is_throttled(status: u16, headers: &HeaderMap, body: &[u8]) -> bool {
    let error_type = headers.get("x-amzn-errortype");
    let error_type = error_type.and_then(|value| value.to_str().ok());
    let by_gateway = || headers.contains_key("apigw-requestid") && API_GATEWAY.contains(&body);
    let named = || {
        error_type.is_some_and(|name| ERROR_TYPES.iter().any(|part| name.contains(part)))
            || by_gateway()
    };
    match status {
        429 => true,
        503 => headers.contains_key(RETRY_AFTER) || named(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn check(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        is_throttled(status, &headers.collect(), body.as_bytes())
    }

    #[test]
    fn a_throttled_answer_is_known_by_its_status_or_by_its_marks() {
        assert!(check(429, &[], ""));
        assert!(check(503, &[("retry-after", "1")], ""));
        let kind = "TooManyRequestsException:http://internal.amazon.com/coral/";
        assert!(check(503, &[("x-amzn-errortype", kind)], ""));
        let gateway = ("apigw-requestid", "Zx1=");
        let body = r#"{"message":"Service Unavailable"}"#;
        assert!(check(503, &[gateway], body));
    }

    #[test]
    fn a_failed_answer_is_not_throttled() {
        assert!(!check(503, &[], ""));
        let gateway = ("apigw-requestid", "Zx1=");
        // A function's own answer, through the same API.
        assert!(!check(503, &[gateway], r#"{"title":"no database"}"#));
        assert!(!check(
            503,
            &[("x-amzn-errortype", "InternalServerErrorException")],
            ""
        ));
        assert!(!check(500, &[("retry-after", "1")], ""));
        assert!(!check(
            502,
            &[gateway],
            r#"{"message":"Service Unavailable"}"#
        ));
    }
}
