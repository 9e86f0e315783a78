//! What one hit costs: `Cache::get_or_fetch` of a user of 1 KB, decoded, against a prebuilt `get` of the same bytes on a blocking
//! socket. Each contender takes its turn in every round, and figures are ratios of one round's medians: machines are noisy.
//!
//! Owns what is run and what is printed. Fails only when it could not measure, never for a figure.

use std::{error::Error, path::PathBuf};

use larder::testing::Memcached;

mod contender;
mod cores;
mod figures;
mod user;
use contender::{Hit, Raw};
use cores::Layout;
use figures::{Figure, median};

/// Many short ones: what else runs on the machine then slows both sides of a ratio.
const ROUNDS: usize = 61;
const CALLS: usize = 500;
const PROTOCOLS: [&str; 2] = ["classic", "meta"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut figures = Vec::new();
    let load = std::fs::read_to_string("/proc/loadavg")?;
    println!(
        "one hit of 1 KB, decoded, as a multiple of a raw get: {ROUNDS} rounds of {CALLS} calls each\n\
         load average before: {load}\n{}",
        Figure::HEADER
    );
    for layout in [Layout::CrossCore, Layout::SameCore] {
        for figure in measure(layout)? {
            println!("{figure}");
            figures.push(figure);
        }
    }
    let folder = std::env::args().skip_while(|arg| arg != "--out").nth(1);
    let Some(folder) = folder.map(PathBuf::from) else {
        return Ok(());
    };
    std::fs::create_dir_all(&folder)?;
    let report = serde_json::json!({"load_average": load.trim(), "rounds": ROUNDS, "calls": CALLS, "figures": figures});
    std::fs::write(folder.join("bench.json"), format!("{report:#}\n"))?;
    println!("\nReport: {}", folder.join("bench.json").display());
    Ok(())
}

/// Both protocols against the raw socket, on cores of this layout.
fn measure(layout: Layout) -> Result<Vec<Figure>, Box<dyn Error>> {
    cores::pin(layout.server())?;
    let server = Memcached::start();
    cores::pin(layout.client())?;
    let hits = PROTOCOLS.map(|protocol| Hit::new(&server, protocol));
    let mut hits = hits.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut raw = Raw::new(&server, &hits[0].item())?;
    // Warm: connections, allocator, branch predictors.
    raw.run(CALLS)?;
    for hit in &mut hits {
        hit.run(CALLS)?;
    }
    let (mut floor, mut taken) = (Vec::new(), vec![Vec::new(); hits.len()]);
    for _ in 0..ROUNDS {
        floor.push(median(&raw.run(CALLS)?));
        for (hit, taken) in hits.iter_mut().zip(&mut taken) {
            taken.push(median(&hit.run(CALLS)?));
        }
    }
    let figures = PROTOCOLS.iter().zip(&taken);
    Ok(figures
        .map(|(protocol, taken)| Figure::new(layout, protocol, &floor, taken))
        .collect())
}
