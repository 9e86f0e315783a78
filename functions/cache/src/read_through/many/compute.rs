//! The origin's one call for all that are missing, and what becomes of each of its answers.

use std::{collections::HashMap, hash::Hash, time::Duration};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use super::{
    super::{
        Hold,
        claim::{Claim, Why},
    },
    Called, Many, Right,
    keep::Kept,
};
use crate::{
    clock,
    entry::{self, Entry, Millis},
    fetched::Fetched,
    flight::Pilot,
    metrics::{Count, Counters},
    origin::{Said, listened},
    outcome::{Alone, Fill, Outcome, Trouble},
    payload::{self, Packed},
    store::{
        Lifetime, Slot, StoreError, Stored,
        many::{Over, Write},
    },
};

/// What becomes of one key, before the server has had its word.
struct Due<'a> {
    write: Option<Write<'a>>,
    counters: &'a Counters,
    /// What the write makes of it if it succeeds, or what it is without one.
    fill: Fill,
    ttl_left: i64,
}

/// What the origin has answered for all keys.
struct Answered {
    said: Said,
    created: Millis,
    cost: Duration,
}

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
                    created: clock::now(),
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
        let stored = self.budget.time(exchange).await;
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

impl<A> Called<'_, A> {
    pub(super) fn hold(&self) -> Option<&Hold> {
        match &self.right {
            Right::Lead(hold) => Some(hold),
            Right::Alone(_) | Right::Late(_) => None,
        }
    }

    fn due<T: Serialize>(
        &self,
        number: Option<u64>,
        value: Option<&T>,
        answered: &Answered,
        flight: Option<&Pilot<'_>>,
    ) -> Due<'_> {
        let counters = &self.one.call.counters;
        let not = |write, fill| Due {
            write,
            counters,
            fill,
            ttl_left: 0,
        };
        let Some(hold) = self.hold() else {
            return not(None, Fill::NotStored);
        };
        let leave_empty = || self.leave_empty(hold, number);
        let Some(value) = value else {
            return not(leave_empty(), Fill::NotStored);
        };
        let (call, cache) = (&self.one.call, self.one.call.cache);
        let payload = match payload::encode(value) {
            Ok(payload) => Bytes::from(payload),
            Err(error) => {
                cache.log().unencodable(call.key.name(), &error);
                return not(leave_empty(), Fill::Failed(Trouble::Decode));
            }
        };
        if let Some(flight) = flight {
            flight.land(payload.clone(), answered.created);
        }
        let Some(ttl) = call.ttl(value, answered.cost, answered.said) else {
            return not(leave_empty(), Fill::NotStored);
        };
        let shorter = call.shorter(&payload);
        let packed = shorter
            .as_deref()
            .map_or(Packed::Plain(&payload), Packed::Lz4);
        if call.refuses(packed).is_some() {
            let size = packed.bytes().len();
            cache.log().oversize(call.key.name(), size);
            return not(leave_empty(), Fill::Failed(Trouble::Oversize));
        }
        let number = match hold.claim {
            Claim::Marker { entry, .. } | Claim::Entry { entry } => Some(entry),
            Claim::Lease { .. } | Claim::Bare { .. } => number,
        };
        // Without a number the lease is lost, and with it the right to fill.
        let Some(number) = number else {
            return not(None, Fill::NotStored);
        };
        let entry = call.entry(hold.stamp, ttl, answered.created, answered.cost, packed);
        Due {
            write: Some(self.store(&entry, number)),
            counters,
            fill: Fill::Stored,
            ttl_left: clock::until(entry.soft),
        }
    }

    fn outcome(&self, fill: Fill) -> Outcome {
        match &self.right {
            Right::Lead(hold) => match hold.why {
                Why::Miss => Outcome::Miss(fill),
                Why::Expired => Outcome::Expired(fill),
                Why::Requested => Outcome::Refreshed(fill),
            },
            Right::Alone(why) => why.outcome(),
            Right::Late(_) => Alone::Waited.outcome(),
        }
    }

    fn store(&self, entry: &Entry<'_>, number: u64) -> Write<'_> {
        let (call, cache) = (&self.one.call, self.one.call.cache);
        Write {
            at: &call.at,
            slot: Slot::Item,
            bytes: entry.write(call.at.item(), call.at.digest(), cache.seal()),
            life: call.life(entry),
            over: Over::Number(number),
        }
    }

    /// As a single call does: the lease to others, a marker only once nobody is served the stale entry any more.
    fn give_back(&self, hold: &Hold, number: Option<u64>) -> Option<Write<'_>> {
        match &hold.claim {
            Claim::Lease { .. } | Claim::Bare { .. } => self.free(Slot::Item, number),
            Claim::Marker { served_until, .. } if *served_until <= clock::now() => {
                self.free(Slot::Marker, number)
            }
            Claim::Marker { .. } | Claim::Entry { .. } => None,
        }
    }

    fn leave_empty(&self, hold: &Hold, number: Option<u64>) -> Option<Write<'_>> {
        match hold.claim {
            Claim::Lease { .. } | Claim::Bare { .. } => self.give_back(hold, number),
            Claim::Marker { entry, .. } | Claim::Entry { entry } => {
                self.free(Slot::Item, Some(entry))
            }
        }
    }

    fn free(&self, slot: Slot, number: Option<u64>) -> Option<Write<'_>> {
        let at = &self.one.call.at;
        Some(Write {
            at,
            slot,
            bytes: entry::freed(at),
            life: Lifetime::seconds(2),
            over: Over::Number(number?),
        })
    }
}
