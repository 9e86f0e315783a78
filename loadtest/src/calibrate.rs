//! Does this tool time rightly, here and now? Owns a server of known delays within this process and the comparison;
//! knows nothing of targets under test. It asks through the same client that measures.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::latencies::{Latencies, Summary};
use crate::question::Question;
use crate::target::{Function, Keys, Target};
use crate::witness::Witness;

/// The known delays.
const DELAYS: [Duration; 3] = [
    Duration::from_millis(1),
    Duration::from_millis(10),
    Duration::from_millis(100),
];

/// How far the median and the p99 of `loadtest calibrate` may be off the truth and the floor, as a share of the truth.
const TOLERANCE: f64 = 0.02;

/// How far the median may be off before a run: a tick of the timers on both sides. A busy machine gets more than one
/// try, a wrong clock is wrong in each.
const TICK_US: f64 = 1500.0;
const TRIES: usize = 3;

/// How many requests of each of the first delays a run makes: a fifth of a second in all.
const BRIEF: [usize; 2] = [30, 10];

/// One delay and what was measured of it.
#[derive(Clone, Debug)]
pub(crate) struct Calibrated {
    pub(crate) delay: Duration,
    /// What the server's own clock says that it took.
    pub(crate) truth: Summary,
    pub(crate) measured: Summary,
    /// What is measured besides the truth where there is no delay: connection, HTTP and this client.
    pub(crate) floor: Summary,
}

impl Calibrated {
    /// The median as measured, its truth, and what lies between them besides the floor, in microseconds.
    pub(crate) fn p50(&self) -> Option<Off> {
        self.off(|summary| Some(summary.p50?.us))
    }

    /// The same of the 99th percentile, if there are samples enough.
    pub(crate) fn p99(&self) -> Option<Off> {
        self.off(|summary| Some(summary.p99?.us))
    }

    fn off(&self, pick: fn(&Summary) -> Option<f64>) -> Option<Off> {
        let (truth, measured) = (pick(&self.truth)?, pick(&self.measured)?);
        // The delay is the same each time: so a quantile of the sum is the delay and that quantile of the rest.
        let error = measured - truth - pick(&self.floor)?;
        Some(Off {
            truth,
            measured,
            error,
        })
    }

    /// Whether both are as near to the truth as is promised.
    pub(crate) fn is_right(&self) -> bool {
        let near = |off: Off| off.error.abs() <= TOLERANCE * off.truth;
        self.p50().is_some_and(near) && self.p99().is_none_or(near)
    }

    fn is_within_a_tick(&self) -> bool {
        self.p50().is_some_and(|off| off.error.abs() <= TICK_US)
    }
}

/// A figure against its truth, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Off {
    pub(crate) truth: f64,
    pub(crate) measured: f64,
    pub(crate) error: f64,
}

/// Measures every known delay `requests` times. An error is a sentence.
pub(crate) async fn measure(requests: usize) -> Result<Vec<Calibrated>, String> {
    Bench::start()?.measure(&[requests; DELAYS.len()]).await
}

/// A short look before a run: the shorter delays, as often as it takes to get them right, a few times at most.
pub(crate) async fn briefly() -> Result<Vec<Calibrated>, String> {
    let bench = Bench::start()?;
    for _ in 1..TRIES {
        let all = bench.measure(&BRIEF).await?;
        if are_within_a_tick(&all) {
            return Ok(all);
        }
    }
    bench.measure(&BRIEF).await
}

/// Whether this tool times well enough to measure anything.
pub(crate) fn are_within_a_tick(all: &[Calibrated]) -> bool {
    all.iter().all(Calibrated::is_within_a_tick)
}

/// The server of known delays, and the client that asks it.
struct Bench {
    client: Client,
    truth: Truth,
}

/// What the server's own clock says of its last answer.
type Truth = Arc<Mutex<Duration>>;

impl Bench {
    fn start() -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .map_err(|e| format!("cannot listen on 127.0.0.1: {e}"))?;
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        let truth = Truth::default();
        let told = truth.clone();
        // It ends with this process. The client may open a second connection before the first is idle again.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let truth = told.clone();
                std::thread::spawn(move || serve(&stream, &truth));
            }
        });
        let url = format!("http://{address}")
            .parse()
            .map_err(|_| "no URL for 127.0.0.1".to_owned())?;
        let client =
            Client::new(&url, target(), Duration::from_secs(5)).map_err(|e| e.to_string())?;
        Ok(Self { client, truth })
    }

    /// Each delay in turns with no delay at all, so that both meet the same machine.
    async fn measure(&self, requests: &[usize]) -> Result<Vec<Calibrated>, String> {
        let mut all = Vec::new();
        for (delay, requests) in DELAYS.into_iter().zip(requests) {
            let [mut floor, mut told, mut measured] = [(); 3].map(|()| Latencies::default());
            for _ in 0..*requests {
                let (truth, client) = self.ask(Duration::ZERO).await?;
                floor.record(client.saturating_sub(truth));
                let (truth, client) = self.ask(delay).await?;
                told.record(truth);
                measured.record(client);
            }
            all.push(Calibrated {
                delay,
                truth: told.summary(),
                measured: measured.summary(),
                floor: floor.summary(),
            });
        }
        Ok(all)
    }

    /// How long the answer took by the server's clock, and by ours.
    async fn ask(&self, delay: Duration) -> Result<(Duration, Duration), String> {
        let question = Question::new(0, 0, delay.as_micros().to_string());
        let sample = self.client.ask(&question, Duration::MAX).await;
        sample
            .answer
            .map_err(|failure| format!("the calibration server failed: {}", failure.label()))?;
        Ok((*lock(&self.truth), sample.latency))
    }
}

fn lock(truth: &Truth) -> std::sync::MutexGuard<'_, Duration> {
    truth.lock().unwrap_or_else(PoisonError::into_inner)
}

fn target() -> Target {
    let function = Function {
        name: "delay".into(),
        path: "/{key}".into(),
        keys: Keys::Salted,
        value: None,
        echo: None,
        floor: None,
    };
    Target {
        outcome: Witness::CacheStatus("known".into()),
        flush: None,
        bypass: None,
        functions: vec![function],
    }
}

/// Answers `GET /MICROSECONDS` after so many microseconds, one request after another.
fn serve(stream: &TcpStream, truth: &Truth) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut lines = BufReader::new(stream).lines();
    loop {
        let request = lines.next()?.ok()?;
        let started = Instant::now();
        let micros: u64 = request
            .strip_prefix("GET /")?
            .split(' ')
            .next()?
            .parse()
            .ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        wait_until(started + Duration::from_micros(micros));
        *lock(truth) = started.elapsed();
        let mut stream = stream;
        stream
            .write_all(
                b"HTTP/1.1 200 OK\r\ncache-status: known; fwd=miss\r\ncontent-length: 2\r\n\r\n{}",
            )
            .ok()?;
    }
}

/// Sleeps for most of it and spins for the rest: a sleep alone is late by up to a timer tick.
fn wait_until(due: Instant) {
    std::thread::sleep(
        due.saturating_duration_since(Instant::now())
            .saturating_sub(Duration::from_micros(300)),
    );
    while Instant::now() < due {
        std::hint::spin_loop();
    }
}
