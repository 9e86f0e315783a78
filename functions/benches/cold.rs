//! A cold start: the time from the spawn of `heavy-op` to its first poll of `/next`, against a
//! handler that does nothing (`examples/bare.rs`), and the compressed sizes of the two.
//!
//! The two take turns, behind a Runtime API that only listens and beside a running memcached.

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
/// Starts of each program in a round: a single one depends too much on other load at that moment.
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

/// The example, where `cargo build --example bare` puts it beside the functions.
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
    // Lambda gives a function of 256 MB a part of one core.
    cores::pin(std::process::id().into(), 0)?;
    let mut rounds = Rounds::of(Unit::Seconds);
    for round in 0..=ROUNDS {
        let (mut base, mut took) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            base.push(start(bare, &server)?);
            took.push(start(ours, &server)?);
        }
        // The first start of each also reads the program from the disk.
        if round > 0 {
            let took = median(took);
            rounds.add(took, took / median(base));
        }
    }
    let what = "heavy-op, from its spawn to its first /next";
    let limit = Limit::AtMost(1.10);
    Ok(Row::new("P6", what, "one core", &rounds, limit))
}

/// Seconds until the program polls for its first invocation. Each start has its own listener: with
/// a shared one, a connection that an earlier program left behind was once taken for the next
/// start.
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
    // The connection stays open while the program lives. A program whose poll is not answered
    // waits, but one whose connection is closed may print an error (`SendRequest`) before it is
    // killed.
    let mut request = BufReader::new(stream);
    let mut line = String::new();
    request.read_line(&mut line)?;
    let took = begun.elapsed().as_secs_f64();
    drop(child);
    if !line.starts_with("GET /2018-06-01/runtime/invocation/next ") {
        return Err(format!("{} asked {line:?}", program.display()).into());
    }
    Ok(took)
}

/// A running program, which is killed and reaped on drop.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program's bytes after deflate, as in a zip file.
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
