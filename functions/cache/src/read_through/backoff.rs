//! Pauses while waiting for another caller's origin call: short at first, and never more than 4 %
//! of the wait.

use std::time::Duration;

use tokio::time::Instant;

use super::FAILED_POLLS;
use crate::{
    flight::{Pollers, Waiter},
    store::StoreError,
};

const SHORTEST: Duration = Duration::from_millis(1);
/// A record that says why a holder has stored nothing lives for a second at least: a caller that
/// waits must not step over it.
const LONGEST: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Backoff<'a> {
    pollers: &'a Pollers,
    key: &'a [u8; 32],
    begun: Instant,
    until: Instant,
    /// From the first pause on.
    waiter: Option<Waiter<'a>>,
    /// How many polls in a row have failed.
    failed_polls: u32,
}

/// The pause between two lookups of a caller that began then: 4 % of the time waited so far.
pub(super) fn pause(begun: Instant) -> Duration {
    (begun.elapsed() / 25).clamp(SHORTEST, LONGEST)
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
            failed_polls: 0,
        }
    }

    /// When this caller stops waiting.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    pub(super) fn has_waited(&self) -> bool {
        self.waiter.is_some()
    }

    /// Ends the wait then: what is known of the origin says how much time the caller's own origin
    /// call is to have.
    pub(super) fn end_at(&mut self, until: Instant) {
        self.until = until;
    }

    /// Whether a lookup that failed is repeated. It says nothing about the lease that this caller
    /// waits for.
    pub(super) fn bears(&mut self, error: StoreError) -> bool {
        let bears = self.has_waited()
            && error != StoreError::Breaker
            && self.failed_polls < FAILED_POLLS
            && !self.is_over();
        self.failed_polls += u32::from(bears);
        bears
    }

    /// A lookup was answered.
    pub(super) fn answered(&mut self) {
        self.failed_polls = 0;
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
        let (pause, until) = (pause(self.begun), self.until);
        self.begin().wait_turn(pause, until).await;
    }

    /// The item has changed: the other callers that wait may look up at once.
    pub(super) fn changed(&self) {
        if let Some(waiter) = &self.waiter {
            waiter.changed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_known_cost_may_lengthen_a_wait_as_well() {
        let (pollers, now) = (Pollers::default(), Instant::now());
        let half = now + Duration::from_millis(1500);
        let mut backoff = Backoff::new(&pollers, &[1; 32], now, half);
        let known = now + Duration::from_millis(2625);
        backoff.end_at(known);
        assert_eq!(backoff.until(), known);
    }

    #[tokio::test(start_paused = true)]
    async fn no_pause_steps_over_a_record_that_lives_for_two_seconds() {
        let begun = Instant::now();
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(pause(begun), LONGEST);
    }
}
