//! Waiting for an origin call of another process: of all callers here that wait for a key, only one
//! at a time looks up.
//!
//! A lookup by one caller only wakes the others; each of them still decides by its own lookup.

use std::{
    pin::pin,
    sync::{Mutex, PoisonError},
};

use tokio::{
    sync::Notify,
    time::{Duration, Instant, sleep_until},
};

use super::keyed::{Ref, RefCountedMap};

#[derive(Debug, Default)]
pub(crate) struct Pollers(RefCountedMap<Poll>);

/// The callers that wait for one key.
#[derive(Debug, Default)]
struct Poll {
    /// When a caller last began a lookup.
    polled: Mutex<Option<Instant>>,
    changed: Notify,
}

/// One caller that waits.
#[derive(Debug)]
pub(crate) struct Waiter<'a>(Ref<'a, Poll>);

impl Pollers {
    pub(crate) fn join(&self, key: &[u8; 32]) -> Waiter<'_> {
        Waiter(self.0.of(*key))
    }
}

impl Waiter<'_> {
    /// Returns when this caller should look up: at `until`, after another caller has seen a change,
    /// or if no caller has begun a lookup for `pause`.
    pub(crate) async fn wait_turn(&self, pause: Duration, until: Instant) {
        let mut changed = pin!(self.0.changed.notified());
        let mut since = Instant::now();
        loop {
            let due = since + pause;
            tokio::select! {
                () = &mut changed => return,
                () = sleep_until(due.min(until)) => {}
            }
            match self.claim_poll(since) {
                Some(another) if due < until => since = another,
                _ => return,
            }
        }
    }

    /// Wakes the others, because the item has changed.
    pub(crate) fn changed(&self) {
        self.0.changed.notify_waiters();
    }

    /// Begins a lookup, unless another caller has begun one after `since`; then returns when.
    fn claim_poll(&self, since: Instant) -> Option<Instant> {
        let mut polled = self.0.polled.lock().unwrap_or_else(PoisonError::into_inner);
        let another = polled.filter(|polled| *polled > since);
        if another.is_none() {
            *polled = Some(Instant::now());
        }
        another
    }
}
