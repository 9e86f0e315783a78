//! The attribute, and the companions of a cached function.
//!
//! `cargo run -p larder --example basic` (in this process), or with
//! `CACHE_URL=memcached://localhost:11211`.

use std::time::Duration;

use larder::Cache;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Report {
    region: String,
    total: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("there is no region {0:?}")]
struct NoRegion(String);

/// Imagine a query that takes a while. Its errors are never cached.
#[larder::cached(
    "basic-report",
    ttl = "60s",
    jitter = 10,
    stale_while_revalidate = "30s"
)]
async fn report(region: &str) -> Result<Report, NoRegion> {
    tokio::time::sleep(Duration::from_millis(300)).await;
    match region {
        "" => Err(NoRegion(region.to_owned())),
        _ => Ok(Report {
            region: region.to_owned(),
            total: region.bytes().map(u64::from).sum(),
        }),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cache = match std::env::var("CACHE_URL") {
        Ok(_) => Cache::from_env()?,
        Err(_) => Cache::memory(),
    };
    larder::install(cache.clone())?;
    for _ in 0..2 {
        let fetched = report::fetch("north").await?;
        let (outcome, origin) = (fetched.outcome(), fetched.origin_time());
        println!(
            "{} {}: {outcome:?}, origin {origin:?}",
            fetched.region, fetched.total
        );
    }
    report::invalidate("north").await?;
    println!(
        "{:?} after the invalidation",
        report::fetch("north").await?.outcome()
    );
    println!("an error: {}", report("").await.unwrap_err());
    println!("{:?}", cache.stats());
    Ok(())
}
