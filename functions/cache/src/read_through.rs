//! One cached call: look up, decide, and serve, or call the origin and fill.
//!
//! A call ends with its origin's own value or error, or with a value that was verified. An error of
//! the cache never reaches its caller; it becomes part of the outcome. This is the only module that
//! sees everything: keys, records, the store, the policy, the budget.
//!
//! This is the short form of the algorithm. The page `guide::how_it_works` has the records byte for
//! byte, two timelines, the verbs and the limits.
//!
//! **Four keys**, and one for each tag, all on the server of the first:
//!
//! ```text
//! K    larder:report:9f2c…    item: an entry, a lease, a freed lease, or a placeholder (0 bytes)
//! K:r  larder:report:9f2c…:r  marker: the lease of the caller that refreshes a stale entry
//! @fn  larder:@fn:report      the generation of the function
//! @all larder:@all            the generation of the namespace
//! T    larder:@tag:4d1a…      the generation of a tag
//! ```
//!
//! **One lookup** reads K, K:r if the policy has a stale window, @all, @fn and each T, in this
//! order, on one connection. [`decision::decide`] decides what follows from it:
//!
//! ```text
//! a generation is missing        create it with `add`, look up again
//! entry, fresh                   serve it
//! entry, stale                   marker held, or failed a moment ago: serve it; else try for the
//!                                marker: winner calls the origin, loser serves it
//! entry, past its windows        the same, but wait in place of serving; after a failed refresh
//!                                `stale_if_error` serves it
//! nothing                        try to `add` a lease: winner calls the origin, loser waits
//! placeholder of this lookup     the lease is ours: call the origin
//! lease, or another placeholder  wait: look up again after 1 ms, later after 4 % of the wait
//! freed: not to be stored        call the origin, store nothing
//! freed: the origin failed       if this call has waited: the same; else take over
//! anything else                  replace it by our lease with `cas`; refused: look up again
//! ```
//!
//! **One leader.** The holder of the lease calls the origin, renews the lease meanwhile, and fills
//! with a `cas` over the lease (a refresh: over the stale entry). The others see the entry in their
//! next lookup; those of the leader's process get the value from its flight.
//!
//! **No late fill.** There is no `set`. A value is only written by `cas`, over an item that was
//! read before the origin was called. An invalidation, an expiry, an eviction, a takeover or a
//! `put` in between changes or removes that item, and the fill is refused:
//!
//! ```text
//! filler: add K lease · gets K → cas 7 · reads the old row ·············· cas K entry 7 → refused
//! writer:                                  commits the new row · delete K
//! ```
//!
//! **A flush** deletes a generation on every server. Entries and leases carry the generations of
//! the lookup that led to them. A record with others than the present ones counts as "anything
//! else"; so does what a late fill stores after a flush.
//!
//! **One wait.** A call waits for one origin call that comes to nothing, then it goes on alone.
//! Otherwise callers would lead one after the other behind an origin that fails.
//!
//! **Bounds.** Cache I/O is cut by the budget, a wait by the policy's `wait` and the deadline. A
//! call for which either ends calls its origin and stores nothing.

