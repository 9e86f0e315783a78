//! The origin's one call for all that are missing, and what becomes of each of its answers.

use std::{collections::HashMap, hash::Hash, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::{
    BatchCall, OriginKey, Permission,
    fill::{Answered, PendingWrite},
    renew::Kept,
};
use crate::{
    fetched::Fetched,
    flight::Leader,
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
        for called in &called {
            if let Permission::Uncoordinated(Uncoordinated::Failed(failure)) = called.right {
                self.cache.log.failure(called.key.call.key.name(), failure);
            }
        }
        let flights = called.iter().map(|called| {
            let hold = called.hold()?;
            called.key.call.counters.increment(Counter::LeaseWon);
            Some(self.cache.flights.begin(hold.token))
        });
        let flights: Vec<_> = flights.collect();
        let mut kept: Vec<_> = called.iter().map(Kept::new).collect();
        let begun = Instant::now();
        let keys: Vec<_> = called
            .iter()
            .map(|called| *called.key.call.key.digest())
            .collect();
        let origin = capture_directive(keys, origin);
        let (result, directive) = self.held(&mut kept, origin).await;
        let cost = begun.elapsed();
        let cas_values = self.cas_values(kept).await;
        match result {
            Ok(answers) => {
                let answered = Answered {
                    directive,
                    created: self.cache.clock.now(),
                    cost,
                };
                let answers = answers.into_iter().collect();
                Ok(self
                    .fills(called, cas_values, answers, answered, flights)
                    .await)
            }
            Err(error) => {
                flights.iter().flatten().for_each(Leader::fail);
                drop(flights);
                self.give_back(called, cas_values).await.ok_or(error)
            }
        }
    }

    /// Stores what the origin has answered with and gives back the rest.
    async fn fills<A, T>(
        &self,
        called: Vec<OriginKey<'_, A>>,
        cas_values: Vec<Option<u64>>,
        mut answers: HashMap<A, T>,
        answered: Answered,
        flights: Vec<Option<Leader<'_>>>,
    ) -> Vec<(A, Fetched<T>)>
    where
        A: Eq + Hash,
        T: Serialize + DeserializeOwned,
    {
        let pending = called.iter().zip(cas_values).zip(&flights);
        let mut pending: Vec<_> = pending
            .map(|((called, cas), flight)| {
                let value = called.key.asked.iter().find_map(|asked| answers.get(asked));
                called.pending(cas, value, &answered, flight.as_ref())
            })
            .collect();
        self.write_due(&mut pending).await;
        let mut values = Vec::with_capacity(called.len());
        let pending: Vec<_> = pending
            .into_iter()
            .map(|pending| (pending.fill, pending.ttl_left))
            .collect();
        for (called, (fill, ttl_left)) in called.into_iter().zip(pending) {
            let outcome = called.outcome(fill);
            if let Permission::Lead(hold) = called.right
                && !matches!(fill, Fill::Failed(_))
            {
                hold.release.disarm();
            }
            for asked in called.key.asked {
                if let Some(value) = answers.remove(&asked) {
                    let (call, cost) = (&called.key.call, Some(answered.cost));
                    let fetched = call.fetched(value, outcome, Duration::ZERO, ttl_left, cost);
                    values.push((asked, fetched));
                }
            }
        }
        values
    }

    /// The origin has failed: leaves all to others. The values, if there is a stale one for each.
    async fn give_back<A: Clone, T: DeserializeOwned>(
        &self,
        called: Vec<OriginKey<'_, A>>,
        cas_values: Vec<Option<u64>>,
    ) -> Option<Vec<(A, Fetched<T>)>> {
        let free = called
            .iter()
            .zip(cas_values)
            .map(|(called, cas)| PendingWrite {
                counters: &called.key.call.counters,
                write: called.hold().and_then(|hold| called.give_back(hold, cas)),
                fill: Fill::NotStored,
                ttl_left: 0,
            });
        let mut free: Vec<_> = free.collect();
        self.write_due(&mut free).await;
        drop(free);
        let mut covered = Some(Vec::with_capacity(called.len()));
        for OriginKey { key, right } in called {
            let stale = match right {
                Permission::Lead(hold) => {
                    hold.release.disarm();
                    hold.stale
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

    /// One write a server; what was refused or failed is noted.
    async fn write_due(&self, pending: &mut [PendingWrite<'_>]) {
        let (places, writes): (Vec<_>, Vec<_>) = pending
            .iter_mut()
            .enumerate()
            .filter_map(|(place, pending)| Some((place, pending.write.take()?)))
            .unzip();
        if writes.is_empty() {
            return;
        }
        let exchange = self.cache.store.write_many(&writes, self.budget.left());
        let stored = self.budget.spend(exchange).await;
        for ((place, stored), write) in places.into_iter().zip(stored).zip(&writes) {
            let pending = &mut pending[place];
            if pending.fill == Fill::Stored && stored == Ok(true) {
                pending
                    .counters
                    .bytes(Counter::BytesWritten, write.bytes.len());
            } else if pending.fill == Fill::Stored {
                pending.fill = failed(stored);
                pending.ttl_left = 0;
            }
        }
    }
}

/// A fill that was refused, or whose answer did not come.
fn failed(stored: Result<bool, StoreError>) -> Fill {
    match stored.err().and_then(StoreError::failure) {
        Some(failure) => Fill::Failed(failure),
        None => Fill::NotStored,
    }
}
