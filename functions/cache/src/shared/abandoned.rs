//! The leases of a cache whose holders have left, until a task gives them back.

use std::{
    mem::take,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    runtime::{Handle, Id},
    time::Instant,
};

use crate::{key::CacheKeys, store::KeyKind};

/// The first of them starts a task, which gives back all that there are by then: a call for
/// thousands of keys leaves as many at once.
#[derive(Debug, Default)]
pub(crate) struct Abandoned(Mutex<Leases>);

#[derive(Debug, Default)]
struct Leases {
    all: Vec<HeldLease>,
    /// When and on which runtime the last task was started that gives them back.
    begun: Option<(Instant, Id)>,
    /// Another runtime on which one of the holders was.
    other: Option<Handle>,
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
    /// Whether a task has to be started for it on `runtime`, the holder's.
    pub(crate) fn push(&self, held: HeldLease, runtime: &Handle) -> bool {
        let mut leases = self.leases();
        leases.all.push(held);
        let late = |(begun, _): (Instant, Id)| begun.elapsed() > UNDRIVEN;
        let start = leases.all.len() == 1 || leases.begun.is_none_or(late);
        if start {
            leases.begun = Some((Instant::now(), runtime.id()));
        } else if leases.begun.is_some_and(|(_, id)| id != runtime.id()) {
            leases.other = Some(runtime.clone());
        }
        start
    }

    pub(crate) fn take(&self) -> Vec<HeldLease> {
        take(&mut *self.leases()).all
    }

    /// The runtime of the task has ended. Another one can go on, if a holder was on it.
    pub(crate) fn other_runtime(&self) -> Option<Handle> {
        let mut leases = self.leases();
        let other = leases.other.take()?;
        leases.begun = Some((Instant::now(), other.id()));
        Some(other)
    }

    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