use std::{
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::{
    boxed::boxed,
    budget::{Budget, VERB_TIMEOUT},
    fetched::Fetched,
    flight::Participation,
    key::{CacheKeys, Key},
    near::{Answer as Shown, Keep, Noted},
    origin::{capture_directive, is_computed_here},
    outcome::{Bypass, Fill, Freshness, Outcome, Uncoordinated},
    payload,
    policy::PolicyParts,
    shared::Shared,
    store::{LookupOptions, LookupReply, StoreError},
    telemetry::events::{self, Event},
    telemetry::metrics::{Counter, Counters},
};

mod age;
mod backoff;
mod batch;
mod claim;
mod decision;
mod exchange;
mod fill;
mod lease;
mod near;
mod placeholder;
mod plan;
mod release;
mod renew;
mod serve;
#[cfg(test)]
mod simulation;
mod snapshot;
mod terms;
mod verbs;
use backoff::Backoff;
pub(crate) use batch::read_through_many;
use decision::{Decision, IfLost};
use fill::{Answer, PendingWrite};
use lease::{FillReason, Lease};
use placeholder::{PLACEHOLDER_TTL_S, PlaceholderAge};
use plan::{ClaimResult, Plan, Progress};
use release::ReleaseGuard;
use renew::{KeptLease, To};
use serve::Joined;
use snapshot::{Owner, Snapshot, Stale};
pub(crate) use verbs::{MAX_TRIES, WriteResult};

/// How often a call creates missing generations before it bypasses the cache.
const MAX_MINTS: u32 = 2;
/// So many polls in a row may fail before a wait ends.
const FAILED_POLLS: u32 = 2;

/// Everything that one call needs.
pub(crate) struct Call<'a> {
    cache: &'a Arc<Shared>,
    key: &'a Key,
    keys: CacheKeys,
    policy: &'a PolicyParts,
    budget: Budget,
    begun: Instant,
    /// Until when it may wait for other callers.
    until: Instant,
    counters: Arc<Counters>,
    /// What its servers have shown behind the fill of a refresh on request.
    behind_fill: OnceLock<Vec<Shown>>,
    refreshes: Refreshes,
    /// It was served a stale value, which its caller refreshes.
    to_refresh: AtomicBool,
}

/// Where a stale value is refreshed that a call may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refreshes {
    /// Within the call, which waits for the new value.
    Here,
    /// By a task that the call's caller starts.
    Elsewhere,
}

/// What follows from one or more lookups.
enum Action<T> {
    Serve(Fetched<T>),
    CallOrigin(Permission),
}

/// On what the origin call is based.
enum Permission {
    /// Fill under this lease.
    Lead(Box<Lease>),
    /// Store nothing.
    Uncoordinated(Uncoordinated),
    /// Store nothing, after waiting in vain; the copy may be served if the origin fails.
    WaitTimedOut(Option<Stale>),
}

impl Permission {
    fn outcome(&self, fill: Fill) -> Outcome {
        match self {
            Self::Lead(lease) => lease.reason.outcome(fill),
            Self::Uncoordinated(why) => why.outcome(),
            Self::WaitTimedOut(_) => Uncoordinated::Waited.outcome(),
        }
    }
}

impl<T> From<Permission> for Action<T> {
    fn from(permission: Permission) -> Self {
        Self::CallOrigin(permission)
    }
}

impl<T> From<Uncoordinated> for Action<T> {
    fn from(why: Uncoordinated) -> Self {
        Self::CallOrigin(Permission::Uncoordinated(why))
    }
}

/// Gets the value of `key`: from the cache, from another caller's origin call, or from `origin`.
///
/// A value that is kept in this process is kept as `K` says.
pub(crate) async fn read_through<K, T, E, F, Fut>(
    cache: &Arc<Shared>,
    key: &Key,
    policy: &PolicyParts,
    freshness: Freshness,
    deadline: Option<Instant>,
    origin: F,
) -> Result<Fetched<T>, E>
where
    K: Keep<T>,
    T: Serialize + DeserializeOwned,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    if !policy.near.is_zero()
        && let Some(fetched) = near::answer::<K, T>(cache, key, policy, freshness)
    {
        return Ok(fetched);
    }
    let call = Call::new(cache, key, policy, deadline);
    call.reported::<K, _, _, _, _>(freshness, origin).await
}

/// As [`read_through`], for callers who refresh a stale value elsewhere: it is served at once. The
/// second is whether it was, and nobody refreshes it yet.
pub(crate) async fn read_stale<K, T, E, F, Fut>(
    cache: &Arc<Shared>,
    key: &Key,
    policy: &PolicyParts,
    freshness: Freshness,
    deadline: Option<Instant>,
    origin: F,
) -> (Result<Fetched<T>, E>, bool)
where
    K: Keep<T>,
    T: Serialize + DeserializeOwned,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    if !policy.near.is_zero()
        && let Some(fetched) = near::answer::<K, T>(cache, key, policy, freshness)
    {
        return (Ok(fetched), false);
    }
    let mut call = Call::new(cache, key, policy, deadline);
    call.refreshes = Refreshes::Elsewhere;
    let result = call.reported::<K, _, _, _, _>(freshness, origin).await;
    (result, call.to_refresh.into_inner())
}

