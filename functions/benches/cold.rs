//! A cold start: from the spawn of `heavy-op` to its first `/next`, against a handler that does nothing (`examples/bare.rs`); and
//! the sizes of the two, packed.
//!
//! Owns the Runtime API that only listens. The two take turns; memcached is there, as it is on Lambda.

use std::{
    error::Error,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use larder_testing::Memcached;

#[path = "../cache/benches/cores.rs"]
mod cores;
#[path = "../cache/benches/row.rs"]
mod row;
use row::{Limit, Rounds, Row, Unit, median};

const ROUNDS: usize = 31;
/// Of each program in a round: a single one is at the mercy of whatever else the machine does in those milliseconds.
const STARTS: usize = 31;
const HEAVY_OP: &str = env!("CARGO_BIN_EXE_heavy-op");

fn main() -> Result<(), Box<dyn Error>> {
    let (ours, bare) = (Path::new(HEAVY_OP), bare()?);
    row::heading("a cold start, as a multiple of a bare handler's");
    starts(ours, &bare)?.report()?;
    let mut sizes = Rounds::of(Unit::Bytes);
    let size = packed(ours)?;
    sizes.add(size, size / packed(&bare)?);
    let what = "heavy-op's size, packed";
    Row::new("P6", what, "as it ships", &sizes, Limit::AtMost(1.25)).report()
}

/// `cargo build --example bare` puts it beside the functions.
fn bare() -> Result<PathBuf, Box<dyn Error>> {
    let folder = Path::new(HEAVY_OP).parent().ok_or("no folder")?;
    let path = folder.join("examples/bare");
    if path.exists() {
        return Ok(path);
    }
    Err(format!("{} is not built", path.display()).into())
}

fn starts(ours: &Path, bare: &Path) -> Result<Row, Box<dyn Error>> {
    let server = Memcached::start();
    // A function of 256 MB has a part of one core.
    cores::pin(std::process::id().into(), 0)?;
    let mut rounds = Rounds::of(Unit::Seconds);
    for round in 0..=ROUNDS {
        let (mut base, mut took) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            base.push(start(bare, &server)?);
            took.push(start(ours, &server)?);
        }
        // The first start of each also reads it from the disk.
        if round > 0 {
            let took = median(took);
            rounds.add(took, took / median(base));
        }
    }
    let what = "heavy-op, from its spawn to its first /next";
    let limit = Limit::AtMost(1.10);
    Ok(Row::new("P6", what, "one core", &rounds, limit))
}

/// Seconds until the program asks for its first invocation. A listener of its own: at a shared one, a connection that an earlier
/// program left behind was once taken for the next start.
fn start(program: &Path, server: &Memcached) -> Result<f64, Box<dyn Error>> {
    let api = TcpListener::bind(("127.0.0.1", 0))?;
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", api.local_addr()?.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "heavy-op")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("CACHE_URL", server.url())
        .stdin(Stdio::null());
    let begun = Instant::now();
    let child = Started(command.spawn()?);
    let (stream, _) = api.accept()?;
    // Open for as long as the program lives: one whose question is never answered waits; one whose connection is closed ends with an
    // error (`SendRequest`), if it gets that far before it is killed.
    let mut asked = BufReader::new(stream);
    let mut line = String::new();
    asked.read_line(&mut line)?;
    let took = begun.elapsed().as_secs_f64();
    drop(child);
    if !line.starts_with("GET /2018-06-01/runtime/invocation/next ") {
        return Err(format!("{} asked {line:?}", program.display()).into());
    }
    Ok(took)
}

/// A program that is ended before anything else goes on.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Bytes after deflate, which is what a zip file holds.
fn packed(program: &Path) -> Result<f64, Box<dyn Error>> {
    let output = Command::new("gzip")
        .args(["-9", "-c"])
        .arg(program)
        .output()?;
    if !output.status.success() {
        return Err(format!("gzip: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(output.stdout.len() as f64)
}
