//! Warm answers over HTTP: `local` against the Flask program in the folder `SEED_PEER` under
//! gunicorn. wrk loads both in turn, on fixed cores. Without `SEED_PEER` nothing is measured, and a
//! line says so.

use std::{
    env,
    error::Error,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use larder_testing::Memcached;

#[path = "../cache/benches/cores.rs"]
mod cores;
#[path = "../cache/benches/row.rs"]
mod row;
use row::{Limit, Rounds, Row, Unit};

const ROUNDS: usize = 7;
/// The duration of one run of wrk.
const RUN_DURATION: &str = "2s";
const START_TIMEOUT: Duration = Duration::from_secs(180);
/// How long a server may take to stop: gunicorn gives its workers 30 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(40);

/// Which side prevented a measurement.
enum Failed {
    Ours(Box<dyn Error>),
    Theirs(Box<dyn Error>),
}

impl<E: Into<Box<dyn Error>>> From<E> for Failed {
    fn from(why: E) -> Self {
        Self::Ours(why.into())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Some(seed) = env::var_os("SEED_PEER") else {
        println!("P3, P4: not measured; SEED_PEER names no folder with the Flask program");
        return Ok(());
    };
    let server = Memcached::start();
    let folder = env::temp_dir().join(format!("bench-serve-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let ours = Http::ours(&server, &folder)?;
    let theirs = Http::theirs(&server, Path::new(&seed)).map_err(Failed::Theirs);
    let result = theirs.and_then(|theirs| measure(&server, &ours, &theirs));
    drop(ours);
    std::fs::remove_dir_all(&folder)?;
    match result {
        Ok(()) => Ok(()),
        Err(Failed::Ours(why)) => Err(why),
        Err(Failed::Theirs(why)) => {
            row::left_out("the Flask program", &*why);
            Ok(())
        }
    }
}

fn measure(server: &Memcached, ours: &Http, theirs: &Http) -> Result<(), Failed> {
    row::heading("warm answers over HTTP, against a Flask program");
    let [mut rate, mut idle, mut alone] = [(); 3].map(|()| Rounds::of(Unit::PerSecond));
    let mut late = Rounds::of(Unit::Seconds);
    let ask = |path, load| theirs.load(path, load).map_err(Failed::Theirs);
    for _ in 0..ROUNDS {
        MANY.pin(server)?;
        let (a, b) = (ours.load("/user/7", MANY)?, ask("/user/7", MANY)?);
        rate.add(a.rate, a.rate / b.rate);
        let nothing = ask("/static-ping", MANY)?;
        idle.add(a.rate, a.rate / nothing.rate);
        SINGLE.pin(server)?;
        let (a, b) = (ours.load("/user/7", SINGLE)?, ask("/user/7", SINGLE)?);
        alone.add(a.rate, a.rate / b.rate);
        late.add(a.p99, b.p99 / a.p99);
    }
    for (id, what, load, rounds, limit) in [
        ("P3", "requests a second, 64 connections", MANY, rate, 40.0),
        ("P3", "requests a second, 1 connection", SINGLE, alone, 17.0),
        (
            "P3",
            "its p99 as a multiple of ours, the same",
            SINGLE,
            late,
            10.0,
        ),
        (
            "P4",
            "the first row, against a view without work",
            MANY,
            idle,
            30.0,
        ),
    ] {
        Row::new(id, what, load.setting, &rounds, Limit::AtLeast(limit)).report()?;
    }
    Ok(())
}

/// The number of connections, and the core of wrk and memcached. The HTTP servers are on core 0.
#[derive(Clone, Copy)]
struct Load {
    connections: u32,
    core: u32,
    setting: &'static str,
}

const MANY: Load = Load {
    connections: 64,
    core: 1,
    setting: "cross-core",
};
const SINGLE: Load = Load {
    connections: 1,
    core: 0,
    setting: "same core",
};

impl Load {
    fn pin(self, server: &Memcached) -> Result<(), Box<dyn Error>> {
        cores::pin(server.stat("pid"), self.core)
    }
}

/// An HTTP server on core 0.
struct Http {
    child: Child,
    port: u16,
}

struct Measured {
    rate: f64,
    p99: f64,
}

impl Http {
    fn ours(server: &Memcached, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let port = free_port()?;
        let mut command = on_core(0, env!("CARGO_BIN_EXE_local"));
        command
            .current_dir(folder)
            .env("LISTEN", format!("127.0.0.1:{port}"))
            .env("CACHE_URL", server.url());
        Self::start(command, port)
    }

    fn theirs(server: &Memcached, folder: &Path) -> Result<Self, Box<dyn Error>> {
        let port = free_port()?;
        let mut command = on_core(0, "./run.sh");
        command
            .current_dir(folder)
            .env("MODE", "gunicorn")
            .env("PORT", port.to_string())
            .env("MEMCACHED", format!("127.0.0.1:{}", server.port()));
        Self::start(command, port)
    }

    /// Waits until the server answers, which also fills its cache.
    fn start(mut command: Command, port: u16) -> Result<Self, Box<dyn Error>> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let mut http = Self { child, port };
        let begun = Instant::now();
        while !http.answers() {
            if http.child.try_wait()?.is_some() || begun.elapsed() > START_TIMEOUT {
                let program = command.get_args().last().unwrap_or_default();
                return Err(format!("{} does not answer", program.display()).into());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(http)
    }

    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.write_all(
                b"GET /user/7 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 "))
    }

    fn load(&self, path: &str, load: Load) -> Result<Measured, Box<dyn Error>> {
        let output = on_core(load.core, "wrk")
            .args(["--threads=1", "--latency", "--duration", RUN_DURATION])
            .arg(format!("--connections={}", load.connections))
            .arg(format!("http://127.0.0.1:{}{path}", self.port))
            .output()?;
        let output_text = String::from_utf8(output.stdout)?;
        if output_text.contains("Non-2xx") || output_text.contains("Socket errors") {
            return Err(format!("not every request was answered:\n{output_text}").into());
        }
        let word = |name: &str| {
            let line = output_text
                .lines()
                .find(|line| line.trim_start().starts_with(name))?;
            line.split_whitespace().last()
        };
        let (rate, p99) = word("Requests/sec:").zip(word("99%")).ok_or_else(|| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            format!("wrk (the package wrk) printed no figures: {output_text}{stderr}")
        })?;
        Ok(Measured {
            rate: rate.parse()?,
            p99: seconds(p99).ok_or("wrk printed an invalid time")?,
        })
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let mut runs = || matches!(self.child.try_wait(), Ok(None));
        if runs() {
            // On SIGTERM gunicorn stops its workers.
            let _ = Command::new("kill").args(["-TERM", &pid]).status();
        }
        let begun = Instant::now();
        while runs() && begun.elapsed() < STOP_TIMEOUT {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn on_core(core: u32, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &core.to_string(), program]);
    command
}

/// Parses a duration as wrk prints it: `1.25ms`, `87.00us` or `1.02s`.
fn seconds(word: &str) -> Option<f64> {
    let digits = word.trim_end_matches(char::is_alphabetic);
    let unit = match &word[digits.len()..] {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    Some(digits.parse::<f64>().ok()? * unit)
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
