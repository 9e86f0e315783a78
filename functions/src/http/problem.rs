//! Error responses (RFC 9457). They carry only what was written for the client; the text of an
//! underlying error stays in the log.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use lambda_http::http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::Response;
use crate::http::headers;
use crate::telemetry::emf::{self, CacheReport};

/// An error response, as `application/problem+json`.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    servers: Vec<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    servers: &'a [String],
}

/// Turns a panic of a handler into a 500, so that the process survives it.
pub(crate) fn catch_panic(work: impl Future<Output = Response>) -> impl Future<Output = Response> {
    let answer = AssertUnwindSafe(work).catch_unwind();
    answer.map(|answer| {
        answer.unwrap_or_else(|_| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the function failed").into_response()
        })
    })
}

impl Problem {
    /// A problem whose `detail` the client may read.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            detail: detail.into(),
            servers: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// 400: the request is invalid, and `detail` says why.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    /// 502: an origin failed. Its error is logged and not shown to the client; the failure is
    /// recorded for the metrics line.
    pub fn origin_failed(origin: &'static str, error: &impl std::error::Error) -> Self {
        tracing::error!(origin, %error, "the origin failed");
        let detail = format!("the origin of {origin} failed");
        emf::record(CacheReport::OriginFailed);
        Self::new(StatusCode::BAD_GATEWAY, detail)
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds the member `servers`.
    #[must_use]
    pub fn with_servers(mut self, servers: Vec<String>) -> Self {
        self.servers = servers;
        self
    }

    /// The text for the client.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The response.
    pub fn into_response(self) -> Response {
        let body = Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            servers: &self.servers,
        };
        let body = serde_json::to_string(&body)
            .expect("a struct of strings and numbers always serialises");
        let mut response = Response::new(body.into());
        *response.status_mut() = self.status;
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response.headers_mut().extend(self.headers);
        // A panic and an invalid body do not pass through an endpoint, which would add these.
        headers::set_defaults(response.headers_mut());
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_says_what_rfc_9457_asks_for() {
        let response = Problem::bad_request("`param` is missing").into_response();
        assert_eq!(response.status(), 400);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let body = std::str::from_utf8(response.body()).unwrap();
        assert_eq!(
            body,
            r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"`param` is missing"}"#
        );
    }
}
