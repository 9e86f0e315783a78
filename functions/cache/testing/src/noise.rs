//! How late this machine is at present: the tolerance that a time limit in a test needs.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Measures, from its start, by how much a thread that sleeps one millisecond oversleeps, and for
/// how long the threads of this process were ready to run and had no core.
#[derive(Debug)]
pub struct Noise {
    begun: HashMap<String, Duration>,
    worst: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl Noise {
    /// Begins the measurement.
    #[must_use]
    pub fn start() -> Self {
        let noise = Self {
            begun: waits(),
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
    /// several threads and sockets, and with the longest time that a thread waited for a core.
    #[must_use]
    pub fn forgive(&self, bound: Duration) -> Duration {
        let late = Duration::from_micros(self.worst.load(Ordering::Relaxed));
        bound + 4 * late + self.longest_wait()
    }

    fn longest_wait(&self) -> Duration {
        let waited = waits().into_iter().map(|(thread, now)| {
            let before = self.begun.get(&thread).copied().unwrap_or_default();
            now.saturating_sub(before)
        });
        waited.max().unwrap_or_default()
    }
}

/// For how long each thread of this process has waited for a core. Nothing where the system does
/// not say so, which Linux does: <https://docs.kernel.org/scheduler/sched-stats.html>.
fn waits() -> HashMap<String, Duration> {
    let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten();
    let waits = threads.flatten().filter_map(|thread| {
        let times = std::fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let waited = times.split(' ').nth(1)?.parse().ok()?;
        let thread = thread.file_name().into_string().ok()?;
        Some((thread, Duration::from_nanos(waited)))
    });
    waits.collect()
}

impl Drop for Noise {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}
