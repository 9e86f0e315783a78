//! One request of a connection, as the handlers want it. Owns the reading of bodies and what a panic is answered with;
//! must not know the routes.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request};
use tokio::task::JoinSet;

use super::Local;
use crate::Response;
use crate::exchange::MAX_BODY;
use crate::problem::Problem;

/// The most that is read of a body that is too long, so that a client which sends first and reads then gets its answer.
const MOST_DISCARDED: usize = 1 << 20;

pub(super) async fn answer(
    request: hyper::Request<Incoming>,
    local: Arc<Local>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let response = match read(body).await {
        Ok(body) => handled(Request::from_parts(parts, Body::Binary(body)), local).await,
        Err(_) => Problem::bad_request("the body ended early").into_response(),
    };
    Ok(response.map(|body| Full::new(Bytes::from(body.to_vec()))))
}

/// The body, or of a body that is too long as much as shows that it is.
async fn read(mut body: Incoming) -> Result<Vec<u8>, hyper::Error> {
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

/// In a task of its own, so that a panic ends one request, as on Lambda, and not its connection. The task ends with its
/// connection: what nobody waits for any more must not pile up.
async fn handled(request: Request, local: Arc<Local>) -> Response {
    let mut task = JoinSet::new();
    task.spawn(async move { local.route(request).await });
    match task.join_next().await {
        Some(Ok(response)) => response,
        failed => {
            tracing::error!(?failed, "the handler failed");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the handler failed").into_response()
        }
    }
}
