//! The smallest possible function of `lambda_http`, with which `make bench` compares the start of
//! `heavy-op`.

use std::convert::Infallible;

use lambda_http::{Body, Request, Response, run_concurrent, service_fn};

#[tokio::main]
async fn main() -> Result<(), lambda_http::Error> {
    let answer = async |_: Request| Ok::<_, Infallible>(Response::new(Body::Empty));
    run_concurrent(service_fn(answer)).await
}
