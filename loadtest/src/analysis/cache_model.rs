//! Would a cache with lifetimes have answered so? Replays a phase through a model of one.
//!
//! The model takes misses as fills, so it finds hits without a live fill, and misses despite one.
//! Whether origin calls are as claimed is another check. A miss may be followed by another miss if
//! the cache says that it failed, or does not say that it stored the answer although it says so of
//! others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::client::sample::Sample;
use crate::target::outcome::Outcome;

/// `ttl` has whole seconds, and there are two clocks: an entry may end this much sooner or later.
const SLACK: Duration = Duration::from_millis(1500);

/// Caches may shorten lifetimes at random, so that entries do not expire together; larder by up to
/// a tenth.
const MIN_LIFETIME_SHARE: f64 = 0.8;

/// How a phase compares with the model.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Agreement {
    pub(crate) answers: usize,
    pub(crate) contradicted: usize,
    /// Misses although the entry was stored and had time to live: it was evicted, or another
    /// instance has it.
    pub(crate) lost: usize,
    /// The first contradiction, in words.
    pub(crate) example: Option<String>,
}

#[derive(Clone, Copy)]
struct Fill {
    /// When its request was sent: from then on it may be stored.
    began: Duration,
    /// When its answer was complete: it is stored.
    ended: Duration,
    /// Whether the cache stored it, as far as its answer says.
    stored: bool,
}

/// Replays the samples, in the order of sending, of a phase that began with an empty cache.
pub(crate) fn replay(samples: &[Sample]) -> Agreement {
    let lifetimes = lifetimes(samples);
    // A cache that never says "stored" is assumed to store every miss.
    let stored = samples.iter().filter(|sample| sample.says_stored());
    let say_stored: BTreeSet<usize> = stored.map(|sample| sample.function).collect();
    let mut fills: BTreeMap<(usize, usize), Vec<Fill>> = BTreeMap::new();
    for sample in samples {
        if let Some(outcome) = sample.outcome().filter(|outcome| outcome.called_origin()) {
            use Outcome::{Expired, Miss, Revalidated};
            let fills_cache = matches!(outcome, Miss | Expired | Revalidated);
            let fill = Fill {
                stored: fills_cache
                    && !sample.cache_failed()
                    && (!say_stored.contains(&sample.function) || sample.says_stored()),
                began: sample.sent,
                ended: sample.sent + sample.latency,
            };
            let key = (sample.function, sample.key_index);
            fills.entry(key).or_default().push(fill);
        }
    }
    let mut agreement = Agreement::default();
    for sample in samples {
        // A failed cache need not have its entries.
        let Some(outcome) = sample.outcome().filter(|_| !sample.cache_failed()) else {
            continue;
        };
        agreement.answers += 1;
        let fills = fills.get(&(sample.function, sample.key_index));
        let fills = fills.map_or(&[][..], Vec::as_slice);
        let lifetime = lifetimes.get(&sample.function).copied();
        if let Some(reason) = contradiction(sample, outcome, fills, lifetime) {
            agreement.contradicted += 1;
            agreement.lost += usize::from(outcome == Outcome::Miss);
            let at = sample.sent.as_secs_f64();
            let text = || format!("key {} at {at:.1} s: {reason}", sample.key_index);
            agreement.example.get_or_insert_with(text);
        }
    }
    agreement
}

/// The longest lifetime that the answers of each function named.
fn lifetimes(samples: &[Sample]) -> BTreeMap<usize, Duration> {
    let mut lifetimes = BTreeMap::new();
    for sample in samples {
        let ttl_s = sample.answer.as_ref().ok().and_then(|answer| answer.ttl_s);
        if let Some(seconds) = ttl_s.and_then(|seconds| u64::try_from(seconds).ok()) {
            let longest: &mut Duration = lifetimes.entry(sample.function).or_default();
            *longest = Duration::from_secs(seconds).max(*longest);
        }
    }
    lifetimes
}

