//! A stampede: 4 processes of 50 callers each ask for one cold key whose origin takes 3 s.
//!
//! Defines the round, which is the same for all caches, and its two figures: how often the origin
//! was called, and how late the last answer was.

use std::{error::Error, time::Duration};

use larder_testing::stampede::Worker;

mod ours;
mod peer;
#[path = "../process.rs"]
mod process;
#[path = "../row.rs"]
mod row;
use peer::Peer;
use row::{Limit, Rounds, Row, Unit};

const PROCESSES: usize = 4;
const CALLERS: usize = 50;
const ORIGIN: Duration = Duration::from_secs(3);

/// The figures of one round.
struct Seen {
    origin_calls: usize,
    /// How long the caller waited that was answered last.
    last: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    if let Some(worker) = Worker::from_env() {
        worker.run();
        return Ok(());
    }
    row::heading("a stampede, as a multiple of one origin call");
    let (calls, last) = (Limit::AtMost(1.0), Limit::AtMost(1.05));
    report("of ours", &ours::rounds()?, (calls, last))?;
    for peer in Peer::from_args() {
        let whose = format!("of {}", peer.name);
        match peer.rounds() {
            Ok(seen) => report(&whose, &seen, (Limit::Peer, Limit::Peer))?,
            Err(why) => row::left_out(format!("a stampede {whose}"), &*why),
        }
    }
    Ok(())
}

fn report(whose: &str, seen: &[Seen], limits: (Limit, Limit)) -> Result<(), Box<dyn Error>> {
    let (mut calls, mut last) = (Rounds::of(Unit::Calls), Rounds::of(Unit::Seconds));
    for round in seen {
        let made = round.origin_calls as f64;
        calls.add(made, made);
        let waited = round.last.as_secs_f64();
        last.add(waited, waited / ORIGIN.as_secs_f64());
    }
    for (what, rounds, limit) in [
        ("origin calls", &calls, limits.0),
        ("the last answer", &last, limits.1),
    ] {
        let what = format!("{what} {whose}");
        Row::new(
            "P5",
            what,
            format!("{PROCESSES} x {CALLERS}"),
            rounds,
            limit,
        )
        .report()?;
    }
    Ok(())
}
