//! Pauses while waiting for another caller's origin call: short at first, and never more than 4 %
//! of the wait.

use std::time::Duration;

use tokio::time::Instant;

use crate::flight::{Pollers, Waiter};

const SHORTEST: Duration = Duration::from_millis(1);
/// A record that says why a holder has stored nothing lives for a second at least.
const LONGEST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Backoff<'a> {
    pollers: &'a Pollers,
    key: &'a [u8; 32],
    begun: Instant,
    until: Instant,
    /// From the first pause on.
    waiter: Option<Waiter<'a>>,
}

impl<'a> Backoff<'a> {
    pub(super) fn new(
        pollers: &'a Pollers,
        key: &'a [u8; 32],
        begun: Instant,
        until: Instant,
    ) -> Self {
        Self {
            pollers,
            key,
            begun,
            until,
            waiter: None,
        }
    }

    /// When this caller stops waiting.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    pub(super) fn has_waited(&self) -> bool {
        self.waiter.is_some()
    }

    /// Ends the wait earlier, since the caller's own origin call is to end in time as well.
    pub(super) fn end_at(&mut self, until: Instant) {
        self.until = self.until.min(until);
    }

    /// From here on the caller waits, also if it does not pause.
    pub(super) fn begin(&mut self) -> &Waiter<'a> {
        self.waiter
            .get_or_insert_with(|| self.pollers.join(self.key))
    }

    pub(super) fn is_over(&self) -> bool {
        self.until <= Instant::now()
    }

    /// Pauses until no caller of this process has looked up for 4 % of the time waited so far, at
    /// least 1 ms; ends early if a lookup has shown a change.
    pub(super) async fn take(&mut self) {
        let pause = (self.begun.elapsed() / 25).clamp(SHORTEST, LONGEST);
        let until = self.until;
        self.begin().wait_turn(pause, until).await;
    }

    /// The item has changed: the other callers that wait may look up at once.
    pub(super) fn changed(&self) {
        if let Some(waiter) = &self.waiter {
            waiter.changed();
        }
    }
}
