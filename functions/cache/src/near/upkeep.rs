//! Adding, raising and settling records: each reads the record and replaces it by `cas`, on one
//! connection. Numbers repeat after a restart, so a record that was read in another life of the
//! server must not be written over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{Answer, Fault, Near, records::Shown};
use crate::{
    entry::{NearRecord, Trust},
    key::ScopeKeys,
    policy::NEAR_LONGEST,
    random,
    shared::Shared,
    store::Amend,
};

/// A change of one record.
#[derive(Debug)]
struct RecordChange {
    scope: Arc<ScopeKeys>,
    change: Change,
    born: Trust,
    /// The lineage of the record that was added last; 0 is none.
    added: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
enum Change {
    /// Adds an absent record, and replaces an unreadable one.
    Add { near: Duration },
    /// The same, and raises one that allows less.
    Raise { near: Duration },
    /// Settles the record of this lineage, or any.
    Settle { lineage: Option<u64> },
}

impl Amend for RecordChange {
    fn key(&self) -> &str {
        self.scope.near.key()
    }

    /// The record in place of what is there; `None`: it stays. Each that is added is a new one,
    /// also if the exchange is repeated.
    fn amended(&self, there: Option<&[u8]>) -> Option<Vec<u8>> {
        let scope = &self.scope.near;
        let record = there.and_then(|bytes| NearRecord::read(bytes, scope).ok());
        let amended = match (record, self.change) {
            (None, Change::Add { near } | Change::Raise { near }) => {
                let lineage = random::u64().max(1);
                self.added.store(lineage, Ordering::Relaxed);
                let trust = self.born;
                NearRecord {
                    lineage,
                    near,
                    trust,
                }
            }
            (Some(record), Change::Raise { near }) if record.near < near => {
                NearRecord { near, ..record }
            }
            (Some(record), Change::Settle { lineage })
                if record.trust == Trust::Unsettled
                    && lineage.is_none_or(|lineage| lineage == record.lineage) =>
            {
                NearRecord {
                    trust: Trust::Settled,
                    ..record
                }
            }
            _ => return None,
        };
        Some(amended.write(scope))
    }
}

impl Shared {
    /// Adds or raises the records that allow less than `near`, for a reader that was shown
    /// `answer`; settles those that have been known for long enough. Each within `limit`.
    pub(crate) async fn keep_up(&self, answer: &Answer, near: Duration, limit: Duration) {
        let bound = self.near.bound(answer);
        for (place, (scope, shown)) in answer.shown.iter().enumerate() {
            let record = match shown {
                Shown::Record(record) => Some(record),
                _ => None,
            };
            if let Some(record) = record {
                self.observe(place, scope, record, answer, bound, limit)
                    .await;
            }
            if record.is_none_or(|record| record.near < near) {
                let change = Change::Raise { near };
                self.add(&answer.server, place, scope, change, bound, limit)
                    .await;
            }
        }
    }

    async fn observe(
        &self,
        place: usize,
        scope: &Arc<ScopeKeys>,
        record: &NearRecord,
        answer: &Answer,
        bound: Duration,
        limit: Duration,
    ) {
        if record.trust == Trust::Settled {
            return;
        }
        let wait = self.near.trial(place, bound);
        self.near.known.begin(record.lineage, answer.received, wait);
        self.settle(&answer.server, scope, record.lineage, limit)
            .await;
    }

    /// Adds or raises a record on `server`. The lineage of what it has added.
    async fn add(
        &self,
        server: &str,
        place: usize,
        scope: &Arc<ScopeKeys>,
        change: Change,
        bound: Duration,
        limit: Duration,
    ) -> Option<u64> {
        let born = match self.near.planted().has(Fault::BornSettled) {
            true => Trust::Settled,
            false => Trust::Unsettled,
        };
        let amend = Arc::new(RecordChange {
            scope: scope.clone(),
            change,
            born,
            added: AtomicU64::new(0),
        });
        let written = self.store.amend(server, amend.clone(), limit).await;
        let added = amend.added.load(Ordering::Relaxed);
        if written != Ok(true) || added == 0 {
            return None;
        }
        let (now, wait) = (self.near.clocks().now(), self.near.trial(place, bound));
        self.near.known.begin(added, now.monotonic, wait);
        Some(added)
    }

    /// For a verb: adds a record that allows no copy, so that the next verb knows more.
    pub(super) async fn add_for_verb(
        &self,
        server: &str,
        place: usize,
        scope: &Arc<ScopeKeys>,
        bound: Duration,
        limit: Duration,
    ) -> Option<u64> {
        let change = Change::Add {
            near: Duration::ZERO,
        };
        self.add(server, place, scope, change, bound, limit).await
    }

    /// Settles a record, if this process has known it for long enough.
    pub(super) async fn settle(
        &self,
        server: &str,
        scope: &Arc<ScopeKeys>,
        lineage: u64,
        limit: Duration,
    ) {
        let now = self.near.clocks().now().monotonic;
        let careless = self.near.planted().has(Fault::SettlesAnother);
        let known = &self.near.known;
        if !(known.is_over(lineage, now) || careless && known.is_any_over(now)) {
            return;
        }
        let amend = RecordChange {
            scope: scope.clone(),
            change: Change::Settle {
                lineage: (!careless).then_some(lineage),
            },
            born: Trust::Unsettled,
            added: AtomicU64::new(0),
        };
        if self
            .store
            .amend(server, Arc::new(amend), limit)
            .await
            .is_ok()
            && !careless
        {
            self.near.known.forget(lineage);
        }
    }

    /// Whether a reader may write the records of this answer now.
    pub(crate) fn may_keep_up(&self, server: &str, name: &str) -> bool {
        let now = self.near.clocks().now().monotonic;
        self.near.known.may_write(server, name, now)
    }

    /// Begins the trials of the unsettled records of a verb's answer.
    pub(super) fn begin_trials(&self, answer: &Answer, bound: Duration) -> Vec<(usize, u64)> {
        let shown = answer.shown.iter().enumerate();
        let unsettled = shown.filter_map(|(place, (_, shown))| match shown {
            Shown::Record(record) if record.trust == Trust::Unsettled => {
                Some((place, record.lineage))
            }
            _ => None,
        });
        let unsettled: Vec<_> = unsettled.collect();
        for (place, lineage) in &unsettled {
            let wait = self.near.trial(*place, bound);
            self.near.known.begin(*lineage, answer.received, wait);
        }
        unsettled
    }
}

impl Near {
    /// For how long a record is to be known before it is settled: that of the namespace until every
    /// copy has ended that there could be; that of a function as long as the namespace's record
    /// says.
    fn trial(&self, place: usize, bound: Duration) -> Duration {
        if place == 0 && !self.planted.has(Fault::SettledByAName) {
            self.wait(NEAR_LONGEST)
        } else {
            self.wait(bound)
        }
    }
}

/// A time for an instant that is only compared.
pub(super) fn latest(answers: &[Answer]) -> Option<Instant> {
    answers.iter().map(|answer| answer.received).max()
}
