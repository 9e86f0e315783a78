//! Pauses while waiting for another caller's origin call: short at first, and never more than 4 %
//! of the wait.

use std::time::Duration;

use tokio::time::Instant;

use crate::flight::{Pollers, Waiter};

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

    pub(super) fn is_over(&self) -> bool {
        self.until <= Instant::now()
    }

    /// Pauses until no caller of this process has looked up for 4 % of the time waited so far, at
    /// least 1 ms; ends early if a lookup has shown a change.
    pub(super) async fn take(&mut self) {
        let pause = (self.begun.elapsed() / 25).max(Duration::from_millis(1));
        let waiter = self
            .waiter
            .get_or_insert_with(|| self.pollers.join(self.key));
        waiter.wait_turn(pause, self.until).await;
    }

    /// The item has changed: the other callers that wait may look up at once.
    pub(super) fn changed(&self) {
        if let Some(waiter) = &self.waiter {
            waiter.changed();
        }
    }
}
