//! Does this tool time rightly, here and now? Owns a server of known delays within this process and the comparison;
//! knows nothing of targets under test. It asks through the same client that measures.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::question::Question;
use crate::stats::median;
use crate::target::{Function, Keys, Target};
use crate::witness::Witness;

/// Known delays, and how many requests of each.
const DELAYS: [(Duration, usize); 4] = [
    (Duration::ZERO, 100),
    (Duration::from_millis(1), 50),
    (Duration::from_millis(10), 20),
    (Duration::from_millis(100), 5),
];

/// How far a median may be off its delay and the floor: a tick of the timers on both sides.
const TOLERANCE_US: f64 = 1500.0;

/// One delay and what was measured of it, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calibrated {
    pub(crate) delay_us: f64,
    pub(crate) median_us: f64,
    /// The median of no delay at all: connection, HTTP and this client.
    pub(crate) floor_us: f64,
}

impl Calibrated {
    /// What was measured besides the delay and the floor.
    pub(crate) fn error_us(&self) -> f64 {
        self.median_us - self.floor_us - self.delay_us
    }

    pub(crate) fn is_right(&self) -> bool {
        self.error_us().abs() <= TOLERANCE_US
    }
}

/// Measures every known delay. An error is a sentence.
pub(crate) async fn measure() -> Result<Vec<Calibrated>, String> {
    let listener =
        TcpListener::bind("127.0.0.1:0").map_err(|e| format!("cannot listen on 127.0.0.1: {e}"))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    // It ends with this process. The client may open a second connection before the first is idle again.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(&stream));
        }
    });
    let url = format!("http://{address}")
        .parse()
        .map_err(|_| "no URL for 127.0.0.1".to_owned())?;
    let client = Client::new(&url, target(), Duration::from_secs(5)).map_err(|e| e.to_string())?;
    let mut all = Vec::new();
    for (delay, requests) in DELAYS {
        let question = Question::new(0, 0, delay.as_micros().to_string());
        let mut latencies = Vec::new();
        for _ in 0..requests {
            let sample = client.ask(&question, Duration::MAX).await;
            sample
                .answer
                .map_err(|failure| format!("the calibration server failed: {}", failure.label()))?;
            latencies.push(sample.latency.as_secs_f64() * 1e6);
        }
        let median_us = median(&mut latencies).unwrap_or_default();
        let floor_us = all
            .first()
            .map_or(median_us, |first: &Calibrated| first.median_us);
        all.push(Calibrated {
            delay_us: delay.as_secs_f64() * 1e6,
            median_us,
            floor_us,
        });
    }
    Ok(all)
}

fn target() -> Target {
    let function = Function {
        name: "delay".into(),
        path: "/{key}".into(),
        keys: Keys::Salted,
        value: None,
        echo: None,
    };
    Target {
        outcome: Witness::CacheStatus("known".into()),
        flush: None,
        bypass: None,
        functions: vec![function],
    }
}

/// Answers `GET /MICROSECONDS` after so many microseconds, one request after another.
fn serve(stream: &TcpStream) -> Option<()> {
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
