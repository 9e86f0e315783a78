//! The shared state of one phase: its users take slots, record samples, and stop in time.
//!
//! In an open loop, one user starts a task for each request when it is due. No request waits for
//! another one: a slow answer delays nothing but itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::{Client, sample::Sample};
use crate::load::{
    interrupt, littles_law::ClosedLoop, machine, plan::Plan, plan::Segment, plan::Slot,
};
use crate::target::outcome::Outcome;

/// A phase is aborted when this many requests are done and more than half of them failed.
const MIN_REQUESTS: usize = 5;

/// The first request of an open segment is due so long after its connections are open.
const LAUNCH_TIME: Duration = Duration::from_millis(20);

/// How long a request may continue beyond the deadline.
const GRACE: Duration = Duration::from_secs(3);

pub(crate) struct PhaseRunner {
    pub(crate) plan: Plan,
    deadline: Duration,
    /// The most requests in flight in an open segment.
    max_in_flight: usize,
    segments: Vec<SegmentState>,
    ended: watch::Sender<usize>,
    /// One shard per user, so that no two contend.
    shards: Vec<Mutex<Vec<Recorded>>>,
    /// The requests of open segments that were due and not sent.
    unsent: Mutex<Vec<Unsent>>,
    pub(crate) progress: ProgressCounters,
}

/// Where one user is in its phase.
pub(crate) struct UserCursor {
    user: usize,
    segment: usize,
    /// The requests of an open segment that have no answer yet.
    in_flight: JoinSet<Sample>,
}

/// A request of an open segment that was due and not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsent {
    pub(crate) function: usize,
    /// Since the start of the run.
    pub(crate) due: Duration,
    /// Whether the safety cap was reached: this tool's fault, and not the target's.
    pub(crate) exhausted: bool,
}

impl UserCursor {
    /// The cursor of user number `user`, counted from zero.
    pub(crate) fn new(user: usize) -> Self {
        Self {
            user,
            segment: 0,
            in_flight: JoinSet::new(),
        }
    }
}

/// A sample, and its segment.
struct Recorded {
    segment: usize,
    sample: Sample,
}

#[derive(Default)]
struct SegmentState {
    next: AtomicUsize,
    done: AtomicUsize,
    began: OnceLock<Duration>,
}

/// Counters for the progress line, and for aborting.
#[derive(Default)]
pub(crate) struct ProgressCounters {
    pub(crate) done: AtomicUsize,
    pub(crate) hits: AtomicUsize,
    pub(crate) failed: AtomicUsize,
    aborted: AtomicBool,
}

/// The samples of a phase that has ended.
pub(crate) struct PhaseSamples {
    /// In the order of sending.
    pub(crate) samples: Vec<Sample>,
    /// Requests that were never sent: there was no time, the target failed too often, or the user
    /// interrupted.
    pub(crate) not_sent: usize,
    /// Those of them that were due at a time: only in open segments.
    pub(crate) unsent: Vec<Unsent>,
    /// The target failed more than half of the requests.
    pub(crate) aborted: bool,
    /// One for each segment without a schedule.
    pub(crate) loops: Vec<ClosedLoop>,
}

impl PhaseSamples {
    /// Whether this key of this function got an answer.
    pub(crate) fn has_answer(&self, function: usize, key: usize) -> bool {
        self.samples.iter().any(|sample| {
            sample.function == function && sample.key_index == key && sample.answer.is_ok()
        })
    }
}

impl PhaseRunner {
    /// A phase that sends nothing after `deadline`, counted from the start of the run.
    ///
    /// No more than `max_in_flight` requests of an open segment are in flight.
    pub(crate) fn new(mut plan: Plan, deadline: Duration, max_in_flight: usize) -> Self {
        plan.segments.retain(|segment| !segment.slots.is_empty());
        let segments = plan.segments.iter();
        let segments = segments.map(|_| SegmentState::default()).collect();
        let shards = (0..plan.users()).map(|_| Mutex::default()).collect();
        Self {
            plan,
            deadline,
            max_in_flight: max_in_flight.min(machine::max_connections()),
            segments,
            unsent: Mutex::default(),
            ended: watch::channel(0).0,
            shards,
            progress: ProgressCounters::default(),
        }
    }

