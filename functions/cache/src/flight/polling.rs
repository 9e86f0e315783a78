//! Waiting together for an origin call of another process: of all who wait for a key here, one at a time looks.
//!
//! What somebody else's look has shown is only ever a reason to look oneself: each caller still decides by its own lookup.

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

/// Those who wait for one key.
#[derive(Debug, Default)]
struct Poll {
    /// When somebody last set out to look.
    polled: Mutex<Option<Instant>>,
    changed: Notify,
}

/// One caller among those who wait.
#[derive(Debug)]
pub(crate) struct Waiter<'a>(Ref<'a, Poll>);

impl Pollers {
    pub(crate) fn join(&self, key: &[u8; 32]) -> Waiter<'_> {
        Waiter(self.0.of(*key))
    }
}

impl Waiter<'_> {
    /// Returns when this caller is to look: when it is `until`, when somebody has seen a change, or when nobody has set out to look
    /// for as long as `pause`.
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

    /// Tells the others that it is no more as it was.
    pub(crate) fn changed(&self) {
        self.0.changed.notify_waiters();
    }

    /// Sets out to look, unless another has done so after `since`: then says when.
    fn claim_poll(&self, since: Instant) -> Option<Instant> {
        let mut polled = self.0.polled.lock().unwrap_or_else(PoisonError::into_inner);
        let another = polled.filter(|polled| *polled > since);
        if another.is_none() {
            *polled = Some(Instant::now());
        }
        another
    }
}
