//! How old an entry is. Its times are those of its writer's clock, which may differ from this
//! machine's. The meta protocol shows for how long the server keeps the entry, and both clocks can
//! be compared with that; with the classic protocol a difference is only noticed.

use super::{Call, decision::Age};
use crate::{
    clock::{self, Millis},
    entry::Entry,
};

/// How much the clocks of two machines may differ.
const SKEW: Millis = 1000;
/// An entry's life is rounded up to seconds, a server counts whole ones, and a second of its own
/// may end at once: it keeps an entry for at most so long after its time.
const KEPT_AFTER: Millis = 3000;
/// Longer lives are dates, which do not show the server's clock. Two seconds less than memcached's
/// 30 days, since a life is rounded up.
const LONGEST: Millis = 30 * 86_400_000 - 2000;

impl Call<'_> {
    /// `entry` with its times as this machine's clock would have shown them, and its age. The server
    /// keeps it for `seconds_left`. No age: it has expired, and without a stale window, so that no
    /// marker is needed to replace it.
    pub(super) fn aged<'a>(
        &self,
        mut entry: Entry<'a>,
        now: Millis,
        seconds_left: Option<u32>,
    ) -> (Entry<'a>, Option<Age>) {
        let is_expired = entry.fresh_until == Entry::EXPIRED;
        if is_expired {
            entry.fresh_until = entry.discard_at.saturating_sub(self.stale());
        }
        let is_of_the_future = entry.created > now.saturating_add(SKEW);
        let least = self.earliest_now(&entry, seconds_left);
        let difference = match least {
            // By the server's clock it is now between these two times of the writer's clock.
            Some(least) => {
                let alike = least.saturating_sub(SKEW)..=least.saturating_add(KEPT_AFTER + SKEW);
                let is_alike = alike.contains(&now) && !is_of_the_future;
                let shift = signed(now, least.saturating_add(KEPT_AFTER / 2));
                (!is_alike).then(|| {
                    for time in [
                        &mut entry.created,
                        &mut entry.fresh_until,
                        &mut entry.discard_at,
                    ] {
                        *time = time.saturating_add_signed(shift);
                    }
                    shift
                })
            }
            None if is_of_the_future => Some(signed(now, entry.created)),
            None => {
                let kept = self.grace(&entry).saturating_add(KEPT_AFTER + SKEW);
                let end = entry.discard_at.saturating_add(kept);
                (now > end).then(|| signed(now, end))
            }
        };
        if let Some(difference) = difference
            && self.cache.store.is_shared()
        {
            let decides = match least {
                Some(_) => "the server's clock decides",
                None => "ttls are wrong by as much",
            };
            self.cache.log.clocks(self.key.name(), difference, decides);
        }
        let future = is_of_the_future && least.is_none();
        let is_fresh = !is_expired && now < entry.fresh_until && !future;
        let age = match is_fresh {
            true => Some(Age::Fresh),
            false => self.past(&entry, now),
        };
        (entry, age)
    }

    fn past(&self, entry: &Entry<'_>, now: Millis) -> Option<Age> {
        if self.stale() == 0 {
            return None;
        }
        Some(if now < self.served_until(entry) {
            Age::Stale
        } else if now < self.on_error_until(entry) {
            Age::OnError
        } else {
            Age::Expired
        })
    }

    /// The earliest time that the writer's clock may show now, by the server's. `None` if that is
    /// not known, or cannot be.
    fn earliest_now(&self, entry: &Entry<'_>, seconds_left: Option<u32>) -> Option<Millis> {
        let left = Millis::from(seconds_left?) * 1000;
        let end = entry.discard_at.checked_add(self.grace(entry))?;
        let life = end
            .checked_sub(entry.created)
            .filter(|life| *life <= LONGEST)?;
        (left <= life + KEPT_AFTER + SKEW).then(|| end.saturating_sub(left))
    }

    /// How much longer than it may be served an entry is kept: one with a stale window as long as a
    /// lease, because a refresh may still run at the end.
    fn grace(&self, entry: &Entry<'_>) -> Millis {
        match entry.fresh_until == entry.discard_at {
            true => 0,
            false => clock::millis(self.policy.lease),
        }
    }

    fn stale(&self) -> Millis {
        clock::millis(self.policy.stale())
    }
}

