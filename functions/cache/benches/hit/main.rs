//! What a hit costs, as a multiple of a prebuilt `get` of the same bytes on a blocking socket: alone, in a crowd, on a full server.
//!
//! Owns the contenders and their limits. Each takes its turn in every round, and a figure is the ratio of one round's medians:
//! machines are noisy. Fails only when it could not measure, never for a figure.

use std::{error::Error, path::PathBuf};

use larder::testing::Memcached;

mod alone;
mod cores;
mod crowd;
mod growth;
mod peer;
mod raw;
#[path = "../row.rs"]
mod row;
mod value;
use alone::Alone;
use cores::Layout;
use crowd::Crowd;
use peer::Peer;
use raw::Raw;
use row::{Limit, Row};
use value::{Decoded, Json};

/// Many short ones: what else runs on the machine then slows both sides of a ratio.
const ROUNDS: usize = 61;
const CALLS: usize = 500;

/// Something that takes its turn.
trait Contender {
    /// What one of `calls` calls took, in seconds: the median, or the mean of those that run together.
    fn run(&mut self, calls: usize) -> Result<f64, Box<dyn Error>>;
}

/// A contender with its place in the table.
struct Entry {
    id: &'static str,
    what: String,
    limit: Limit,
    contender: Box<dyn Contender>,
    ratios: Vec<f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let word = |name: &str| std::env::args().skip_while(move |arg| arg != name).nth(1);
    // For callgrind: nothing but so many calls.
    if let (Some(kind), Some(calls)) = (word("--only"), word("--calls")) {
        let server = Memcached::start();
        let mut contender: Box<dyn Contender> = match kind.as_str() {
            "bytes" => Box::new(Alone::<Json>::new(&server, "meta")?),
            "crowd" => Box::new(Crowd::<Decoded>::new(&server, 64)?),
            _ => Box::new(Alone::<Decoded>::new(&server, "meta")?),
        };
        contender.run(calls.parse()?)?;
        return Ok(());
    }
    let load = std::fs::read_to_string("/proc/loadavg")?;
    println!(
        "hits as a multiple of a raw get: {ROUNDS} rounds of {CALLS} calls each; load average before: {load}"
    );
    let peers = word("--peers").map(PathBuf::from);
    for layout in [Layout::CrossCore, Layout::SameCore] {
        measure(layout, peers.as_deref())?;
    }
    growth::measure()
}

/// All contenders on cores of this layout.
fn measure(layout: Layout, peers: Option<&std::path::Path>) -> Result<(), Box<dyn Error>> {
    cores::pin(layout.server())?;
    let server = Memcached::start();
    cores::pin(layout.client())?;
    let mut floor = {
        // Its entry is the one that the raw get reads.
        let filled = Alone::<Json>::new(&server, "raw")?;
        Raw::new(&server, &filled.item())?
    };
    let mut entries = entries(layout, &server)?;
    if let Some(program) = peers {
        for peer in Peer::NAMES {
            entries.push(Entry {
                id: "P1",
                what: format!("{peer} get"),
                limit: Limit::Peer,
                contender: Box::new(Peer::new(program, peer, &server, floor.item())?),
                ratios: Vec::new(),
            });
        }
    }
    // Warm: connections, allocator, branch predictors.
    for round in 0..=ROUNDS {
        let limit = floor.run(CALLS)?;
        for entry in &mut entries {
            let took = entry.contender.run(CALLS)?;
            if round > 0 {
                entry.ratios.push(took / limit);
            }
        }
    }
    for entry in entries {
        Row::new(
            entry.id,
            entry.what,
            layout.name(),
            &entry.ratios,
            entry.limit,
        )
        .report()?;
    }
    Ok(())
}

fn entries(layout: Layout, server: &Memcached) -> Result<Vec<Entry>, Box<dyn Error>> {
    let mut entries = Vec::new();
    let mut add = |id, what: &str, (cross, same), contender| {
        let limit = match layout {
            Layout::CrossCore => cross,
            Layout::SameCore => same,
        };
        entries.push(Entry {
            id,
            what: what.to_owned(),
            limit: Limit::AtMost(limit),
            contender,
            ratios: Vec::new(),
        });
    };
    let (bytes, decoded) = ((1.05, 1.25), (1.10, 1.50));
    let crowded = (0.10, 0.45);
    add(
        "P1",
        "a hit, bytes, meta protocol",
        bytes,
        Box::new(Alone::<Json>::new(server, "meta")?),
    );
    add(
        "P1",
        "a hit, decoded, meta protocol",
        decoded,
        Box::new(Alone::<Decoded>::new(server, "meta")?),
    );
    add(
        "P1",
        "a hit, bytes, classic protocol",
        bytes,
        Box::new(Alone::<Json>::new(server, "classic")?),
    );
    add(
        "P1",
        "a hit, decoded, classic protocol",
        decoded,
        Box::new(Alone::<Decoded>::new(server, "classic")?),
    );
    add(
        "P2",
        "a hit of 64 tasks, bytes",
        crowded,
        Box::new(Crowd::<Json>::new(server, 64)?),
    );
    add(
        "P2",
        "a hit of 64 tasks, decoded",
        crowded,
        Box::new(Crowd::<Decoded>::new(server, 64)?),
    );
    Ok(entries)
}

/// Of a non-empty list.
fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
