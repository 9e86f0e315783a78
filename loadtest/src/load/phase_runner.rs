//! The shared state of one phase: its users take slots, record samples, and stop in time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::client::{Client, sample::Sample};
use crate::load::{interrupt, littles_law::ClosedLoop, plan::Plan, plan::Segment, plan::Slot};
use crate::target::outcome::Outcome;

/// A phase is aborted when this many requests are done and more than half of them failed.
const MIN_REQUESTS: usize = 5;

/// Users of an open segment begin after this, so that all have been launched when the first request
/// is due.
const LAUNCH_TIME: Duration = Duration::from_millis(100);

/// A user connects this long before its request is due: longer than [`LAUNCH_TIME`], so that all
/// callers of a burst are connected.
const READY_BEFORE: Duration = Duration::from_millis(200);

/// How long a request may continue beyond the deadline.
const GRACE: Duration = Duration::from_secs(3);

pub(crate) struct PhaseRunner {
    pub(crate) plan: Plan,
    deadline: Duration,
    segments: Vec<SegmentState>,
    ended: watch::Sender<usize>,
    /// One shard per user, so that no two contend.
    shards: Vec<Mutex<Vec<Recorded>>>,
    pub(crate) progress: ProgressCounters,
}

/// Where one user is in its phase.
pub(crate) struct UserCursor {
    user: usize,
    segment: usize,
}

impl UserCursor {
    /// The cursor of user number `user`, counted from zero.
    pub(crate) fn new(user: usize) -> Self {
        Self { user, segment: 0 }
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
    pub(crate) fn new(mut plan: Plan, deadline: Duration) -> Self {
        plan.segments.retain(|segment| !segment.slots.is_empty());
        let segments = plan.segments.iter();
        let segments = segments.map(|_| SegmentState::default()).collect();
        let shards = (0..plan.users()).map(|_| Mutex::default()).collect();
        Self {
            plan,
            deadline,
            segments,
            ended: watch::channel(0).0,
            shards,
            progress: ProgressCounters::default(),
        }
    }

    /// Sends the next request of one user; `None` when every segment is done. The sample must be
    /// given to [`PhaseRunner::record`], or the segment never ends.
    pub(crate) async fn next(&self, cursor: &mut UserCursor, client: &Client) -> Option<Sample> {
        while let Some(segment) = self.plan.segments.get(cursor.segment) {
            while let Some(slot) = self.next_slot(segment, cursor) {
                if !self.stopped(client.elapsed())
                    && let Some(sample) = self.ask(cursor.segment, slot, client).await
                {
                    return Some(sample);
                }
                self.finish_slot(cursor.segment);
            }
            self.wait_for_end(cursor.segment).await;
            cursor.segment += 1;
        }
        None
    }

    fn next_slot<'a>(&self, segment: &'a Segment, cursor: &UserCursor) -> Option<&'a Slot> {
        if cursor.user >= segment.users {
            return None;
        }
        let taken = self.segments[cursor.segment]
            .next
            .fetch_add(1, Ordering::Relaxed);
        segment.slots.get(taken)
    }

    /// `None` if the user interrupts before it is due.
    async fn ask(&self, segment: usize, slot: &Slot, client: &Client) -> Option<Sample> {
        let latest = self.deadline + GRACE;
        let Some(due) = slot.due else {
            return Some(client.ask(&slot.spec, latest).await);
        };
        let due = *self.segments[segment]
            .began
            .get_or_init(|| client.elapsed() + LAUNCH_TIME)
            + due;
        // The wait counts as queueing only if no user was free in time. A user that was waiting and
        // woke late was delayed by tokio's millisecond timer, which would turn a median of 142 µs
        // into 1.3 ms.
        let early = due.saturating_sub(client.elapsed());
        interrupt::sleep(early.saturating_sub(READY_BEFORE)).await;
        if interrupt::requested() {
            return None;
        }
        // Connects before it is due, so that the requests of a burst arrive together.
        let connection = client.connection(latest).await;
        tokio::time::sleep(due.saturating_sub(client.elapsed())).await;
        let mut sample = match connection {
            Ok(connection) => client.ask_on(connection, &slot.spec, latest).await,
            Err(_) => client.ask(&slot.spec, latest).await,
        };
        let late = sample.sent.saturating_sub(due);
        (sample.queued, sample.timer_overshoot) = if early.is_zero() {
            (late, Duration::ZERO)
        } else {
            (Duration::ZERO, late)
        };
        Some(sample)
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
        let not_sent = self.plan.len() - samples.len();
        PhaseSamples {
            samples,
            not_sent,
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
                            let begun = sample.sent.saturating_sub(sample.connecting);
                            (begun, sample.connecting + sample.latency)
                        })
                        .collect();
                    closed.add_user(&requests);
                }
                closed
            })
            .collect()
    }
}

fn lock(shard: &Mutex<Vec<Recorded>>) -> MutexGuard<'_, Vec<Recorded>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
