//! Waiting for another caller's origin call: short pauses at first, and never more than 4 % too late.

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

    /// The moment at which this caller stops waiting.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    pub(super) fn has_waited(&self) -> bool {
        self.waiter.is_some()
    }

    pub(super) fn is_over(&self) -> bool {
        self.until <= Instant::now()
    }

    /// Pauses for 4 % of the time waited so far, at least 1 ms, since somebody of this process has looked; less if that look
    /// has shown a change.
    pub(super) async fn take(&mut self) {
        let pause = (self.begun.elapsed() / 25).max(Duration::from_millis(1));
        let waiter = self
            .waiter
            .get_or_insert_with(|| self.pollers.join(self.key));
        waiter.wait_turn(pause, self.until).await;
    }

    /// There is no more reason to wait: the others who do may look at once.
    pub(super) fn changed(&self) {
        if let Some(waiter) = &self.waiter {
            waiter.changed();
        }
    }
}
