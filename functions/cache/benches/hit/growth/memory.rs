//! The memory of an entry on the server, compared with the plain payload of the same value under a
//! short key.

use std::{
    error::Error,
    io::{BufRead as _, BufReader, BufWriter, Write as _},
    net::TcpStream,
};

use larder::{Key, Policy};
use larder_testing::Memcached;
use serde::Serialize;

use crate::{
    alone::{self, POLICY},
    layout::Layout,
    row::{Limit, Rounds, Row, Unit},
    user::User,
};

const KEYS: i64 = 50_000;

pub(super) fn measure() -> Result<(), Box<dyn Error>> {
    compare("a number", POLICY, |n| n)?;
    compare("a user of 1 KB", POLICY, User::sample)?;
    let compressing = POLICY.compress_over(256);
    compare("the same, compressed", compressing, User::sample)
}

fn compare<V: Serialize + Send + Sync + 'static>(
    what: &str,
    policy: Policy,
    value: fn(i64) -> V,
) -> Result<(), Box<dyn Error>> {
    let bare = Taken::by(|server| bare(server, value))?;
    let ours = Taken::by(|server| {
        let cache = alone::cache(&server.url(), "memory")?;
        let key = |n| Key::new("user", &(n,));
        alone::runtime()?.block_on(super::fill(&cache, policy, KEYS, key, value))
    })?;
    for (measure, ours, bare) in [
        ("memcached's own count", ours.counted, bare.counted),
        ("its process's memory", ours.resident, bare.resident),
    ] {
        let mut rounds = Rounds::of(Unit::Bytes);
        rounds.add(ours, ours / bare);
        let what = format!("{what}, {measure}");
        Row::new("P8", what, "a key", &rounds, Limit::NoTarget).report()?;
    }
    Ok(())
}

/// Bytes for each key.
struct Taken {
    /// The memory of the server's items, as it reports it.
    counted: f64,
    /// The growth of the server's process.
    resident: f64,
}

impl Taken {
    fn by(
        fill: impl FnOnce(&Memcached) -> Result<(), Box<dyn Error>>,
    ) -> Result<Self, Box<dyn Error>> {
        let server = Layout::CrossCore.memcached(&["-m", "1024"])?;
        let before = resident(&server)?;
        fill(&server)?;
        let items = server.stat("curr_items");
        if items < KEYS as u64 {
            return Err(format!("{items} of {KEYS} entries are on the server").into());
        }
        Ok(Self {
            counted: server.stat("bytes") as f64 / items as f64,
            resident: (resident(&server)? - before) / KEYS as f64,
        })
    }
}

/// Bytes of memory of the server's process.
fn resident(server: &Memcached) -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.stat("pid")))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kilobytes.ok_or("no VmRSS")?.parse::<f64>()? * 1024.0)
}

/// What a program without this library might store: with field names, since its types change, too.
fn bare<V: Serialize>(server: &Memcached, value: fn(i64) -> V) -> Result<(), Box<dyn Error>> {
    let mut stream = BufWriter::new(TcpStream::connect(("127.0.0.1", server.port()))?);
    for n in 0..KEYS {
        let payload = rmp_serde::to_vec_named(&value(n))?;
        write!(stream, "set user:{n} 0 0 {} noreply\r\n", payload.len())?;
        stream.write_all(&payload)?;
        stream.write_all(b"\r\n")?;
    }
    // The answer proves that all commands before it are done.
    stream.write_all(b"version\r\n")?;
    let stream = stream.into_inner()?;
    BufReader::new(stream).read_line(&mut String::new())?;
    Ok(())
}
