//! The cost of a hit, as a multiple of a prebuilt `get` of the same bytes on a blocking socket: for
//! one caller, in a crowd, on a full server.
//!
//! Defines what is measured, and against which limit. It fails only if it cannot measure, never
//! because of a figure.

use std::{
    error::Error,
    path::{Path, PathBuf},
};

use larder_testing::Memcached;

mod alone;
mod contest;
#[path = "../cores.rs"]
mod cores;
mod crowd;
mod growth;
mod layout;
mod near;
mod peer;
#[path = "../process.rs"]
mod process;
mod raw;
mod redis;
#[path = "../row.rs"]
mod row;
mod tags;
mod user;
mod value;
use alone::Alone;
use contest::{CALLS, Contender, Contest, ROUNDS};
use crowd::{Crowd, Spread};
use layout::Layout;
use peer::Peer;
use raw::Raw;
use row::Limit;
use value::{Decoded, Json};

fn main() -> Result<(), Box<dyn Error>> {
    if word("--near").is_some() {
        return near::measure();
    }
    if word("--tags").is_some() {
        return tags::measure();
    }
    // For callgrind: only so many calls.
    if let (Some(kind), Some(calls)) = (word("--only"), word("--calls")) {
        return only(&kind, calls.parse()?);
    }
    cores::pin(std::process::id().into(), Layout::CLIENT)?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    println!(
        "hits: {ROUNDS} rounds of {CALLS} calls each; load average before: {}",
        load.trim()
    );
    row::heading("a hit, as a multiple of a raw get");
    let peers = word("--peers").map(PathBuf::from);
    for layout in [Layout::CrossCore, Layout::SameCore] {
        hits(layout, peers.as_deref())?;
    }
    // Only if the command line names a Redis server.
    if let Some(program) = word("--cached").map(PathBuf::from) {
        for layout in [Layout::CrossCore, Layout::SameCore] {
            // None of it is code of this library.
            if let Err(why) = redis::measure(layout, &program) {
                row::left_out("cached's hit", &*why);
            }
        }
    }
    near::measure()?;
    tags::measure()?;
    growth::measure()
}

/// The word after `name` on the command line.
fn word(name: &str) -> Option<String> {
    std::env::args().skip_while(|arg| arg != name).nth(1)
}

fn only(kind: &str, calls: usize) -> Result<(), Box<dyn Error>> {
    let server = Memcached::start();
    let url = server.url();
    let mut contender: Box<dyn Contender> = match kind {
        "bytes" => Box::new(Alone::<Json>::new(&url, "meta")?),
        "crowd" => Box::new(Crowd::<Decoded>::new(&url, "crowd", Spread::own_key(64))?),
        "tags" => Box::new(tags::Tagged::new(&url, "meta", 8)?),
        _ => Box::new(Alone::<Decoded>::new(&url, "meta")?),
    };
    contender.run(calls)?;
    Ok(())
}

/// All contenders on one memcached, on the cores of this layout.
fn hits(layout: Layout, peers: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let server = layout.memcached(&[])?;
    // The raw get and the other clients read its entry.
    let item = Alone::<Json>::new(&server.url(), "raw")?.item();
    let mut contest = Contest::new(layout.name(), Raw::get(server.port(), &item)?);
    contest.enter(
        "P1",
        "a raw get of all that a hit looks at",
        Limit::NoTarget,
        Raw::get_with_generations(server.port(), &item)?,
    );
    alone(&mut contest, layout, &server)?;
    crowds(&mut contest, layout, &server)?;
    if let Some(program) = peers {
        for client in Peer::GETTERS {
            let what = format!("{client} get");
            match Peer::start(program, client, server.port(), &item) {
                Ok(peer) => contest.enter("P1", what, Limit::Peer, peer),
                Err(why) => row::left_out(what, &*why),
            }
        }
    }
    contest.report()
}

fn alone(
    contest: &mut Contest<'_>,
    layout: Layout,
    server: &Memcached,
) -> Result<(), Box<dyn Error>> {
    let (bytes, decoded) = match layout {
        Layout::CrossCore => (1.05, 1.10),
        Layout::SameCore => (1.25, 1.50),
    };
    for protocol in ["meta", "classic"] {
        let url = format!("{}?protocol={protocol}", server.url());
        contest.enter(
            "P1",
            format!("a hit, bytes, {protocol} protocol"),
            Limit::AtMost(bytes),
            Alone::<Json>::new(&url, protocol)?,
        );
        contest.enter(
            "P1",
            format!("a hit, decoded, {protocol} protocol"),
            Limit::AtMost(decoded),
            Alone::<Decoded>::new(&url, protocol)?,
        );
    }
    Ok(())
}

/// The crowd of 64 tasks has a target; the others show how the cost of a hit falls with the number
/// of callers.
fn crowds(
    contest: &mut Contest<'_>,
    layout: Layout,
    server: &Memcached,
) -> Result<(), Box<dyn Error>> {
    let target = Limit::AtMost(match layout {
        Layout::CrossCore => 0.10,
        Layout::SameCore => 0.45,
    });
    let url = server.url();
    let bytes = Crowd::<Json>::new(&url, "crowd", Spread::own_key(64))?;
    contest.enter("P2", "a hit, bytes, callers: 64", target, bytes);
    for tasks in [1, 4, 16, 64, 256] {
        let limit = if tasks == 64 { target } else { Limit::NoTarget };
        let what = format!("a hit, decoded, callers: {tasks}");
        let crowd = Crowd::<Decoded>::new(&url, "crowd", Spread::own_key(tasks))?;
        contest.enter("P2", what, limit, crowd);
    }
    Ok(())
}
