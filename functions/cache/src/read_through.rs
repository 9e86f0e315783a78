//! One call's way, down once and up once: look up, decide, and serve, or call the origin and fill.
//!
//! The only place that sees everything. Nothing that the cache does wrong gets past here: a call ends with its origin's own
//! value or error, or with a value that was verified.

use std::{pin::pin, sync::Arc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{
    budget::{Budget, VERB_TIMEOUT},
    clock,
    fetched::Fetched,
    flight::Shared,
    key::{Address, Key},
    origin::listened,
    outcome::{Alone, Bypass, Fill, Freshness, Outcome, Trouble},
    payload::{self, Packed},
    policy::PolicyParts,
    shared::Inner,
    store::{Ask, Looked, StoreError},
    telemetry::events::{self, Event},
    telemetry::metrics::{Count, Counters},
};

mod backoff;
mod batch;
mod claim;
mod decision;
mod fill;
mod placeholder;
mod release;
mod renew;
mod serve;
#[cfg(test)]
mod simulation;
mod snapshot;
mod verbs;
use backoff::Pause;
pub(crate) use batch::read_through_many;
use claim::{Claim, Hold, Tried, Why};
use decision::{Lost, Step};
use placeholder::{BARE, Bare};
use release::Release;
use snapshot::{Seen, Stale};
pub(crate) use verbs::Written;

/// How often a call mints missing generations before it goes without the cache.
const MINTS: u32 = 2;

/// Everything that one call carries on its way.
pub(crate) struct Call<'a> {
    cache: &'a Arc<Inner>,
    key: &'a Key,
    at: Address,
    policy: &'a PolicyParts,
    budget: Budget,
    begun: Instant,
    /// The moment until which it may wait for other callers.
    until: Instant,
    counters: Arc<Counters>,
}

/// Where a lookup, or several, led.
enum Next<T> {
    Value(Fetched<T>),
    /// The lease is ours: call the origin and fill.
    Lead(Box<Hold>),
    /// Call the origin and store nothing.
    Alone(Alone),
    /// The same, after waiting in vain; this may be served should the origin fail.
    Late(Option<Stale>),
}

