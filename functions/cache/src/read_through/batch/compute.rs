//! The origin's one call for all that are missing, and what becomes of each of its answers.

use std::{collections::HashMap, hash::Hash, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::{
    Called, Many, Right,
    fill::{Answered, Due},
    renew::Kept,
};
use crate::{
    fetched::Fetched,
    flight::Pilot,
    origin::listened,
    outcome::{Alone, Fill},
    store::{StoreError, Stored},
    telemetry::metrics::Count,
};

impl Many<'_> {
    pub(super) async fn compute<A, T, E, M>(
        &self,
        called: Vec<Called<'_, A>>,
        origin: impl Future<Output = Result<M, E>>,
    ) -> Result<Vec<(A, Fetched<T>)>, E>
    where
        A: Clone + Eq + Hash,
        T: Serialize + DeserializeOwned,
        M: IntoIterator<Item = (A, T)>,
    {
        for called in &called {
            if let Right::Alone(Alone::Failed(trouble)) = called.right {
                self.cache
                    .log()
                    .trouble(called.one.call.key.name(), trouble);
            }
        }
        let flights = called.iter().map(|called| {
            let hold = called.hold()?;
            called.one.call.counters.one(Count::LeaseWon);
            Some(self.cache.flights().begin(hold.token))
        });
        let flights: Vec<_> = flights.collect();
        let mut kept: Vec<_> = called.iter().map(Kept::new).collect();
        let begun = Instant::now();
        let (result, said) = self.held(&mut kept, listened(origin)).await;
        let cost = begun.elapsed();
        let numbers = self.numbers(kept).await;
        match result {
            Ok(answers) => {
                let answered = Answered {
                    said,
                    created: self.cache.clock().now(),
                    cost,
                };
                let answers = answers.into_iter().collect();
                Ok(self
                    .fills(called, numbers, answers, answered, flights)
                    .await)
            }
            Err(error) => {
                drop(flights);
                self.give_back(called, numbers).await.ok_or(error)
            }
        }
    }

    /// Stores what the origin has answered with and gives back the rest.
    async fn fills<A, T>(
        &self,
        called: Vec<Called<'_, A>>,
        numbers: Vec<Option<u64>>,
        mut answers: HashMap<A, T>,
        answered: Answered,
        flights: Vec<Option<Pilot<'_>>>,
    ) -> Vec<(A, Fetched<T>)>
    where
        A: Eq + Hash,
        T: Serialize + DeserializeOwned,
    {
        let due = called.iter().zip(numbers).zip(&flights);
        let mut due: Vec<_> = due
            .map(|((called, number), flight)| {
                let value = called.one.asked.iter().find_map(|asked| answers.get(asked));
                called.due(number, value, &answered, flight.as_ref())
            })
            .collect();
        self.write_due(&mut due).await;
        let mut values = Vec::with_capacity(called.len());
        let due: Vec<_> = due
            .into_iter()
            .map(|due| (due.fill, due.ttl_left))
            .collect();
        for (called, (fill, ttl_left)) in called.into_iter().zip(due) {
            let outcome = called.outcome(fill);
            if let Right::Lead(hold) = called.right
                && !matches!(fill, Fill::Failed(_))
            {
                hold.release.disarm();
            }
            for asked in called.one.asked {
                if let Some(value) = answers.remove(&asked) {
                    let (call, cost) = (&called.one.call, Some(answered.cost));
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
        called: Vec<Called<'_, A>>,
        numbers: Vec<Option<u64>>,
    ) -> Option<Vec<(A, Fetched<T>)>> {
        let free = called.iter().zip(numbers).map(|(called, number)| Due {
            counters: &called.one.call.counters,
            write: called
                .hold()
                .and_then(|hold| called.give_back(hold, number)),
            fill: Fill::NotStored,
            ttl_left: 0,
        });
        let mut free: Vec<_> = free.collect();
        self.write_due(&mut free).await;
        drop(free);
        let mut covered = Some(Vec::with_capacity(called.len()));
        for Called { one, right } in called {
            let stale = match right {
                Right::Lead(hold) => {
                    hold.release.disarm();
                    hold.stale
                }
                Right::Late(stale) => stale,
                Right::Alone(_) => None,
            };
            let values =
                stale.and_then(|stale| one.each(|| one.call.stale_on_error(Some(stale.clone()))));
            covered = covered.zip(values).map(|(mut all, values)| {
                all.extend(values);
                all
            });
        }
        covered
    }

    /// One write a server; what was refused or failed is noted.
    async fn write_due(&self, due: &mut [Due<'_>]) {
        let (places, writes): (Vec<_>, Vec<_>) = due
            .iter_mut()
            .enumerate()
            .filter_map(|(place, due)| Some((place, due.write.take()?)))
            .unzip();
        if writes.is_empty() {
            return;
        }
        let exchange = self.cache.store().write_many(&writes, self.budget.left());
        let stored = self.budget.spend(exchange).await;
        for ((place, stored), write) in places.into_iter().zip(stored).zip(&writes) {
            let due = &mut due[place];
            if due.fill == Fill::Stored && stored == Ok(Stored::Yes) {
                due.counters.bytes(Count::BytesWritten, write.bytes.len());
            } else if due.fill == Fill::Stored {
                due.fill = failed(stored);
                due.ttl_left = 0;
            }
        }
    }
}

/// A fill that was refused, or whose answer did not come.
fn failed(stored: Result<Stored, StoreError>) -> Fill {
    match stored.err().and_then(StoreError::trouble) {
        Some(trouble) => Fill::Failed(trouble),
        None => Fill::NotStored,
    }
}
