//! Checks this tool's clock: a server in this process answers after known delays, and is asked
//! through the client that measures targets.
//!
//! The reference is what a bare blocking socket sees of the same server, in turns with that client:
//! the delay by the server's clock, plus the time that this machine takes to wake one process for
//! another. Any further difference is the tool's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::analysis::{
    calibration::Calibrated, calibration::verdict, check::Verdict, histogram::Latencies,
};
use crate::client::{Client, request::RequestSpec};
use crate::target::Target;

/// The known delays, and how many times as often as the longest each is measured: two per cent of a
/// short delay are a few microseconds, so short delays need more samples to rise above scheduling
/// noise.
const DELAYS: [(Duration, usize); 3] = [
    (Duration::from_millis(1), 15),
    (Duration::from_millis(10), 4),
    (Duration::from_millis(100), 1),
];

const TRIES: usize = 3;

/// The parts of a measurement that are compared for an interval of the error.
const PARTS: usize = 5;

/// Requests of each of the first delays before a run: a fifth of a second in all.
const QUICK_REQUESTS: [usize; 2] = [30, 10];

/// Measures the known delays one after another, the longest `requests` times, and reports each one.
pub(crate) async fn measure(
    requests: usize,
    mut report: impl FnMut(&Calibrated),
) -> Result<(), String> {
    let mut calibrator = Calibrator::start()?;
    for (delay, times) in DELAYS {
        report(&calibrator.measure(delay, requests * times).await?);
    }
    Ok(())
}

/// A quick check before a run with the shorter delays. A busy machine gets several tries; a wrong
/// clock is wrong in each.
pub(crate) async fn quick() -> Result<Vec<Calibrated>, String> {
    let mut calibrator = Calibrator::start()?;
    for _ in 1..TRIES {
        let all = calibrator.quick().await?;
        if verdict(&all) == Verdict::Pass {
            return Ok(all);
        }
    }
    calibrator.quick().await
}

/// The server of known delays, and the two clients that ask it.
struct Calibrator {
    client: Client,
    blocking: BlockingClient,
    server_clock: ServerClock,
}

/// How long the last answer took by the server's own clock.
type ServerClock = Arc<Mutex<Duration>>;

impl Calibrator {
    fn start() -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .map_err(|e| format!("cannot listen on 127.0.0.1: {e}"))?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let server_clock = ServerClock::default();
        let report = server_clock.clone();
        // It ends with this process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server_clock = report.clone();
                std::thread::spawn(move || serve(&stream, &server_clock));
            }
        });
        let url = format!("http://{address}")
            .parse()
            .map_err(|_| "no URL for 127.0.0.1".to_owned())?;
        Ok(Self {
            client: Client::new(&url, Target::parse(TARGET)?, Duration::from_secs(5))?,
            blocking: BlockingClient::connect(address).map_err(|e| broken(&e))?,
            server_clock,
        })
    }

    async fn quick(&mut self) -> Result<Vec<Calibrated>, String> {
        let mut all = Vec::new();
        for ((delay, _), requests) in DELAYS.into_iter().zip(QUICK_REQUESTS) {
            all.push(self.measure(delay, requests).await?);
        }
        Ok(all)
    }

    /// The clients take turns, so that they see the same machine.
    async fn measure(&mut self, delay: Duration, requests: usize) -> Result<Calibrated, String> {
        let [mut server, mut reference, mut measured] = [(); 3].map(|()| Latencies::default());
        let spec = RequestSpec::new(0, 0, delay.as_micros().to_string());
        for number in 0..requests {
            let part = number * PARTS / requests;
            // This blocks the only thread; nothing else needs to run now.
            let took = self.blocking.ask(&spec.key).map_err(|e| broken(&e))?;
            reference.record_in(part, took);
            let sample = self.client.ask(&spec, Duration::MAX).await;
            sample.answer.map_err(|failure| broken(&failure.label()))?;
            measured.record_in(part, sample.latency);
            server.record_in(part, *lock(&self.server_clock));
        }
        Ok(Calibrated {
            delay,
            p50_error_us: measured.median_error(&reference),
            server: server.summary(),
            reference: reference.summary(),
            measured: measured.summary(),
        })
    }
}

fn broken(why: &dyn std::fmt::Display) -> String {
    format!("the calibration server failed: {why}")
}

/// The simplest possible client.
struct BlockingClient(TcpStream);

impl BlockingClient {
    fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        Ok(Self(stream))
    }

    fn ask(&mut self, micros: &str) -> std::io::Result<Duration> {
        let request = format!("GET /{micros} HTTP/1.1\r\nhost: bare\r\n\r\n");
        let mut answer = [0; ANSWER.len()];
        let started = Instant::now();
        self.0.write_all(request.as_bytes())?;
        self.0.read_exact(&mut answer)?;
        Ok(started.elapsed())
    }
}

fn lock(server_clock: &ServerClock) -> std::sync::MutexGuard<'_, Duration> {
    server_clock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server as a target.
const TARGET: &str = r#"
outcome = { cache-status = "known" }
function = [{ name = "delay", path = "/{key}", keys = "salted" }]
"#;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncache-status: known; fwd=miss\r\ncontent-length: 2\r\n\r\n{}";

/// Answers `GET /MICROSECONDS` after that many microseconds, one request after another.
fn serve(stream: &TcpStream, server_clock: &ServerClock) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut lines = BufReader::new(stream).lines();
    loop {
        let request = lines.next()?.ok()?;
        let started = Instant::now();
        let path = request.strip_prefix("GET /")?.split(' ').next()?;
        let micros: u64 = path.parse().ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        wait_until(started + Duration::from_micros(micros));
        *lock(server_clock) = started.elapsed();
        let mut stream = stream;
        stream.write_all(ANSWER).ok()?;
    }
}

/// Sleeps first and spins for the rest: a sleep alone is late by up to a timer tick.
fn wait_until(due: Instant) {
    std::thread::sleep(
        due.saturating_duration_since(Instant::now())
            .saturating_sub(Duration::from_micros(300)),
    );
    while Instant::now() < due {
        std::hint::spin_loop();
    }
}