/// Gets the value of `key`: from the cache, from another caller's origin call, or from `origin`.
pub(crate) async fn read_through<T, E, F, Fut>(
    cache: &Arc<Inner>,
    key: &Key,
    policy: &PolicyParts,
    freshness: Freshness,
    deadline: Option<Instant>,
    origin: F,
) -> Result<Fetched<T>, E>
where
    T: Serialize + DeserializeOwned,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let call = Call::new(cache, key, policy, deadline);
    let span = events::call(key.name());
    // Pinned where it is: moving it into the span would cost more than the span.
    let run = pin!(call.run(freshness, origin));
    let result = run.instrument(span.clone()).await;
    let event = match &result {
        Ok(fetched) => Event::value(key.name(), fetched),
        Err(_) => Event::error(key.name(), call.budget.spent()),
    };
    events::record(&span, event.outcome);
    cache.tell(&call.counters, &event);
    result
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        cache: &'a Arc<Inner>,
        key: &'a Key,
        policy: &'a PolicyParts,
        deadline: Option<Instant>,
    ) -> Self {
        Self::within(Budget::new(cache.budget(), deadline), cache, key, policy)
    }

    /// A verb's: its caller asked for the acknowledgement, not for speed.
    pub(crate) fn verb(cache: &'a Arc<Inner>, key: &'a Key, policy: &'a PolicyParts) -> Self {
        Self::within(Budget::new(VERB_TIMEOUT, None), cache, key, policy)
    }

    fn within(
        budget: Budget,
        cache: &'a Arc<Inner>,
        key: &'a Key,
        policy: &'a PolicyParts,
    ) -> Self {
        let begun = Instant::now();
        Self {
            cache,
            key,
            at: Address::new(cache.namespace(), key),
            policy,
            until: budget.wait_until(begun, policy.wait),
            budget,
            begun,
            counters: cache.tally().of(key.name()),
        }
    }

    async fn run<T, E, F, Fut>(&self, freshness: Freshness, origin: F) -> Result<Fetched<T>, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let origin = || origin().instrument(events::origin(self.key.name()));
        let next = match freshness {
            _ if self.cache.is_disabled() => Next::Alone(Alone::Bypassed(Bypass::Disabled)),
            Freshness::Bypass => Next::Alone(Alone::Bypassed(Bypass::Requested)),
            // Boxed, as what follows: whoever calls a memoised function would carry it all, and soon reach the compiler's limit of nesting.
            // At most 1,032 bytes: what is longer glibc does not keep at hand, which is a fiftieth of a hit.
            Freshness::Normal => Box::pin(self.find()).await,
            Freshness::Refresh => Box::pin(self.claim_anything()).await,
        };
        // Boxed: an origin's future may be large and deep, and a hit is not to carry its size, nor its caller's compiler its depth.
        match next {
            Next::Value(fetched) => Ok(fetched),
            Next::Lead(hold) => Box::pin(self.lead(hold, origin())).await,
            Next::Alone(why) => Box::pin(self.alone(why, origin)).await,
            Next::Late(stale) => {
                let result = Box::pin(self.alone(Alone::Waited, origin)).await;
                result.or_else(|error| self.stale_on_error(stale).ok_or(error))
            }
        }
    }

    /// Looks up until there is a value to serve, a lease to use, or no reason to look any longer.
    async fn find<T: DeserializeOwned>(&self) -> Next<T> {
        let mut pause = Pause::new(
            self.cache.vigils(),
            self.key.digest(),
            self.begun,
            self.until,
        );
        let (mut mints, mut bare, mut waits) = (0, None, false);
        loop {
            let looked = match self.look(pause.has_waited()).await {
                Ok(looked) => looked,
                Err(error) => return Next::Alone(error.into()),
            };
            let seen = Seen::new(self, &looked);
            let step = decision::step(seen.item, seen.marker, seen.stamp.map(|_| ()));
            if step == Step::Wait {
                if !std::mem::replace(&mut waits, true) {
                    self.counters.one(Count::LeaseWaited);
                }
            } else {
                pause.changed();
            }
            bare = Bare::after(bare, &seen);
            if let Some(fetched) = self.answer(step, &seen, &pause).await {
                return Next::Value(fetched);
            }
            // Boxed: a hit is not to carry what it does not do.
            let tried = match step {
                Step::Mint if mints == MINTS => return Next::Alone(Alone::Waited),
                Step::Mint => {
                    mints += 1;
                    Box::pin(self.mint_for(&looked, seen.won)).await
                }
                Step::Refresh(lost) => match (Box::pin(self.claim_refresh(&seen)).await, lost) {
                    (Ok(Tried::Lost), Lost::ServeStale) => match self.serve_stale(&seen) {
                        Some(fetched) => return Next::Value(fetched),
                        None => Ok(Tried::Lost),
                    },
                    (tried, _) => tried,
                },
                Step::Acquire => Box::pin(self.acquire(&seen, Why::Miss)).await,
                Step::Compute => Ok(self.won_bare(&seen, Why::Miss)),
                // What was to be served could not be decoded.
                Step::Hit | Step::ServeStale | Step::TakeOver => {
                    Box::pin(self.take_over(&seen, Why::Miss)).await
                }
                Step::Wait if bare.is_some_and(|bare| bare.is_orphaned()) => {
                    Box::pin(self.take_over(&seen, Why::Miss)).await
                }
                Step::Wait => Ok(Tried::Lost),
            };
            match tried {
                Ok(Tried::Won(hold)) => return Next::Lead(hold),
                Ok(Tried::Again) => {}
                Ok(Tried::Lost) => Box::pin(pause.take()).await,
                Err(error) => return Next::Alone(error.into()),
            }
            if pause.is_over() {
                return Next::Late(seen.stale(self));
            }
        }
    }

    /// The first lookup counts against the budget. Those of a caller who waits do not: what they cost is part of the wait.
    async fn look(&self, waiting: bool) -> Result<Box<Looked>, StoreError> {
        if !waiting {
            return self.lookup(Some(BARE)).await;
        }
        let ask = self.ask(Some(BARE));
        let limit = self.budget.beside();
        self.cache.store().lookup(&self.at, ask, limit).await
    }

    /// `lease`: leave a lease of this many seconds on an absent item, where the protocol can.
    async fn lookup(&self, lease: Option<u32>) -> Result<Box<Looked>, StoreError> {
        let ask = self.ask(lease);
        // By hand, as Budget::spend would hold it twice: see Call::run for what a lookup's size costs.
        let (begun, limit) = (Instant::now(), self.budget.left());
        let looked = self.cache.store().lookup(&self.at, ask, limit).await;
        self.budget.take_off(begun);
        looked
    }

    fn ask(&self, lease: Option<u32>) -> Ask {
        let marker = !self.policy.stale().is_zero();
        Ask { marker, lease }
    }

    /// Calls the origin under our lease and stores its answer.
    async fn lead<T, E>(
        &self,
        hold: Box<Hold>,
        origin: impl Future<Output = Result<T, E>>,
    ) -> Result<Fetched<T>, E>
    where
        T: Serialize + DeserializeOwned,
    {
        self.counters.one(Count::LeaseWon);
        let flight = self.cache.flights().begin(hold.token);
        let begun = Instant::now();
        let ((result, said), number) = self.held(&hold, listened(origin)).await;
        let cost = begun.elapsed();
        match result {
            Ok(value) => {
                let (fill, ttl_left) = self.fill(&hold, number, &value, cost, said, &flight).await;
                let outcome = match hold.why {
                    Why::Miss => Outcome::Miss(fill),
                    Why::Expired => Outcome::Expired(fill),
                    Why::Requested => Outcome::Refreshed(fill),
                };
                // A fill without an answer, or one that the server found too large, may have left the lease there.
                if !matches!(fill, Fill::Failed(_)) {
                    hold.release.disarm();
                }
                Ok(self.fetched(value, outcome, Duration::ZERO, ttl_left, Some(cost)))
            }
            Err(error) => {
                drop(flight);
                self.give_back(&hold, number).await;
                hold.release.disarm();
                self.stale_on_error(hold.stale).ok_or(error)
            }
        }
    }

    /// Calls the origin without a lease. While the cache is unreachable, callers of this process share such calls.
    async fn alone<T, E, F, Fut>(&self, why: Alone, origin: F) -> Result<Fetched<T>, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let shares = matches!(why, Alone::Failed(_) | Alone::Bypassed(Bypass::Breaker));
        if let Alone::Failed(trouble) = why {
            self.cache.log().trouble(self.key.name(), trouble);
        }
        let mut turn = None;
        if shares {
            match self.cache.solo().share(self.key.digest(), self.until).await {
                Shared::Lead(mine) => turn = Some(mine),
                Shared::Late => {}
                Shared::Value { payload, created } => {
                    let age = clock::since(self.cache.clock().now(), created);
                    if let Some(fetched) =
                        self.decoded(Packed::Plain(&payload), age, Outcome::Collapsed, 0)
                    {
                        return Ok(fetched);
                    }
                }
            }
        }
        let begun = Instant::now();
        // What it says of its value is not for a memoised function that has called this one.
        let (value, _) = listened(origin()).await;
        let value = value?;
        let cost = begun.elapsed();
        if let Some(turn) = turn.filter(|turn| turn.is_watched())
            && let Ok(payload) = payload::encode(&value)
        {
            turn.land(payload.into(), self.cache.clock().now());
        }
        Ok(self.fetched(value, why.outcome(), Duration::ZERO, 0, Some(cost)))
    }
}

/// An encoded value that was not stored, with the reason.
fn refused(trouble: Trouble) -> (Fill, i64) {
    (Fill::Failed(trouble), 0)
}
