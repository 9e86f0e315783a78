//! One request of a connection, as the handlers want it. Owns the reading of bodies; must not know the routes.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use lambda_http::{Body, Request};

use super::Local;
use crate::exchange::MAX_BODY;
use crate::problem::{self, Problem};

/// The most that is read of a body that is too long, so that a client which sends first and reads then gets its answer.
const MOST_DISCARDED: usize = 1 << 20;

pub(super) async fn answer(
    request: hyper::Request<Incoming>,
    local: Arc<Local>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let response = match read(body).await {
        Ok(body) => {
            problem::caught(local.route(Request::from_parts(parts, Body::Binary(body)))).await
        }
        Err(_) => Problem::bad_request("the body ended early").into_response(),
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
