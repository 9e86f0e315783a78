//! The rounds of larder.

use std::{error::Error, process::Command, time::Duration};

use larder::{Cache, Scope};
use larder_testing::{
    Memcached, Stampede,
    stampede::{Ends, Order},
};

use crate::{CALLERS, ORIGIN, PROCESSES, Seen};

const ROUNDS: usize = 5;

pub(crate) fn rounds() -> Result<Vec<Seen>, Box<dyn Error>> {
    let server = Memcached::start();
    let itself = std::env::current_exe()?;
    let entry = || {
        let mut command = Command::new(&itself);
        // Four processes share two cores here: a call that exceeds its budget would not measure
        // leases.
        command.env("CACHE_BUDGET_MS", "1000");
        command
    };
    let mut stampede = Stampede::start(&vec![server.url(); PROCESSES], CALLERS, entry);
    let order = Order {
        keys: 1,
        together: 1,
        origin: ORIGIN,
        ends: Ends::Well,
        ttl: Duration::from_secs(600),
        stale: Duration::ZERO,
        lease: Duration::from_secs(5),
        wait: Duration::from_secs(30),
    };
    let mut seen = Vec::new();
    for _ in 0..ROUNDS {
        let round = stampede.run(order);
        seen.push(Seen {
            origin_calls: round.origin_calls().iter().sum(),
            last: round.waited(100),
        });
        flush(&server)?;
    }
    Ok(seen)
}

/// So that the key is cold in the next round.
fn flush(server: &Memcached) -> Result<(), Box<dyn Error>> {
    let cache = Cache::builder().url(server.url()).build()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(cache.flush(Scope::All))?)
}
