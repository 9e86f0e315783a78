//! The minimum latency of a hit: a bare memcached GET through memcache-async, and a function's
//! answer that needs neither cache nor origin.

use std::time::{Duration, Instant};

use memcache_async::ascii::Protocol;
use tokio::net::TcpStream;

use crate::analysis::{histogram::Latencies, histogram::Summary};
use crate::client::Client;

/// Reads of memcached: enough for a p99 with an interval.
const READS: usize = 1000;

/// Requests to each function, for the same reason.
const REQUESTS: usize = 400;

/// The parts of each measurement that are compared for an interval.
const PARTS: usize = 5;

/// Each measurement stops after this; a slow one gets fewer requests.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// A value about the size of a cached answer.
const VALUE: &[u8] = &[b'v'; 256];

#[derive(Default)]
pub(crate) struct MinimumLatencies {
    pub(crate) memcached: Option<Summary>,
    /// Of each function; `None` if its target names no path for it.
    pub(crate) functions: Vec<Option<Summary>>,
}

/// Measures GETs of one key of 256 bytes at `address` (HOST:PORT), one after another on one
/// connection.
pub(crate) async fn measure_memcached(address: &str) -> Result<Summary, String> {
    let limit = Duration::from_secs(5);
    let measured = tokio::time::timeout(limit, reads(address)).await;
    measured
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
        .map_err(|e| format!("memcached at {address}: {e}"))
}

async fn reads(address: &str) -> std::io::Result<Summary> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut memcached = Protocol::new(stream);
    // Used by no other process, and gone within a minute.
    let key = format!("loadtest-floor-{}", std::process::id());
    memcached.set(&key, VALUE, 60).await?;
    let mut latencies = Latencies::default();
    for number in 0..READS {
        let started = Instant::now();
        let value = memcached.get(&key).await?;
        latencies.record_in(number * PARTS / READS, started.elapsed());
        if value != VALUE {
            return Err(std::io::Error::other(
                "it returned another value than was stored",
            ));
        }
    }
    Ok(latencies.summary())
}

/// Measures a function's answers to its `floor` path, one after another: the network, and the
/// function's own work on a request.
pub(crate) async fn measure_function(
    client: &Client,
    function: usize,
) -> Result<Option<Summary>, String> {
    let Some(path) = &client.target.functions[function].floor else {
        return Ok(None);
    };
    let (began, mut latencies, mut failed) = (Instant::now(), Latencies::default(), 0);
    for number in 0..REQUESTS {
        if began.elapsed() > TIME_LIMIT {
            break;
        }
        match client.time(path).await {
            Ok(latency) => latencies.record_in(number * PARTS / REQUESTS, latency),
            // One in a hundred may fail: a limit of requests, or a restart.
            Err(_) if failed < REQUESTS / 100 => failed += 1,
            Err(reason) => return Err(reason),
        }
    }
    Ok(Some(latencies.summary()))
}