    /// The next answer of one user; `None` when every segment is done. The sample must be given to
    /// [`PhaseRunner::record`], or the segment never ends.
    pub(crate) async fn next(
        &self,
        cursor: &mut UserCursor,
        client: &Arc<Client>,
    ) -> Option<Sample> {
        while let Some(segment) = self.plan.segments.get(cursor.segment) {
            let sample = match segment.is_closed() {
                true => self.next_closed(segment, cursor, client).await,
                false => self.next_open(segment, cursor, client).await,
            };
            if sample.is_some() || self.plan.endless {
                return sample;
            }
            self.wait_for_end(cursor.segment).await;
            cursor.segment += 1;
        }
        None
    }

    /// Sends the next request of a closed segment and waits for its answer.
    async fn next_closed(
        &self,
        segment: &Segment,
        cursor: &UserCursor,
        client: &Client,
    ) -> Option<Sample> {
        while let Some(slot) = self.next_slot(segment, cursor) {
            if !self.stopped(client.elapsed()) {
                return Some(client.ask(&slot.spec, self.deadline + GRACE).await);
            }
            if self.plan.endless {
                return None;
            }
            self.finish_slot(cursor.segment);
        }
        None
    }

    /// Sends the requests of an open segment as they become due, until one has its answer.
    async fn next_open(
        &self,
        segment: &Segment,
        cursor: &mut UserCursor,
        client: &Arc<Client>,
    ) -> Option<Sample> {
        // One user is enough: it waits for no answer.
        if cursor.user > 0 {
            return None;
        }
        let state = &self.segments[cursor.segment];
        let began = match state.began.get() {
            Some(began) => *began,
            None => {
                client.open_idle(segment.connections).await;
                *state.began.get_or_init(|| client.elapsed() + LAUNCH_TIME)
            }
        };
        loop {
            let next = segment.slots.get(state.next.load(Ordering::Relaxed));
            let done = match next.and_then(|slot| Some((slot, began + slot.due?))) {
                None => cursor.in_flight.join_next().await?,
                Some((slot, due)) => {
                    let now = client.elapsed();
                    if now >= due || self.stopped(now) {
                        state.next.fetch_add(1, Ordering::Relaxed);
                        self.send(slot, due, cursor, client);
                        continue;
                    }
                    tokio::select! {
                        Some(done) = cursor.in_flight.join_next() => done,
                        () = interrupt::sleep(due - now) => continue,
                    }
                }
            };
            match done {
                Ok(sample) => return Some(sample),
                // A task that panicked has no sample.
                Err(_) => self.finish_slot(cursor.segment),
            }
        }
    }

    /// Starts a task for a request that is due, unless the phase has stopped or the safety cap is
    /// reached.
    fn send(&self, slot: &Slot, due: Duration, cursor: &mut UserCursor, client: &Arc<Client>) {
        let exhausted = cursor.in_flight.len() >= self.max_in_flight;
        if exhausted || self.stopped(client.elapsed()) {
            let function = slot.spec.function;
            lock(&self.unsent).push(Unsent {
                function,
                due,
                exhausted,
            });
            self.finish_slot(cursor.segment);
            return;
        }
        let (client, spec, latest) = (client.clone(), slot.spec.clone(), self.deadline + GRACE);
        cursor.in_flight.spawn(async move {
            // From here on the time is the target's: connecting, and the answer.
            let timer_overshoot = client.elapsed().saturating_sub(due);
            let mut sample = client.ask(&spec, latest).await;
            (sample.due, sample.timer_overshoot) = (Some(due), timer_overshoot);
            sample
        });
    }

