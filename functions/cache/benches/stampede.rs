//! A stampede: 4 processes of 50 callers each ask for one cold key whose origin takes 3 s.
//!
//! Owns the round and its two figures: how often the origin was called, and how late the last answer was.

use std::{error::Error, process::Command, time::Duration};

use larder::{
    Cache, Scope,
    testing::{
        Memcached, Stampede,
        stampede::{Order, Worker},
    },
};

mod row;
use row::{Limit, Row};

const PROCESSES: usize = 4;
const CALLERS: usize = 50;
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(worker) = Worker::from_env() {
        worker.run();
        return Ok(());
    }
    let server = Memcached::start();
    let itself = std::env::current_exe()?;
    let entry = || {
        let mut command = Command::new(&itself);
        // Four processes share two cores here: a call that ran out of its budget would say nothing of leases.
        command.env("CACHE_BUDGET_MS", "1000");
        command
    };
    let mut stampede = Stampede::start(&vec![server.url(); PROCESSES], CALLERS, entry);
    let order = Order {
        keys: 1,
        together: 1,
        origin: Duration::from_secs(3),
        ttl: Duration::from_secs(600),
        stale: Duration::ZERO,
        lease: Duration::from_secs(5),
        wait: Duration::from_secs(30),
    };
    let (mut calls, mut last) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let round = stampede.run(order);
        calls.push(round.origin_calls().iter().sum::<usize>() as f64);
        last.push(round.waited(100).as_secs_f64() / order.origin.as_secs_f64());
        flush(&server)?;
    }
    let setting = "4 x 50";
    Row::new(
        "P5",
        "origin calls of a stampede",
        setting,
        &calls,
        Limit::AtMost(1.0),
    )
    .report()?;
    Row::new(
        "P5",
        "its last answer, in origin times",
        setting,
        &last,
        Limit::AtMost(1.05),
    )
    .report()
}

/// The next round finds it cold again.
fn flush(server: &Memcached) -> Result<(), Box<dyn Error>> {
    let url = server.url();
    let cache = Cache::from_lookup(|name| (name == "CACHE_URL").then(|| url.clone()))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(cache.flush(Scope::All))?)
}
