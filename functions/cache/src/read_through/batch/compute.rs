//! The one origin call for all keys that are missing, and the fill of each answer.

use std::{collections::HashMap, hash::Hash, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::{
    super::{Answer, KeptLease, PendingWrite, Permission, To, fill::Written},
    BatchCall, OriginKey,
};
use crate::{
    fetched::Fetched,
    flight::Leader,
    near::Forgetting,
    origin::capture_directive,
    outcome::{Fill, Uncoordinated},
    store::StoreError,
    telemetry::metrics::Counter,
};

impl BatchCall<'_> {
    pub(super) async fn compute<A, T, E, M>(
        &self,
        called: Vec<OriginKey<'_, A>>,
        origin: impl Future<Output = Result<M, E>>,
    ) -> Result<Vec<(A, Fetched<T>)>, E>
    where
        A: Clone + Eq + Hash,
        T: Serialize + DeserializeOwned,
        M: IntoIterator<Item = (A, T)>,
    {
        let mut flights = Vec::with_capacity(called.len());
        let mut kept = Vec::with_capacity(called.len());
        for OriginKey { key, permission } in &called {
            match permission {
                Permission::Lead(lease) => {
                    key.call.counters.increment(Counter::LeaseWon);
                    flights.push(self.cache.flights.begin(lease.token));
                    kept.push(KeptLease::new(&key.call, lease));
                }
                Permission::Uncoordinated(Uncoordinated::Failed(failure)) => {
                    self.cache.log.failure(key.call.key.name(), *failure);
                }
                Permission::Uncoordinated(why) => key.call.count_uncoordinated(*why),
                Permission::WaitTimedOut(_) => {
                    key.call.count_uncoordinated(Uncoordinated::Waited);
                }
            }
        }
        let own: Vec<_> = called.iter().filter_map(OriginKey::forgetting).collect();
        let begun = Instant::now();
        let keys: Vec<_> = called
            .iter()
            .map(|one| *one.key.call.key.digest())
            .collect();
        let origin = capture_directive(keys, origin);
        let (result, directive) = self.exchanges().keep_during(&mut kept, origin).await;
        let cost = begun.elapsed();
        match result {
            Ok(answers) => {
                let answer = Answer {
                    directive,
                    created: self.cache.clock.now(),
                    cost,
                };
                self.exchanges().read_unknown(&mut kept, To::Fill).await;
                let mut answers = answers.into_iter().collect();
                let leads = kept.iter().map(KeptLease::cas).zip(&flights);
                let fills = self.fill(&called, leads, &answers, &answer).await;
                drop(kept);
                drop(own);
                Ok(fetched(called, fills, &mut answers, cost))
            }
            Err(error) => {
                flights.iter().for_each(Leader::fail);
                drop(flights);
                self.exchanges().read_unknown(&mut kept, To::GiveBack).await;
                let leads = kept.iter().map(KeptLease::cas);
                let written = self.give_back(&called, leads).await;
                drop(kept);
                drop(own);
                stale_on_error(called, written).ok_or(error)
            }
        }
    }

    /// Stores the origin's answers and gives back the leases of the other keys. `leads` has the cas
    /// and the flight of each lease.
    async fn fill<'a, 'f, A, T>(
        &self,
        called: &'a [OriginKey<'_, A>],
        mut leads: impl Iterator<Item = (Result<Option<u64>, StoreError>, &'a Leader<'f>)>,
        answers: &HashMap<A, T>,
        answer: &Answer,
    ) -> Vec<Written>
    where
        'f: 'a,
        A: Eq + Hash,
        T: Serialize + DeserializeOwned,
    {
        let plan = |OriginKey { key, permission }: &'a OriginKey<'_, A>| {
            let (call, value) = (&key.call, key.asked.iter().find_map(|a| answers.get(a)));
            let lead = match permission {
                Permission::Lead(lease) => leads.next().map(|lead| (lease, lead)),
                _ => None,
            };
            match (lead, value) {
                (Some((lease, (cas, flight))), Some(value)) => {
                    call.plan_fill(lease, cas, value, answer, flight)
                }
                (Some((lease, (cas, _))), None) => {
                    call.unfilled(call.plan_discard(lease, cas), Fill::NotStored)
                }
                (None, _) => call.unfilled(Ok(None), Fill::NotStored),
            }
        };
        let mut pending: Vec<_> = called.iter().map(plan).collect();
        self.exchanges().write_pending(&mut pending).await;
        pending.iter().map(PendingWrite::result).collect()
    }

    /// The origin has failed: leaves the leases to others. `cas` has that of each lease.
    async fn give_back<'a, A>(
        &self,
        called: &'a [OriginKey<'_, A>],
        mut cas: impl Iterator<Item = Result<Option<u64>, StoreError>>,
    ) -> Vec<Written> {
        let plan = |OriginKey { key, permission }: &'a OriginKey<'_, A>| {
            let give_back = match permission {
                Permission::Lead(lease) => {
                    let cas = cas.next().unwrap_or(Err(StoreError::Protocol));
                    key.call.plan_give_back(lease, cas)
                }
                _ => Ok(None),
            };
            key.call.unfilled(give_back, Fill::NotStored)
        };
        let mut pending: Vec<_> = called.iter().map(plan).collect();
        self.exchanges().write_pending(&mut pending).await;
        pending.iter().map(PendingWrite::result).collect()
    }
}

impl<A> OriginKey<'_, A> {
    /// A new value on request ends the copy of the old one in this process.
    fn forgetting(&self) -> Option<Forgetting<'_>> {
        match &self.permission {
            Permission::Lead(lease) => self.key.call.forgetting(lease),
            _ => None,
        }
    }
}

/// A value for each argument that the origin has answered.
fn fetched<A: Eq + Hash, T>(
    called: Vec<OriginKey<'_, A>>,
    fills: Vec<Written>,
    answers: &mut HashMap<A, T>,
    cost: Duration,
) -> Vec<(A, Fetched<T>)> {
    let mut values = Vec::with_capacity(called.len());
    for (OriginKey { key, permission }, written) in called.into_iter().zip(fills) {
        let (outcome, ttl_left) = (permission.outcome(written.fill), written.ttl_left);
        if let Permission::Lead(lease) = permission {
            written.end(*lease);
        }
        for asked in key.asked {
            if let Some(value) = answers.remove(&asked) {
                let cost = Some(cost);
                let fetched = key
                    .call
                    .fetched(value, outcome, Duration::ZERO, ttl_left, cost);
                values.push((asked, fetched));
            }
        }
    }
    values
}

/// The values, if there is a stale one for each key.
fn stale_on_error<A: Clone, T: DeserializeOwned>(
    called: Vec<OriginKey<'_, A>>,
    written: Vec<Written>,
) -> Option<Vec<(A, Fetched<T>)>> {
    let mut covered = Some(Vec::with_capacity(called.len()));
    for (OriginKey { key, permission }, written) in called.into_iter().zip(written) {
        let stale = match permission {
            Permission::Lead(mut lease) => {
                let stale = lease.stale.take();
                lease.release.origin_failed();
                written.end(*lease);
                stale
            }
            Permission::WaitTimedOut(stale) => stale,
            Permission::Uncoordinated(_) => None,
        };
        let values =
            stale.and_then(|stale| key.each(|| key.call.stale_on_error(Some(stale.clone()))));
        covered = covered.zip(values).map(|(mut all, values)| {
            all.extend(values);
            all
        });
    }
    covered
}