/// The time from `then` to `now`.
fn signed(now: Millis, then: Millis) -> i64 {
    let apart = i64::try_from(now.abs_diff(then)).unwrap_or(i64::MAX);
    if now < then { -apart } else { apart }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        Cache, Key, Policy,
        entry::{Generation, Generations},
        payload::Payload,
        store::Lifetime,
    };

    const PLAIN: Policy = Policy::ttl(Duration::from_secs(60));
    const STALE: Policy = PLAIN.stale_while_revalidate(Duration::from_secs(60));
    const WRITTEN: Millis = 1_800_000_000_000;

    fn entry<'a>(call: &Call<'_>) -> Entry<'a> {
        let generation = Generation::mint(0, 0);
        let generations = Generations {
            namespace: generation,
            function: generation,
        };
        let fresh_until = WRITTEN + 60_000;
        let (cost, payload) = (Duration::ZERO, Payload::Plain(b""));
        call.policy
            .entry(generations, WRITTEN, fresh_until, cost, payload)
    }

    /// The ages that a reader sees whose clock is `ahead` of the writer's, `passed` after the
    /// write, wherever in its second the server was then. `None` in the answer: the entry has
    /// expired.
    fn ages(policy: &Policy, ahead: i64, passed: Millis) -> Vec<Option<Age>> {
        let (cache, key) = (Cache::memory(), Key::new("aged", &()).unwrap());
        let call = Call::new(cache.shared(), &key, &policy.parts, None);
        let entry = entry(&call);
        let served = entry.discard_at - WRITTEN + call.grace(&entry);
        let Lifetime::Seconds(life) = Lifetime::at_least(Duration::from_millis(served)) else {
            panic!("it ends")
        };
        let now = (WRITTEN + passed).saturating_add_signed(ahead);
        let seen = (0..1000).step_by(50).filter_map(|phase| {
            let left = u64::from(life.get()).checked_sub((phase + passed) / 1000)?;
            let (_, age) = call.aged(entry, now, Some(left.try_into().unwrap()));
            Some(age)
        });
        seen.collect()
    }

    #[test]
    fn clocks_that_agree_are_exact_to_the_millisecond() {
        for ahead in [-900, 0, 900] {
            let end = 60_000_u64.saturating_add_signed(-ahead);
            for policy in [PLAIN, STALE] {
                let fresh = ages(&policy, ahead, end - 1);
                assert!(
                    fresh.iter().all(|age| *age == Some(Age::Fresh)),
                    "{fresh:?}"
                );
                let past = ages(&policy, ahead, end);
                assert!(past.iter().all(|age| *age != Some(Age::Fresh)), "{past:?}");
            }
        }
    }

    #[test]
    fn the_servers_clock_decides_where_clocks_differ() {
        for ahead in [
            -86_400_000,
            -3_600_000,
            -61_000,
            -5000,
            5000,
            61_000,
            3_600_000,
        ] {
            for policy in [PLAIN, STALE] {
                for passed in [0, 1, 30_000, 58_000] {
                    let ages = ages(&policy, ahead, passed);
                    let fresh = ages.iter().all(|age| *age == Some(Age::Fresh));
                    assert!(fresh, "{ahead}, after {passed}: {ages:?}");
                }
                let past = ages(&policy, ahead, 62_000);
                let expected = (!policy.parts.stale().is_zero()).then_some(Age::Stale);
                assert!(past.iter().all(|age| *age == expected), "{ahead}: {past:?}");
            }
        }
    }

    #[test]
    fn a_server_that_keeps_it_longer_than_it_was_written_for_shows_no_time() {
        let (cache, key) = (Cache::memory(), Key::new("aged", &()).unwrap());
        let call = Call::new(cache.shared(), &key, &PLAIN.parts, None);
        for left in [66, 100_000, u32::MAX] {
            let (_, age) = call.aged(entry(&call), WRITTEN + 61_000, Some(left));
            assert_eq!(age, None, "{left}");
        }
    }

    #[test]
    fn forged_times_are_only_times() {
        let (cache, key) = (Cache::memory(), Key::new("aged", &()).unwrap());
        let times = [0, 1, WRITTEN, Entry::EXPIRED, u64::MAX - 1, u64::MAX];
        for policy in [
            PLAIN,
            STALE,
            PLAIN.stale_if_error(Duration::from_secs(86_400)),
        ] {
            let call = Call::new(cache.shared(), &key, &policy.parts, None);
            for (created, fresh_until) in times.iter().flat_map(|a| times.map(|b| (*a, b))) {
                for (discard_at, now) in times.iter().flat_map(|a| times.map(|b| (*a, b))) {
                    let forged = Entry {
                        created,
                        fresh_until,
                        discard_at,
                        ..entry(&call)
                    };
                    for left in [None, Some(0), Some(60), Some(u32::MAX)] {
                        call.aged(forged, now, left);
                    }
                }
            }
        }
    }

    #[test]
    fn what_a_verb_has_expired_is_fresh_by_no_clock() {
        let (cache, key) = (Cache::memory(), Key::new("aged", &()).unwrap());
        let call = Call::new(cache.shared(), &key, &STALE.parts, None);
        let expired = Entry {
            fresh_until: Entry::EXPIRED,
            discard_at: WRITTEN + 90_000,
            ..entry(&call)
        };
        for now in [0, WRITTEN - 500, WRITTEN + 30_000] {
            let (seen, age) = call.aged(expired, now, None);
            assert_eq!(
                (seen.fresh_until, age),
                (WRITTEN + 30_000, Some(Age::Stale)),
                "{now}"
            );
        }
    }
}
