//! Waiting for another caller's origin call: short pauses at first, and never more than 4 % too late.

use std::time::Duration;

use tokio::time::Instant;

#[derive(Debug)]
pub(super) struct Pause {
    begun: Instant,
    until: Instant,
    waited: bool,
}

impl Pause {
    pub(super) fn new(until: Instant) -> Self {
        Self {
            begun: Instant::now(),
            until,
            waited: false,
        }
    }

    /// The moment at which this caller stops waiting.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    pub(super) fn has_waited(&self) -> bool {
        self.waited
    }

    pub(super) fn is_over(&self) -> bool {
        self.until <= Instant::now()
    }

    /// Pauses for 4 % of the time waited so far, at least 1 ms.
    pub(super) async fn take(&mut self) {
        self.waited = true;
        let pause = (self.begun.elapsed() / 25).max(Duration::from_millis(1));
        tokio::time::sleep_until((Instant::now() + pause).min(self.until)).await;
    }
}
