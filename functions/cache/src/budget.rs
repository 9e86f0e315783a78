//! The time that cache I/O may add to one call, as a sum over all its exchanges, limited by the
//! deadline.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// A year: no process waits longer, and adding it to a clock does not overflow.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// What one exchange of an explicit verb may take: its caller asked for the acknowledgement, not
/// for speed.
pub(crate) const VERB_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Budget {
    total: Duration,
    spent: AtomicU64,
    deadline: Option<Instant>,
}

impl Budget {
    /// Nothing is left once `deadline` has passed.
    pub(crate) fn new(total: Duration, deadline: Option<Instant>) -> Self {
        Self {
            total,
            spent: AtomicU64::new(0),
            deadline,
        }
    }

    /// The limit for the next exchange.
    pub(crate) fn left(&self) -> Duration {
        self.until_deadline(self.total.saturating_sub(self.spent()))
    }

    /// The limit for an exchange that runs at the same time as the origin, which adds nothing to
    /// the call.
    pub(crate) fn off_path(&self) -> Duration {
        self.until_deadline(self.total)
    }

    pub(crate) fn spent(&self) -> Duration {
        Duration::from_micros(self.spent.load(Ordering::Relaxed))
    }

    /// Runs one exchange, or several at the same time, with [`Budget::left`] as their limit, and
    /// charges the time.
    pub(crate) async fn spend<T>(&self, exchange: impl Future<Output = T>) -> T {
        let begun = Instant::now();
        let result = exchange.await;
        self.charge(begun);
        result
    }

    /// Charges the time since `begun`.
    pub(crate) fn charge(&self, begun: Instant) {
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.spent.fetch_add(took, Ordering::Relaxed);
    }

    /// Until when a caller that began at `begun` may wait for another caller's origin call.
    /// Leaves room for the caller's own origin call before the deadline: what the entry has last
    /// `cost` and a quarter more, or half of the time that is left.
    pub(crate) fn wait_until(
        &self,
        begun: Instant,
        wait: Duration,
        cost: Option<Duration>,
    ) -> Instant {
        let end = begun + wait.min(LONGEST);
        self.deadline.map_or(end, |deadline| {
            let left = deadline.saturating_duration_since(begun);
            let room = cost.map_or(left / 2, |cost| cost.saturating_add(cost / 4));
            end.min(deadline - room.min(left))
        })
    }

    /// Whether the deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline
            .is_some_and(|deadline| deadline <= Instant::now())
    }

    fn until_deadline(&self, time: Duration) -> Duration {
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        self.deadline
            .map_or(time, |deadline| time.min(left(deadline)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_without_end_is_a_long_one() {
        let until =
            Budget::new(Duration::ZERO, None).wait_until(Instant::now(), Duration::MAX, None);
        assert!(until > Instant::now() + LONGEST / 2);
    }

    #[test]
    fn after_the_deadline_nothing_is_left() {
        let budget = Budget::new(Duration::from_secs(1), Some(Instant::now()));
        assert_eq!(
            (budget.left(), budget.off_path()),
            (Duration::ZERO, Duration::ZERO)
        );
        assert!(budget.is_over());
    }

    #[test]
    fn a_wait_leaves_room_for_the_callers_own_origin_call() {
        let (now, deadline) = (Instant::now(), Duration::from_secs(3));
        let budget = Budget::new(Duration::ZERO, Some(now + deadline));
        let until = |cost| budget.wait_until(now, Duration::from_secs(10), cost) - now;
        assert_eq!(
            until(Some(Duration::from_millis(300))),
            Duration::from_millis(2625)
        );
        assert_eq!(until(None), Duration::from_millis(1500));
        assert_eq!(until(Some(Duration::from_secs(9))), Duration::ZERO);
    }

    #[test]
    fn after_the_deadline_no_wait_begins() {
        let budget = Budget::new(Duration::from_secs(1), Some(Instant::now()));
        assert!(budget.wait_until(Instant::now(), Duration::MAX, None) <= Instant::now());
    }
}
