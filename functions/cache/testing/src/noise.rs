//! How late this machine is at present: the tolerance that a time limit in a test needs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Measures, from its start, by how much a thread that sleeps one millisecond oversleeps.
#[derive(Debug)]
pub struct Noise {
    worst: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl Noise {
    /// Begins the measurement.
    #[must_use]
    pub fn start() -> Self {
        let noise = Self {
            worst: Arc::default(),
            ended: Arc::default(),
        };
        let (worst, ended) = (noise.worst.clone(), noise.ended.clone());
        std::thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                let begun = Instant::now();
                std::thread::sleep(Duration::from_millis(1));
                let late = begun.elapsed().saturating_sub(Duration::from_millis(1));
                worst.fetch_max(
                    u64::try_from(late.as_micros()).unwrap_or(u64::MAX),
                    Ordering::Relaxed,
                );
            }
        });
        noise
    }

    /// `bound` with a tolerance of several times the machine's lateness, since a call crosses
    /// several threads and sockets.
    #[must_use]
    pub fn forgive(&self, bound: Duration) -> Duration {
        bound + 4 * Duration::from_micros(self.worst.load(Ordering::Relaxed))
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