/// Gets a new value from `origin` in place of the present entry. If it is stored, the second is
/// what the server has shown behind that.
pub(crate) async fn refresh<K, T, E, F, Fut>(
    cache: &Arc<Shared>,
    key: &Key,
    policy: &PolicyParts,
    deadline: Option<Instant>,
    origin: F,
) -> (Result<Fetched<T>, E>, Option<Vec<Shown>>)
where
    K: Keep<T>,
    T: Serialize + DeserializeOwned,
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let call = Call::new(cache, key, policy, deadline);
    let refreshed = call.reported::<K, _, _, _, _>(Freshness::Refresh, origin);
    let refreshed = refreshed.await;
    (refreshed, call.behind_fill.into_inner())
}

impl<'a> Call<'a> {
    pub(crate) fn new(
        cache: &'a Arc<Shared>,
        key: &'a Key,
        policy: &'a PolicyParts,
        deadline: Option<Instant>,
    ) -> Self {
        Self::within(Budget::new(cache.budget, deadline), cache, key, policy)
    }

    /// For a verb, whose caller wants an acknowledgement and not speed.
    pub(crate) fn verb(cache: &'a Arc<Shared>, key: &'a Key, policy: &'a PolicyParts) -> Self {
        Self::within(Budget::new(VERB_TIMEOUT, None), cache, key, policy)
    }

    fn within(
        budget: Budget,
        cache: &'a Arc<Shared>,
        key: &'a Key,
        policy: &'a PolicyParts,
    ) -> Self {
        let begun = Instant::now();
        Self {
            cache,
            key,
            keys: CacheKeys::new(&cache.namespace, key),
            policy,
            until: budget.wait_until(begun, policy.wait, None),
            budget,
            begun,
            counters: cache.counters.of(key.name()),
            behind_fill: OnceLock::new(),
            refreshes: Refreshes::Here,
            to_refresh: AtomicBool::new(false),
        }
    }

