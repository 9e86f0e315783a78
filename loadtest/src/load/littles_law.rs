//! Little's law: a user that asks again as soon as it has its answer is always waiting for one, so
//! throughput times mean latency is the number of users. This breaks if a clock stops too early,
//! requests are lost, or users idle.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How far the two sides may differ.
const TOLERANCE: f64 = 0.05;

/// A machine that is busy with other work delays this tool between two requests. Below this share
/// of waiting, that no longer explains the difference.
const IDLE: f64 = 0.5;

/// With fewer requests per user, one late start would be a large part of the result.
const MIN_REQUESTS_PER_USER: usize = 5;

/// The users of one closed segment, each from its first request to its last: before and after, it
/// may have had nothing to do.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct ClosedLoop {
    pub(crate) users: usize,
    pub(crate) requests: usize,
    active: Duration,
    waited: Duration,
}

/// Throughput times mean latency, divided by the number of users.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Balance {
    pub(crate) waiting: f64,
    /// The most that this tool's own work between an answer and the next request can explain.
    pub(crate) own: f64,
}

impl ClosedLoop {
    /// Adds a user by its requests: when each was sent, and its latency.
    pub(crate) fn add_user(&mut self, requests: &[(Duration, Duration)]) {
        let [(first, _), .., (last, _)] = requests else {
            return;
        };
        let before_last = &requests[..requests.len() - 1];
        self.users += 1;
        self.requests += requests.len();
        self.active += last.saturating_sub(*first);
        self.waited += before_last
            .iter()
            .map(|(_, latency)| *latency)
            .sum::<Duration>();
    }

    /// `None` with too few requests. `cpu` is the CPU time of this process in the meantime. With
    /// fast answers its work between two requests is no small part, and while it works for one
    /// user, the others wait.
    pub(crate) fn balance(&self, cpu: Duration) -> Option<Balance> {
        let active = self.active.as_secs_f64();
        let enough =
            self.users > 0 && self.requests >= MIN_REQUESTS_PER_USER * self.users && active > 0.0;
        enough.then(|| Balance {
            waiting: self.waited.as_secs_f64() / active,
            own: cpu.as_secs_f64() * self.users as f64 / active,
        })
    }
}

impl Balance {
    /// Whether both sides agree, except for the tool's own work.
    pub(crate) fn holds(self) -> bool {
        !self.is_broken() && self.waiting + self.own >= 1.0 - TOLERANCE
    }

    /// Whether they differ so much that a clock or a count is wrong, or users idled.
    pub(crate) fn is_broken(self) -> bool {
        self.waiting > 1.0 + TOLERANCE || self.waiting + self.own < IDLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One user that sends every `every` ms and has each answer after `latency` ms.
    fn user(requests: u64, every: u64, latency: u64) -> Vec<(Duration, Duration)> {
        let ms = Duration::from_millis;
        (0..requests)
            .map(|n| (ms(n * every), ms(latency)))
            .collect()
    }

    fn holds(users: &[Vec<(Duration, Duration)>], cpu_ms: u64) -> Option<bool> {
        let mut closed = ClosedLoop::default();
        users.iter().for_each(|requests| closed.add_user(requests));
        let balance = closed.balance(Duration::from_millis(cpu_ms))?;
        Some(balance.holds())
    }

    #[test]
    fn users_that_always_wait_balance_and_idle_ones_do_not() {
        assert_eq!(holds(&[user(10, 100, 98), user(20, 50, 49)], 0), Some(true));
        assert_eq!(
            holds(&[user(10, 100, 90)], 0),
            Some(false),
            "a tenth is lost"
        );
        assert_eq!(holds(&[user(10, 100, 110)], 0), Some(false), "two at once");
        let waiting = |waiting| Balance { waiting, own: 0.0 };
        assert!(waiting(1.1).is_broken() && waiting(0.4).is_broken());
        assert!(
            !waiting(0.9).is_broken(),
            "others may have used the machine"
        );
        assert_eq!(holds(&[user(4, 100, 98)], 0), None, "too few");
        assert_eq!(holds(&[], 0), None);
    }

    #[test]
    fn the_tools_own_work_explains_what_it_can() {
        assert_eq!(holds(&[user(10, 10, 8)], 17), Some(true), "18 of 90 ms");
        assert_eq!(holds(&[user(10, 10, 8)], 9), Some(false));
    }
}
