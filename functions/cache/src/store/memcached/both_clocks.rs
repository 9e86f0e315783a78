//! A time on both clocks of this process. The monotonic one may stand still while a machine is
//! suspended or a Lambda environment is frozen, and the wall clock may be set back.

use std::time::{Duration, Instant, SystemTime};

#[derive(Debug, Clone, Copy)]
pub(super) struct BothClocks {
    pub(super) running: Instant,
    pub(super) wall: SystemTime,
}

impl BothClocks {
    pub(super) fn now() -> Self {
        Self {
            running: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// As [`BothClocks::now`], without reading the running clock again.
    pub(super) fn at(now: tokio::time::Instant) -> Self {
        Self {
            running: now.into_std(),
            wall: SystemTime::now(),
        }
    }

    /// Whether less than `time` has passed since `then`, on both clocks.
    pub(super) fn is_within(self, time: Duration, then: Self) -> bool {
        self.running.duration_since(then.running) < time
            && self
                .wall
                .duration_since(then.wall)
                .is_ok_and(|passed| passed < time)
    }
}