fn contradiction(
    sample: &Sample,
    outcome: Outcome,
    fills: &[Fill],
    lifetime: Option<Duration>,
) -> Option<&'static str> {
    let (sent, ended) = (sample.sent, sample.sent + sample.latency);
    let longest = lifetime.map_or(Duration::MAX, |lifetime| lifetime + SLACK);
    match outcome {
        Outcome::Hit => {
            let could_serve =
                |fill: &Fill| fill.began <= ended && sent.saturating_sub(fill.ended) <= longest;
            (!fills.iter().any(could_serve)).then_some("a hit that no live entry explains")
        }
        Outcome::Miss => {
            let shortest = lifetime?.mul_f64(MIN_LIFETIME_SHARE).saturating_sub(SLACK);
            let live = fills
                .iter()
                .any(|fill| fill.stored && fill.ended < sent && sent - fill.ended < shortest);
            live.then_some("a miss although its entry was stored and live")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::sample::Answer;

    fn sample(at_ms: u64, took_ms: u64, outcome: Outcome, ttl_s: Option<i64>) -> Sample {
        let answer = Answer {
            outcome,
            ttl_s,
            ..Answer::default()
        };
        Sample::test(0, [at_ms, took_ms], Ok(answer))
    }

    /// The same with a change to its answer.
    fn changed(sample: Sample, change: fn(&mut Answer)) -> Sample {
        let mut sample = sample;
        sample.answer.as_mut().map(change).unwrap();
        sample
    }

    fn contradicted(samples: &[Sample]) -> usize {
        replay(samples).contradicted
    }

    #[test]
    fn a_fill_lets_hits_follow_until_it_expires() {
        let mut samples = vec![
            sample(0, 100, Outcome::Miss, None),
            sample(200, 1, Outcome::Hit, Some(10)),
        ];
        samples.push(sample(15_000, 1, Outcome::Miss, None));
        assert_eq!(contradicted(&samples), 0);
        samples.push(sample(40_000, 1, Outcome::Hit, Some(10)));
        assert_eq!(contradicted(&samples), 1, "nothing filled the key for 25 s");
    }

    #[test]
    fn a_hit_that_nothing_filled_and_a_miss_despite_a_fill_contradict() {
        assert_eq!(contradicted(&[sample(0, 1, Outcome::Hit, Some(10))]), 1);
        let twice = [
            sample(0, 1, Outcome::Miss, None),
            sample(9, 1, Outcome::Hit, Some(10)),
            sample(50, 1, Outcome::Miss, None),
        ];
        assert_eq!(contradicted(&twice), 1);
    }

    /// One key is missed twice, the first time with a change; its lifetime is known from a hit of
    /// another key.
    fn missed_again(first: fn(&mut Answer), other: fn(&mut Answer)) -> usize {
        let mut others = [
            changed(sample(0, 1, Outcome::Miss, None), other),
            sample(5, 1, Outcome::Hit, Some(10)),
        ];
        others.iter_mut().for_each(|sample| sample.key_index = 1);
        let first = changed(sample(10, 1, Outcome::Miss, None), first);
        let again = sample(50, 1, Outcome::Miss, None);
        contradicted(&[&others[..], &[first, again]].concat())
    }

    #[test]
    fn a_miss_with_trouble_is_no_fill() {
        let cache_failures = |answer: &mut Answer| answer.detail = Some("timeout".into());
        assert_eq!(missed_again(cache_failures, |_| ()), 0);
        assert_eq!(missed_again(|_| (), |_| ()), 1, "without the trouble it is");
    }

    #[test]
    fn a_miss_that_is_not_said_stored_is_a_fill_only_where_nothing_ever_is() {
        let stored = |answer: &mut Answer| answer.stored = true;
        assert_eq!(missed_again(|_| (), stored), 0, "it waited in vain");
        assert_eq!(missed_again(stored, stored), 1);
        assert_eq!(
            missed_again(|_| (), |_| ()),
            1,
            "a cache that never says it"
        );
    }

    #[test]
    fn a_bypass_fills_nothing() {
        let recovered = [
            sample(0, 1, Outcome::Hit, Some(10)),
            sample(10, 1, Outcome::Bypass, None),
            sample(50, 1, Outcome::Miss, None),
        ];
        assert_eq!(contradicted(&recovered[1..]), 0, "the breaker closed again");
    }

    #[test]
    fn callers_that_race_with_a_fill_may_see_either() {
        let race = [
            sample(0, 100, Outcome::Miss, None),
            sample(50, 60, Outcome::Hit, Some(10)),
            sample(50, 60, Outcome::Miss, None),
            sample(60, 10, Outcome::Collapsed, None),
        ];
        assert_eq!(contradicted(&race), 0);
    }
}
