//! The floor under every hit: a bare memcached GET, through memcache-async, from this machine. Owns this one
//! measurement; knows nothing of targets.

use std::time::{Duration, Instant};

use memcache_async::ascii::Protocol;
use tokio::net::TcpStream;

use crate::latencies::{Latencies, Summary};

/// Reads of the floor: enough for a p99 with an interval.
const READS: usize = 1000;

/// What is stored: about the size of a cached answer.
const VALUE: &[u8] = &[b'v'; 256];

/// Measures GETs of one key of 256 bytes at `address` (HOST:PORT), one after another on one connection. An error is a
/// sentence.
pub(crate) async fn measure(address: &str) -> Result<Summary, String> {
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
    // Ours alone, and gone within a minute.
    let key = format!("loadtest-floor-{}", std::process::id());
    memcached.set(&key, VALUE, 60).await?;
    let mut latencies = Latencies::default();
    for _ in 0..READS {
        let started = Instant::now();
        let value = memcached.get(&key).await?;
        latencies.record(started.elapsed());
        if value != VALUE {
            return Err(std::io::Error::other(
                "it gave another value than was stored",
            ));
        }
    }
    Ok(latencies.summary())
}
