//! Turns one HTTP request of a connection into the handlers' `Request`, reading its body within
//! limits.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body as _, Bytes, Incoming};
use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Request};

use super::Local;
use crate::http::endpoint::MAX_BODY;
use crate::http::problem::{self, Problem};

/// The most that is read of a body that is too long. It is read at all so that a client which sends
/// its whole body before it reads gets the response.
const MAX_DISCARDED: usize = 1 << 20;
/// How long a client may take to send a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn respond(
    request: hyper::Request<Incoming>,
    local: Arc<Local>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let response = match read(body).await {
        Ok(body) => {
            problem::catch_panic(local.route(Request::from_parts(parts, Body::Binary(body)))).await
        }
        Err(problem) => problem.into_response(),
    };
    Ok(response.map(|body| Full::new(bytes(body))))
}

/// Moves the body without a copy: the body is most of a response.
fn bytes(body: Body) -> Bytes {
    match body {
        Body::Text(text) => text.into(),
        Body::Binary(bytes) => bytes.into(),
        // Body::Empty, and variants that may be added.
        other => Bytes::copy_from_slice(&other),
    }
}

/// Reads the whole body, within `BODY_TIMEOUT`.
async fn read(body: Incoming) -> Result<Vec<u8>, Problem> {
    // Most requests have no body and need no timer.
    if body.is_end_stream() {
        return Ok(Vec::new());
    }
    match tokio::time::timeout(BODY_TIMEOUT, collect(body)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(Problem::bad_request(
            "the body ended before its announced length",
        )),
        Err(_) => {
            let detail = format!("the body did not arrive within {BODY_TIMEOUT:?}");
            let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, detail);
            // The rest of the body must not be read as the next request.
            Err(problem.with_header(header::CONNECTION, HeaderValue::from_static("close")))
        }
    }
}

/// Collects the body; of one that is too long, enough to show that it is.
async fn collect(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut kept = Vec::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            seen += data.len();
            let room = (MAX_BODY + 1).saturating_sub(kept.len()).min(data.len());
            kept.extend_from_slice(&data[..room]);
        }
        if seen > MAX_DISCARDED {
            break;
        }
    }
    Ok(kept)
}
