//! One request of a connection, as the handlers want it. Owns the reading of bodies; must not know the routes.

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

/// The most that is read of a body that is too long, so that a client which sends first and reads then gets its answer.
const MOST_DISCARDED: usize = 1 << 20;
/// How long a client may take to send a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn answer(
    request: hyper::Request<Incoming>,
    local: Arc<Local>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let response = match read(body).await {
        Ok(body) => {
            problem::caught(local.route(Request::from_parts(parts, Body::Binary(body)))).await
        }
        Err(problem) => problem.into_response(),
    };
    Ok(response.map(|body| Full::new(bytes(body))))
}

/// Without a copy: most of an answer is its body.
fn bytes(body: Body) -> Bytes {
    match body {
        Body::Text(text) => text.into(),
        Body::Binary(bytes) => bytes.into(),
        // Body::Empty, and what may yet be added.
        other => Bytes::copy_from_slice(&other),
    }
}

/// The body, if all of it comes in time.
async fn read(body: Incoming) -> Result<Vec<u8>, Problem> {
    // Most requests have none, and need no timer.
    if body.is_end_stream() {
        return Ok(Vec::new());
    }
    match tokio::time::timeout(BODY_TIMEOUT, collect(body)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(Problem::bad_request("the body ended early")),
        Err(_) => {
            let detail = format!("the body did not come within {BODY_TIMEOUT:?}");
            let problem = Problem::new(StatusCode::REQUEST_TIMEOUT, detail);
            // What is still to come of it is not the next request.
            Err(problem.with_header(header::CONNECTION, HeaderValue::from_static("close")))
        }
    }
}

/// The body, or of a body that is too long as much as shows that it is.
async fn collect(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
    let mut kept = Vec::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            seen += data.len();
            let room = (MAX_BODY + 1).saturating_sub(kept.len()).min(data.len());
            kept.extend_from_slice(&data[..room]);
        }
        if seen > MOST_DISCARDED {
            break;
        }
    }
    Ok(kept)
}
