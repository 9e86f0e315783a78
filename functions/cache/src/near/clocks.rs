//! The two clocks of a process. One alone does not end a copy in time: the monotonic clock may
//! stand still while a machine is suspended or a Lambda environment is frozen, and the wall clock
//! may be set back.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::{Fault, Planted};

/// A time, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) monotonic: Instant,
    /// Since 1970.
    pub(crate) wall: Duration,
}

impl Moment {
    /// The time since `then`: the longer one, by either clock. `None` if the wall clock was set
    /// back behind `then`.
    pub(crate) fn since(&self, then: &Self, planted: &Planted) -> Option<Duration> {
        let monotonic = self.monotonic.saturating_duration_since(then.monotonic);
        if planted.has(Fault::MonotonicOnly) {
            return Some(monotonic);
        }
        if planted.has(Fault::WallOnly) {
            return Some(self.wall.saturating_sub(then.wall));
        }
        Some(monotonic.max(self.wall.checked_sub(then.wall)?))
    }
}

/// What the time is read from.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) bent: bent::Bent,
}

impl Clocks {
    #[cfg(not(any(test, feature = "fuzzing")))]
    pub(crate) fn now(&self) -> Moment {
        real()
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn now(&self) -> Moment {
        self.bent.of(real())
    }

    /// Waits until the monotonic clock shows `until`. One that stops makes it longer.
    pub(crate) async fn sleep_until(&self, until: Instant) {
        loop {
            let left = until.saturating_duration_since(self.now().monotonic);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left).await;
        }
    }
}

fn real() -> Moment {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    Moment {
        monotonic: Instant::now(),
        wall: wall.unwrap_or_default(),
    }
}

/// Clocks that a test sets, stops, and makes faster or slower.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod bent {
    use std::{
        sync::{
            Mutex, PoisonError,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    use tokio::time::Instant;

    use super::Moment;

    #[derive(Debug, Default)]
    pub(crate) struct Bent {
        /// Read without the lock: benchmarks are built with this, too.
        is_bent: AtomicBool,
        state: Mutex<State>,
    }

    #[derive(Debug, Default, Clone, Copy)]
    struct State {
        /// The wall clock is that much ahead, in milliseconds.
        ahead: i64,
        /// For this time the monotonic clock has stood still.
        stood: Duration,
        /// Both clocks come from tokio's, beginning here; the monotonic one runs at this percentage
        /// of its speed.
        simulated: Option<(Moment, u32)>,
    }

    impl Bent {
        pub(super) fn of(&self, real: Moment) -> Moment {
            if !self.is_bent.load(Ordering::Relaxed) {
                return real;
            }
            let state = *self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let (mut monotonic, mut wall) = (real.monotonic, real.wall);
            if let Some((began, speed)) = state.simulated {
                let passed = Instant::now().saturating_duration_since(began.monotonic);
                monotonic = began.monotonic + passed * speed / 100;
                wall = began.wall + passed;
            }
            let ahead = Duration::from_millis(state.ahead.unsigned_abs());
            Moment {
                monotonic: monotonic - state.stood,
                wall: if state.ahead < 0 {
                    wall.saturating_sub(ahead)
                } else {
                    wall + ahead
                },
            }
        }

        /// Sets the wall clock forward, or back.
        pub(crate) fn step(&self, millis: i64) {
            self.set(|state| state.ahead += millis);
        }

        /// The monotonic clock has stood still for `time`.
        #[cfg(test)]
        pub(crate) fn stand(&self, time: Duration) {
            self.set(|state| state.stood += time);
        }

        #[cfg(test)]
        pub(crate) fn simulate(&self, began: Moment, speed: u32) {
            self.set(|state| state.simulated = Some((began, speed)));
        }

        fn set(&self, change: impl FnOnce(&mut State)) {
            change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
            self.is_bent.store(true, Ordering::Relaxed);
        }
    }
}