    /// Runs in a span, and is counted and reported when it has ended.
    async fn reported<K, T, E, F, Fut>(
        &self,
        freshness: Freshness,
        origin: F,
    ) -> Result<Fetched<T>, E>
    where
        K: Keep<T>,
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let name = self.key.name();
        let span = events::call(name);
        // Pinned in place: moving it into the span would cost more than the span.
        let run = pin!(self.run::<K, _, _, _, _>(freshness, origin));
        let result = run.instrument(span.clone()).await;
        let event = match &result {
            Ok(fetched) => Event::value(name, fetched),
            Err(_) => Event::error(name, self.budget.spent()),
        };
        events::record(&span, event.outcome);
        self.cache.publish(&self.counters, &event);
        result
    }

    async fn run<K, T, E, F, Fut>(&self, freshness: Freshness, origin: F) -> Result<Fetched<T>, E>
    where
        K: Keep<T>,
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let origin = || origin().instrument(events::origin(self.key.name()));
        let next = match freshness {
            _ if self.cache.disabled || self.has_no_runtime() => {
                Uncoordinated::Bypassed(Bypass::Disabled).into()
            }
            Freshness::Bypass => Uncoordinated::Bypassed(Bypass::Requested).into(),
            // Boxed, so that callers' futures stay small and below the compiler's limit of nesting.
            // At most 1,032 bytes, glibc's limit for its quick lists: beyond it a hit costs 2 %
            // more.
            Freshness::Normal => boxed(|| self.find::<K, T>()).await,
            Freshness::Refresh => boxed(|| self.claim_for_refresh()).await,
        };
        // Boxed: an origin's future may be large and deeply nested. So a hit does not include its
        // size, nor the caller's future its depth.
        match next {
            Action::Serve(fetched) => Ok(fetched),
            Action::CallOrigin(Permission::Lead(lease)) => {
                boxed(|| self.lead(lease, origin())).await
            }
            Action::CallOrigin(Permission::Uncoordinated(why)) => {
                boxed(|| self.alone(why, origin)).await
            }
            Action::CallOrigin(Permission::WaitTimedOut(stale)) => {
                let result = boxed(|| self.alone(Uncoordinated::Waited, origin)).await;
                result.or_else(|error| self.stale_on_error(stale).ok_or(error))
            }
        }
    }

    /// Without a clock no call can wait, and without sockets there is no server.
    fn has_no_runtime(&self) -> bool {
        self.cache.has_no_runtime(self.key.name())
    }

    /// Looks up until there is a value to serve, a lease to use, or no reason to wait any longer.
    async fn find<K: Keep<T>, T: DeserializeOwned>(&self) -> Action<T> {
        let mut backoff = Backoff::new(
            &self.cache.pollers,
            self.key.digest(),
            self.begun,
            self.until,
        );
        let mut progress = Progress::default();
        // The last lookup, if it showed an entry: a copy that may be served.
        let mut copy: Option<Box<LookupReply>> = None;
        loop {
            let noted = self.noted();
            let near = noted.is_some();
            let reply = match self.look(backoff.has_waited(), near).await {
                Ok(reply) => reply,
                Err(error) if backoff.bears(error) => {
                    Box::pin(backoff.take()).await;
                    continue;
                }
                Err(error) => {
                    let copy = copy.as_deref().map(|reply| Snapshot::again(self, reply));
                    return self.without_store(copy.as_ref(), error.into());
                }
            };
            backoff.answered();
            let snapshot = Snapshot::new(self, &reply);
            let decision = self.decision(&progress, &snapshot);
            if near && decision == Decision::Hit {
                // Before the value is decoded, which need not be kept while this waits.
                Box::pin(self.keep_up(&reply, &self.budget)).await;
            }
            let elsewhere = self.refreshes == Refreshes::Elsewhere
                && decision == Decision::Refresh(IfLost::ServeStale);
            let served = match elsewhere {
                true => Decision::ServeStale,
                false => decision,
            };
            if let Some(fetched) = self.answer(served, &snapshot, backoff.has_waited()) {
                self.to_refresh.store(elsewhere, Ordering::Relaxed);
                if let Some(noted) = noted {
                    self.keep::<K, T>(&noted, decision, &snapshot, &reply, &fetched);
                }
                backoff.changed();
                return Action::Serve(fetched);
            }
            self.note(decision, &progress, &snapshot, &mut backoff);
            let plan = self.plan(&mut progress, &snapshot, decision);
            if let Plan::Wait = plan
                && let Some(flight) = self.flight(&snapshot)
            {
                // Other callers that wait can join the flight, too.
                backoff.changed();
                backoff.begin();
                match Box::pin(self.join(&flight, backoff.until())).await {
                    Joined::Value(fetched) => return Action::Serve(fetched),
                    Joined::Unusable => return Uncoordinated::Waited.into(),
                    Joined::Again => {}
                }
            }
            // Boxed, so that the hit path's future does not include this one.
            match Box::pin(self.claim(&mut progress, plan, &snapshot, &reply)).await {
                Ok(ClaimResult::Won(lease)) => return Permission::Lead(lease).into(),
                Ok(ClaimResult::Again) => {}
                Ok(ClaimResult::Wait) => Box::pin(backoff.take()).await,
                Ok(ClaimResult::ServeStale) => match self.serve_stale(&snapshot) {
                    Some(fetched) => return Action::Serve(fetched),
                    None => Box::pin(backoff.take()).await,
                },
                Err(
                    why @ (Uncoordinated::Failed(_) | Uncoordinated::Bypassed(Bypass::Breaker)),
                ) => {
                    return self.without_store(Some(&snapshot), why);
                }
                Err(why) => return why.into(),
            }
            if backoff.is_over() {
                return Permission::WaitTimedOut(snapshot.stale(self)).into();
            }
            copy = snapshot.entry.is_some().then_some(reply);
        }
    }

    /// The store has failed. A copy that was read is served if the policy allows it, whatever fails
    /// after that.
    fn without_store<T: DeserializeOwned>(
        &self,
        copy: Option<&Snapshot<'_>>,
        why: Uncoordinated,
    ) -> Action<T> {
        let copy = copy.and_then(|snapshot| self.serve_copy(snapshot));
        copy.map_or_else(|| why.into(), Action::Serve)
    }

    /// What `decision` means for the callers that wait, of which this one may be the latest.
    fn note(
        &self,
        decision: Decision,
        progress: &Progress,
        snapshot: &Snapshot<'_>,
        backoff: &mut Backoff<'_>,
    ) {
        if decision != Decision::Wait {
            backoff.changed();
        } else if !progress.is_ours(snapshot) && progress.is_new() {
            self.begin_to_wait(snapshot, backoff);
        }
    }

    /// From here on this call waits for another caller's origin call: not if that is known to take
    /// longer than the call may wait, and only so long that its own may follow before the deadline.
    fn begin_to_wait(&self, snapshot: &Snapshot<'_>, backoff: &mut Backoff<'_>) {
        self.counters.increment(Counter::LeaseWaited);
        let Some(entry) = &snapshot.entry else {
            return;
        };
        let cost = Duration::from_micros(entry.cost.into());
        let until = self
            .budget
            .wait_until(self.begun, self.policy.wait, Some(cost));
        backoff.end_at(if self.begun + cost > until {
            self.begun
        } else {
            until
        });
    }

    /// For a refresh on request: the right to replace the present item.
    async fn claim_for_refresh<T>(&self) -> Action<T> {
        let mut progress = Progress::default();
        for _ in 0..MAX_TRIES {
            let reply = match self.lookup(None, false).await {
                Ok(reply) => reply,
                Err(error) => return Uncoordinated::from(error).into(),
            };
            let snapshot = Snapshot::new(self, &reply);
            let plan = self.plan_refresh(&mut progress, &snapshot);
            match self.claim(&mut progress, plan, &snapshot, &reply).await {
                Ok(ClaimResult::Won(lease)) => return Permission::Lead(lease).into(),
                Ok(_) => {}
                Err(why) => return why.into(),
            }
        }
        Uncoordinated::Waited.into()
    }

    /// The first lookup is charged to the budget. Later ones, of a caller that waits, are
    /// not: they are part of the wait.
    async fn look(&self, waiting: bool, near: bool) -> Result<Box<LookupReply>, StoreError> {
        if !waiting {
            return self.lookup(Some(PLACEHOLDER_TTL_S), near).await;
        }
        let options = self.options(Some(PLACEHOLDER_TTL_S), near);
        let limit = self.budget.off_path();
        self.cache.store.lookup(&self.keys, options, limit).await
    }

    /// `lease`: create a placeholder of this many seconds if the item is absent and the
    /// protocol can do it. `near`: read the records that bound near copies, too.
    async fn lookup(&self, lease: Option<u32>, near: bool) -> Result<Box<LookupReply>, StoreError> {
        let options = self.options(lease, near);
        // Not with `Budget::spend`, which would hold the exchange twice: see `Call::run`
        // for the limit of its size.
        let limit = self.budget.left();
        // A call begins with its first lookup.
        let begun = if self.budget.spent().is_zero() {
            self.begun
        } else {
            Instant::now()
        };
        let reply = self.cache.store.lookup(&self.keys, options, limit).await;
        self.budget.charge(begun);
        reply
    }

    fn options(&self, lease: Option<u32>, near: bool) -> LookupOptions {
        let marker = !self.policy.stale().is_zero();
        LookupOptions {
            marker,
            lease,
            near,
        }
    }

    /// Calls the origin with the lease and stores its answer.
    async fn lead<T, E>(
        &self,
        mut lease: Box<Lease>,
        origin: impl Future<Output = Result<T, E>>,
    ) -> Result<Fetched<T>, E>
    where
        T: Serialize + DeserializeOwned,
    {
        self.counters.increment(Counter::LeaseWon);
        let _own = self.forgetting(&lease);
        let (exchanges, flight) = (self.exchanges(), self.cache.flights.begin(lease.token));
        let mut kept = [KeptLease::new(self, &lease)];
        let begun = Instant::now();
        let origin = capture_directive([*self.key.digest()], origin);
        let (result, directive) = exchanges.keep_during(&mut kept, origin).await;
        let cost = begun.elapsed();
        match result {
            Ok(value) => {
                let created = self.cache.clock.now();
                exchanges.read_unknown(&mut kept, To::Fill).await;
                let [kept] = kept;
                let answer = Answer {
                    directive,
                    created,
                    cost,
                };
                let mut pending = [self.plan_fill(&lease, kept.cas(), &value, &answer, &flight)];
                match lease.reason {
                    FillReason::Requested => self.write_refresh(&mut pending).await,
                    FillReason::Miss | FillReason::Expired => {
                        exchanges.write_pending(&mut pending).await;
                    }
                }
                let [written] = pending.map(|pending| pending.result());
                let (outcome, ttl_left) = (lease.reason.outcome(written.fill), written.ttl_left);
                written.end(*lease);
                Ok(self.fetched(value, outcome, Duration::ZERO, ttl_left, Some(cost)))
            }
            Err(error) => {
                flight.fail();
                drop(flight);
                exchanges.read_unknown(&mut kept, To::GiveBack).await;
                let [kept] = kept;
                let give_back = self.plan_give_back(&lease, kept.cas());
                let mut pending = [self.unfilled(give_back, Fill::NotStored)];
                exchanges.write_pending(&mut pending).await;
                let [written] = pending.map(|pending| pending.result());
                let stale = lease.stale.take();
                lease.release.origin_failed();
                written.end(*lease);
                self.stale_on_error(stale).ok_or(error)
            }
        }
    }

    fn count_uncoordinated(&self, why: Uncoordinated) {
        match why {
            Uncoordinated::Waited => self.counters.increment(Counter::WaitedInVain),
            Uncoordinated::NotStorable | Uncoordinated::Failed(_) | Uncoordinated::Bypassed(_) => {}
        }
    }

    /// Calls the origin without a lease. While the cache is unreachable, the callers of this
    /// process share such calls.
    async fn alone<T, E, F, Fut>(&self, why: Uncoordinated, origin: F) -> Result<Fetched<T>, E>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let shares = matches!(
            why,
            Uncoordinated::Failed(_) | Uncoordinated::Bypassed(Bypass::Breaker)
        );
        if let Uncoordinated::Failed(failure) = why {
            self.cache.log.failure(self.key.name(), failure);
        }
        self.count_uncoordinated(why);
        let mut turn = None;
        if shares && !is_computed_here(self.key.digest()) {
            // No longer than a lease lives, because the leader may not be polled.
            let until = self.until.min(Instant::now() + self.policy.lease);
            let shared = self.cache.single_flight.share(self.key.digest(), until);
            match shared.await {
                Participation::Lead(mine) => turn = Some(mine),
                Participation::WaitTimedOut | Participation::LeaderFailed => {}
                Participation::Value { payload, created } => {
                    if let Some(fetched) = self.flight_value(&payload, created, None) {
                        return Ok(fetched);
                    }
                }
            }
        }
        let begun = Instant::now();
        // A directive of this origin is not for a memoised function that has called this one.
        let (value, _) = capture_directive([*self.key.digest()], origin()).await;
        let value = value.inspect_err(|_| {
            if let Some(turn) = &turn {
                turn.fail();
            }
        })?;
        let cost = begun.elapsed();
        if let Some(turn) = turn.filter(|turn| turn.is_watched()) {
            match payload::encode(&value, usize::MAX) {
                Ok(payload) => turn.complete(payload.into(), self.cache.clock.now()),
                Err(_) => turn.fail(),
            }
        }
        Ok(self.fetched(value, why.outcome(), Duration::ZERO, 0, Some(cost)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::near::AsBytes;
    use crate::{Cache, Policy};

    /// glibc keeps quick lists up to that size: beyond it a hit costs 2 % more.
    const QUICK: usize = 1032;

    #[test]
    fn what_a_hit_allocates_is_small() {
        let policy = Policy::ttl(Duration::from_secs(60));
        let (cache, key) = (Cache::memory(), Key::new("size", &()).unwrap());
        let call = Call::new(cache.shared(), &key, &policy.parts, None);
        let sizes = [
            size_of_val(&call.find::<AsBytes, u64>()),
            size_of_val(&call.find::<AsBytes, String>()),
        ];
        println!("{sizes:?}");
        assert!(sizes.into_iter().max() <= Some(QUICK), "{sizes:?}");
    }
}
