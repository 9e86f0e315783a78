//! A cached function behind axum. `Cache-Status` (RFC 9211) of each answer shows where it came
//! from.
//!
//! Run `cargo run -p larder --example axum`, then twice `curl -i localhost:3000/report/north`: a
//! miss that takes 300 ms, and a hit. The cache is the one of `CACHE_URL`, or at `localhost:11211`.
//! If there is none, every answer is a miss that names the failure.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::Path,
    http::{StatusCode, header::HeaderName},
    response::IntoResponse,
    routing::get,
};
use larder::{Cache, Fetched, Fill, Outcome};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Report {
    region: String,
    total: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("there is no region {0:?}")]
struct NoRegion(String);

/// Imagine a query that takes a while.
#[larder::cached(
    "axum-report",
    ttl = "60s",
    stale_while_revalidate = "30s",
    stale_if_error = "10m"
)]
async fn report(region: &str) -> Result<Report, NoRegion> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    if !["north", "south"].contains(&region) {
        return Err(NoRegion(region.to_owned()));
    }
    Ok(Report {
        region: region.to_owned(),
        total: region.bytes().map(u64::from).sum(),
    })
}

/// The only errors are the function's own: the cache never adds one.
async fn answer(Path(region): Path<String>) -> Result<impl IntoResponse, (StatusCode, String)> {
    let fetched = report::fetch(&region).await;
    let fetched = fetched.map_err(|error| (StatusCode::NOT_FOUND, error.to_string()))?;
    let status = [(CACHE_STATUS, cache_status(&fetched))];
    Ok((status, Json(fetched.into_inner())))
}

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

fn cache_status<T>(fetched: &Fetched<T>) -> String {
    let ttl = fetched.ttl_left();
    match fetched.outcome() {
        Outcome::Hit | Outcome::Stale => format!("larder; hit; ttl={ttl}"),
        Outcome::StaleAfterError => format!("larder; hit; detail=refresh-failed; ttl={ttl}"),
        Outcome::StaleOnError => format!("larder; fwd=stale; detail=origin-error; ttl={ttl}"),
        Outcome::Miss(fill) => forwarded("miss", fill),
        Outcome::Expired(fill) => forwarded("stale", fill),
        Outcome::Refreshed(fill) => forwarded("request", fill),
        Outcome::Collapsed => "larder; fwd=miss; collapsed".to_owned(),
        Outcome::Passed => "larder; fwd=miss; detail=passed".to_owned(),
        _ => "larder; fwd=bypass".to_owned(),
    }
}

fn forwarded(why: &str, fill: Fill) -> String {
    match fill {
        Fill::Stored => format!("larder; fwd={why}; stored"),
        Fill::NotStored => format!("larder; fwd={why}"),
        Fill::Failed(trouble) => format!("larder; fwd={why}; detail={trouble}"),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = Cache::from_env()?; // connects to nothing: a cache that is down stops no start
    println!("{}", cache.configuration());
    larder::install(cache)?;
    let app = Router::new().route("/report/{region}", get(answer));
    let port = std::env::var("PORT").unwrap_or_else(|_| "3000".to_owned());
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}"))
        .await
        .map_err(|error| format!("cannot listen on PORT={port}: {error}"))?;
    println!("http://{}/report/north", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}
