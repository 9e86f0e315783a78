//! A cold start: from the spawn of `heavy-op` to its first `/next`, against a handler that does nothing (`examples/bare.rs`); and
//! the sizes of the two, packed.
//!
//! Owns the Runtime API that only listens. The two take turns; memcached is there, as it is on Lambda.

use std::{
    error::Error,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use larder::testing::Memcached;

#[path = "../cache/benches/row.rs"]
mod row;
use row::{Limit, Row};

const ROUNDS: usize = 61;
const HEAVY_OP: &str = env!("CARGO_BIN_EXE_heavy-op");

fn main() -> Result<(), Box<dyn Error>> {
    let bare = bare()?;
    let server = Memcached::start();
    let mut ratios = Vec::new();
    for round in 0..=ROUNDS {
        let base = start(&bare, &server)?;
        let took = start(Path::new(HEAVY_OP), &server)?;
        // The first start of each also reads it from the disk.
        if round > 0 {
            ratios.push(took / base);
        }
    }
    let setting = "";
    Row::new(
        "P6",
        "heavy-op's start against a bare handler's",
        setting,
        &ratios,
        Limit::AtMost(1.10),
    )
    .report()?;
    let size = packed(Path::new(HEAVY_OP))? / packed(&bare)?;
    Row::new(
        "P6",
        "heavy-op's size, packed, the same",
        setting,
        &[size],
        Limit::AtMost(1.25),
    )
    .report()
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
    let mut child = command.spawn()?;
    let (stream, _) = api.accept()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let took = begun.elapsed().as_secs_f64();
    child.kill()?;
    child.wait()?;
    if !line.starts_with("GET /2018-06-01/runtime/invocation/next ") {
        return Err(format!("{} asked {line:?}", program.display()).into());
    }
    Ok(took)
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
