//! The leases of a cache whose holders have left, until a task gives them back.

use std::{
    mem::take,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{key::CacheKeys, store::KeyKind};

/// The first of them starts a task, which gives back all that there are by then: a call for
/// thousands of keys leaves as many at once.
#[derive(Debug, Default)]
pub(crate) struct Abandoned(Mutex<Leases>);

#[derive(Debug, Default)]
struct Leases {
    all: Vec<HeldLease>,
    /// When the last task was started that gives them back.
    begun: Option<Instant>,
}

/// After so long another task is started: a runtime that nothing drives does not run the last one.
const UNDRIVEN: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct HeldLease {
    pub(crate) keys: CacheKeys,
    pub(crate) kind: KeyKind,
    pub(crate) record: Vec<u8>,
    /// The cas of a lease that is a placeholder, or may still be one.
    pub(crate) placeholder: Option<u64>,
    pub(crate) origin_failed: bool,
}

impl Abandoned {
    /// Whether a task has to be started for it.
    pub(crate) fn push(&self, held: HeldLease) -> bool {
        let mut leases = self.leases();
        leases.all.push(held);
        let late = |begun: Instant| begun.elapsed() > UNDRIVEN;
        let start = leases.all.len() == 1 || leases.begun.is_none_or(late);
        if start {
            leases.begun = Some(Instant::now());
        }
        start
    }

    pub(crate) fn take(&self) -> Vec<HeldLease> {
        take(&mut self.leases().all)
    }

    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