    fn next_slot<'a>(&self, segment: &'a Segment, cursor: &UserCursor) -> Option<&'a Slot> {
        if cursor.user >= segment.users {
            return None;
        }
        let taken = self.segments[cursor.segment]
            .next
            .fetch_add(1, Ordering::Relaxed);
        match self.plan.endless {
            true => segment.slots.get(taken % segment.slots.len()),
            false => segment.slots.get(taken),
        }
    }

    /// Records the sample that [`PhaseRunner::next`] returned for this cursor.
    pub(crate) fn record(&self, cursor: &UserCursor, sample: Sample) {
        let progress = &self.progress;
        progress.done.fetch_add(1, Ordering::Relaxed);
        match sample.outcome() {
            None | Some(Outcome::Unknown) => _ = progress.failed.fetch_add(1, Ordering::Relaxed),
            Some(outcome) if outcome.is_hit() => _ = progress.hits.fetch_add(1, Ordering::Relaxed),
            Some(_) => {}
        }
        let segment = cursor.segment;
        lock(&self.shards[cursor.user]).push(Recorded { segment, sample });
        self.finish_slot(cursor.segment);
    }

    fn stopped(&self, now: Duration) -> bool {
        let done = self.progress.done.load(Ordering::Relaxed);
        let failed = self.progress.failed.load(Ordering::Relaxed);
        let failing = done >= MIN_REQUESTS && failed * 2 > done;
        if failing {
            self.progress.aborted.store(true, Ordering::Relaxed);
        }
        failing || now >= self.deadline || interrupt::requested()
    }

    fn finish_slot(&self, index: usize) {
        let done = self.segments[index].done.fetch_add(1, Ordering::AcqRel) + 1;
        if done == self.plan.segments[index].slots.len() {
            self.ended.send_replace(index + 1);
        }
    }

    /// Waits until all slots of a segment are done. An interrupt may have stopped the user that had
    /// the last one.
    async fn wait_for_end(&self, index: usize) {
        let mut ended = self.ended.subscribe();
        while !interrupt::requested() {
            let wait = ended.wait_for(|ended| *ended > index);
            let ended = tokio::time::timeout(Duration::from_millis(50), wait).await;
            if ended.is_ok() {
                return;
            }
        }
    }

    /// Takes the samples. Slots that no user reached count as not sent.
    pub(crate) fn take(&self) -> PhaseSamples {
        let shards = self.shards.iter();
        let users: Vec<_> = shards
            .map(|shard| std::mem::take(&mut *lock(shard)))
            .collect();
        let loops = self.loops(&users);
        let recorded = users.into_iter().flatten();
        let mut samples: Vec<Sample> = recorded.map(|recorded| recorded.sample).collect();
        samples.sort_by_key(|sample| sample.sent);
        let not_sent = match self.plan.endless {
            true => 0,
            false => self.plan.len() - samples.len(),
        };
        PhaseSamples {
            samples,
            not_sent,
            unsent: std::mem::take(&mut lock(&self.unsent)),
            aborted: self.progress.aborted.load(Ordering::Relaxed),
            loops,
        }
    }

    fn loops(&self, users: &[Vec<Recorded>]) -> Vec<ClosedLoop> {
        let segments = self.plan.segments.iter().enumerate();
        let closed = segments.filter(|(_, segment)| segment.is_closed());
        closed
            .map(|(index, _)| {
                let mut closed = ClosedLoop::default();
                for recorded in users {
                    let own = recorded.iter().filter(|one| one.segment == index);
                    // Connecting counts as busy time.
                    let requests: Vec<_> = own
                        .map(|Recorded { sample, .. }| {
                            let connecting = sample.connecting.unwrap_or_default();
                            (sample.sent.saturating_sub(connecting), sample.response())
                        })
                        .collect();
                    closed.add_user(&requests);
                }
                closed
            })
            .collect()
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
