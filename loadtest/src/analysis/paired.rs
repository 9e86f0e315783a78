//! Cold against warm latency, key by key. Pairing takes the cost of a key out of the comparison:
//! unpaired intervals are three times as wide.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::{
    intervals::Interval, intervals::mean_interval, intervals::median, intervals::ratio_interval,
};
use crate::client::{sample::Answer, sample::Sample};
use crate::target::outcome::Outcome;

/// By the server's own clock, a shorter hit has no ratio: with three decimals of a millisecond, a
/// tenth of it would be rounding.
const MIN_SERVER_US: f64 = 5.0;

/// One function in one round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Pair {
    pub(crate) round: usize,
    pub(crate) function: String,
    /// Keys with both a cold and a warm latency.
    pub(crate) keys: usize,
    /// Medians over the keys, in microseconds.
    pub(crate) cold_us: f64,
    pub(crate) warm_us: f64,
    /// Median over the keys without the cache, if that was measured.
    pub(crate) bypass_us: Option<f64>,
    /// Median over the keys of how much longer a miss takes than no cache: lookup and fill. Without
    /// the origin's own time, where the server tells it on both sides.
    pub(crate) overhead_us: Option<f64>,
    /// Median over the keys of cold divided by warm.
    pub(crate) ratio: f64,
    /// The same by the server's own clock, if the server reports it.
    pub(crate) server_ratio: Option<f64>,
    /// Median time of the origin itself, by the server's clock.
    pub(crate) origin_us: Option<f64>,
    /// The same without the cache.
    #[serde(default)]
    pub(crate) bypass_origin_us: Option<f64>,
    /// Means over the keys, in microseconds: what the sum of many requests depends on.
    #[serde(default)]
    pub(crate) cold_mean_us: Option<f64>,
    #[serde(default)]
    pub(crate) warm_mean_us: Option<f64>,
    #[serde(default)]
    pub(crate) bypass_mean_us: Option<f64>,
    /// The same means by the server's own clock.
    #[serde(default)]
    pub(crate) server_cold_mean_us: Option<f64>,
    #[serde(default)]
    pub(crate) server_warm_mean_us: Option<f64>,
    #[serde(default)]
    pub(crate) server_bypass_mean_us: Option<f64>,
    /// Median of a hit by the server's own clock.
    #[serde(default)]
    pub(crate) server_warm_us: Option<f64>,
    /// Medians of the keys whose origin had been called before: a miss, and a call without the
    /// cache. They differ by what the cache costs and by nothing else.
    #[serde(default)]
    pub(crate) second_cold_us: Option<f64>,
    #[serde(default)]
    pub(crate) second_bypass_us: Option<f64>,
}

/// What the cache gains for one function, over all rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct SpeedUp {
    pub(crate) function: String,
    pub(crate) rounds: usize,
    /// Cold divided by warm. Absent with fewer than two rounds, as with the others.
    pub(crate) ratio: Option<Interval>,
    pub(crate) server_ratio: Option<Interval>,
    /// Microseconds that a hit saves.
    pub(crate) saved_us: Option<Interval>,
    /// Microseconds that a miss takes longer than no cache at all.
    pub(crate) overhead_us: Option<Interval>,
    /// The hit ratio above which the cache saves time: what a miss costs extra, divided by what a
    /// hit saves.
    pub(crate) break_even: Option<f64>,
    /// Without the cache.
    pub(crate) bypass_us: Option<f64>,
    /// How long the origin itself takes: a ratio over a chosen delay is as arbitrary as the delay.
    pub(crate) origin_us: Option<f64>,
    /// The same without the cache.
    #[serde(default)]
    pub(crate) bypass_origin_us: Option<f64>,
    /// The mean of a miss divided by the mean of a hit: slow answers count in it as often as they
    /// come.
    #[serde(default)]
    pub(crate) mean_ratio: Option<Interval>,
    /// Median of a hit by the server's own clock.
    #[serde(default)]
    pub(crate) server_warm_us: Option<f64>,
}

impl SpeedUp {
    /// The median of a hit by the server's own clock, if it is too short for a ratio.
    pub(crate) fn unresolved_us(&self) -> Option<f64> {
        self.server_warm_us.filter(|us| *us < MIN_SERVER_US)
    }
}

/// Pairs the cold, warm and bypass samples of one function; `None` if no key has both cold and
/// warm.
pub(crate) fn pair(
    round: usize,
    name: &str,
    [cold, warm, bypass]: [&[&Sample]; 3],
) -> Option<Pair> {
    let first = by_key(cold, Outcome::called_origin);
    let again = by_key(warm, Outcome::is_hit);
    let without = by_key(bypass, |outcome| outcome == Outcome::Bypass);
    let overhead = |(key, cold): (&usize, &KeyTimes)| {
        let bypass = without.get(key)?;
        let origins = cold.origin.zip(bypass.origin);
        let origins = origins.map_or(0.0, |(cold, bypass)| cold - bypass);
        Some((
            bypass.sent < cold.sent,
            cold.client - bypass.client - origins,
        ))
    };
    // A key whose bypass answer came first may have found a colder origin there.
    let bypassed_first = |key: &usize, cold: &KeyTimes| {
        let bypass = without.get(key);
        bypass.is_some_and(|bypass| bypass.sent < cold.sent)
    };
    let both: Vec<(bool, &KeyTimes, &KeyTimes)> = first
        .iter()
        .filter_map(|(key, cold)| Some((bypassed_first(key, cold), cold, again.get(key)?)))
        .collect();
    let both = || both.iter().copied();
    let server_ratios = both().filter_map(|(early, cold, warm)| {
        let ratio = cold.server? / warm.server.filter(|us| *us >= MIN_SERVER_US)?;
        ratio.is_finite().then_some((early, ratio))
    });
    let bypass = || {
        let times = without.iter();
        times.map(|(key, times)| {
            let cold = first.get(key);
            (cold.is_some_and(|cold| times.sent < cold.sent), times)
        })
    };
    let mean = |a: f64, b: f64| f64::midpoint(a, b);
    let geometric = |a: f64, b: f64| (a * b).sqrt();
    Some(Pair {
        round,
        function: name.to_owned(),
        keys: both().count(),
        cold_us: balanced(both().map(|(early, cold, _)| (early, cold.client)), mean)?,
        warm_us: median(both().map(|(_, _, warm)| warm.client))?,
        bypass_us: balanced(bypass().map(|(early, times)| (early, times.client)), mean),
        overhead_us: balanced(first.iter().filter_map(overhead), mean),
        ratio: balanced(
            both().map(|(early, cold, warm)| (early, cold.client / warm.client)),
            geometric,
        )?,
        server_ratio: balanced(server_ratios, geometric),
        origin_us: balanced(
            both().filter_map(|(early, cold, _)| Some((early, cold.origin?))),
            mean,
        ),
        bypass_origin_us: balanced(
            bypass().filter_map(|(early, times)| Some((early, times.origin?))),
            mean,
        ),
        cold_mean_us: balanced_mean(both().map(|(early, cold, _)| (early, cold.mean))),
        warm_mean_us: average(both().map(|(_, _, warm)| warm.mean)),
        bypass_mean_us: balanced_mean(bypass().map(|(early, times)| (early, times.mean))),
        server_cold_mean_us: balanced_mean(
            both().filter_map(|(early, cold, _)| Some((early, cold.server_mean?))),
        ),
        server_warm_mean_us: average(both().filter_map(|(_, _, warm)| warm.server_mean)),
        server_bypass_mean_us: balanced_mean(
            bypass().filter_map(|(early, times)| Some((early, times.server_mean?))),
        ),
        server_warm_us: median(both().filter_map(|(_, _, warm)| warm.server)),
        second_cold_us: median(
            both()
                .filter(|(early, ..)| *early)
                .map(|(_, cold, _)| cold.client),
        ),
        second_bypass_us: median(
            bypass()
                .filter(|(early, _)| !early)
                .map(|(_, times)| times.client),
        ),
    })
}

fn average(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// As [`balanced`], of means.
fn balanced_mean(values: impl Iterator<Item = (bool, f64)>) -> Option<f64> {
    let (early, late): (Vec<_>, Vec<_>) = values.partition(|(early, _)| *early);
    let of = |values: Vec<(bool, f64)>| average(values.into_iter().map(|(_, value)| value));
    match (of(early), of(late)) {
        (Some(early), Some(late)) => Some(f64::midpoint(early, late)),
        (early, late) => early.or(late),
    }
}

/// The mean of two medians: of the keys that were asked past the cache before their cold request,
/// and of the others. Each half is the first to call the origin on one side, so that an origin that
/// is slower on its first call for a key adds the same to both sides.
fn balanced(values: impl Iterator<Item = (bool, f64)>, mean: fn(f64, f64) -> f64) -> Option<f64> {
    let (early, late): (Vec<_>, Vec<_>) = values.partition(|(early, _)| *early);
    let of = |values: Vec<(bool, f64)>| median(values.into_iter().map(|(_, value)| value));
    match (of(early), of(late)) {
        (Some(early), Some(late)) => Some(mean(early, late)),
        (early, late) => early.or(late),
    }
}

/// One key's times in microseconds: of its one cold request, or the medians of its warm ones.
struct KeyTimes {
    /// When its first request was sent.
    sent: Duration,
    client: f64,
    mean: f64,
    server: Option<f64>,
    server_mean: Option<f64>,
    origin: Option<f64>,
}

fn by_key(samples: &[&Sample], counts: fn(Outcome) -> bool) -> BTreeMap<usize, KeyTimes> {
    let mut keys: BTreeMap<usize, Vec<(&Sample, &Answer)>> = BTreeMap::new();
    for sample in samples {
        match &sample.answer {
            Ok(answer) if counts(answer.outcome) => keys
                .entry(sample.key_index)
                .or_default()
                .push((sample, answer)),
            _ => {}
        }
    }
    keys.into_iter()
        .filter_map(|(key, answers)| Some((key, times(&answers)?)))
        .collect()
}

fn times(answers: &[(&Sample, &Answer)]) -> Option<KeyTimes> {
    let us = |duration: Duration| duration.as_secs_f64() * 1e6;
    let server = |pick: fn(&Answer) -> Option<Duration>| {
        median(
            answers
                .iter()
                .filter_map(|(_, answer)| pick(answer).map(us)),
        )
    };
    Some(KeyTimes {
        sent: answers.iter().map(|(sample, _)| sample.sent).min()?,
        client: median(answers.iter().map(|(sample, _)| us(sample.latency)))?,
        mean: average(answers.iter().map(|(sample, _)| us(sample.latency)))?,
        server: server(|answer| answer.server.total),
        server_mean: average(
            answers
                .iter()
                .filter_map(|(_, one)| one.server.total.map(us)),
        ),
        origin: server(|answer| answer.server.origin),
    })
}

/// The result of all rounds for one function.
pub(crate) fn speed_up(function: &str, pairs: &[Pair]) -> SpeedUp {
    let pairs = pairs.iter().filter(|pair| pair.function == function);
    let pairs: Vec<&Pair> = pairs.collect();
    let collect = |pick: fn(&Pair) -> Option<f64>| -> Vec<f64> {
        pairs.iter().filter_map(|pair| pick(pair)).collect()
    };
    let overhead = mean_interval(&collect(|pair| pair.overhead_us));
    let saved = mean_interval(&collect(|pair| Some(pair.cold_us - pair.warm_us)));
    let break_even = overhead
        .zip(saved)
        .map(|(overhead, saved)| overhead.estimate / saved.estimate);
    SpeedUp {
        function: function.to_owned(),
        rounds: pairs.len(),
        ratio: ratio_interval(&collect(|pair| Some(pair.ratio))),
        server_ratio: ratio_interval(&collect(|pair| pair.server_ratio)),
        saved_us: saved,
        overhead_us: overhead,
        // Below zero, the overhead is too small to measure.
        break_even: break_even
            .filter(|ratio| ratio.is_finite())
            .map(|ratio| ratio.max(0.0)),
        bypass_us: median(collect(|pair| pair.bypass_us)),
        origin_us: median(collect(|pair| pair.origin_us)),
        bypass_origin_us: median(collect(|pair| pair.bypass_origin_us)),
        mean_ratio: ratio_interval(&collect(|pair| {
            Some(pair.cold_mean_us? / pair.warm_mean_us?)
        })),
        server_warm_us: median(collect(|pair| pair.server_warm_us)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::server_timing::ServerTiming;

    fn sample(key: usize, outcome: Outcome, ms: u64) -> Sample {
        let server = ServerTiming {
            total: Some(Duration::from_micros(ms * 500)),
            ..ServerTiming::default()
        };
        let answer = Answer {
            outcome,
            server,
            ..Answer::default()
        };
        Sample::test(key, [0, ms], Ok(answer))
    }

    #[test]
    fn keys_are_paired_and_anything_but_a_hit_is_left_out_of_warm() {
        let cold = [
            sample(0, Outcome::Miss, 100),
            sample(1, Outcome::Miss, 40),
            sample(2, Outcome::Hit, 1),
        ];
        let warm = [
            sample(0, Outcome::Hit, 10),
            sample(0, Outcome::Miss, 99),
            sample(1, Outcome::Hit, 2),
        ];
        let bypass = [
            sample(0, Outcome::Bypass, 97),
            sample(1, Outcome::Bypass, 39),
        ];
        let [cold, warm, bypass] =
            [&cold[..], &warm, &bypass].map(|samples| samples.iter().collect::<Vec<_>>());
        let pair = pair(3, "f", [&cold, &warm, &bypass]).unwrap();
        assert_eq!(
            (pair.bypass_us, pair.overhead_us),
            (Some(68_000.0), Some(2000.0))
        );
        assert_eq!((pair.round, pair.keys), (3, 2));
        assert!(
            (pair.ratio - 15.0).abs() < 1e-9,
            "median of 10 and 20: {}",
            pair.ratio
        );
        assert_eq!(pair.server_ratio, Some(15.0));
    }

    /// The origin takes 30 ms on a key's first call and 10 ms on the next one; the cache adds 1 ms.
    #[test]
    fn an_origin_that_is_slower_at_first_is_no_cost_of_the_cache() {
        let at = |at_ms, key, outcome, ms| Sample {
            sent: Duration::from_millis(at_ms),
            ..sample(key, outcome, ms)
        };
        let bypass = [
            at(0, 0, Outcome::Bypass, 30),
            at(0, 1, Outcome::Bypass, 30),
            at(300, 2, Outcome::Bypass, 10),
            at(300, 3, Outcome::Bypass, 10),
        ];
        let cold = [11, 11, 31, 31].into_iter().enumerate();
        let cold: Vec<Sample> = cold
            .map(|(key, ms)| at(100, key, Outcome::Miss, ms))
            .collect();
        let warm: Vec<Sample> = (0..4).map(|key| at(200, key, Outcome::Hit, 1)).collect();
        let [cold, warm, bypass] =
            [&cold[..], &warm, &bypass].map(|samples| samples.iter().collect::<Vec<_>>());
        let pair = pair(0, "f", [&cold, &warm, &bypass]).unwrap();
        assert_eq!(pair.overhead_us, Some(1000.0));
        assert_eq!((pair.cold_us, pair.bypass_us), (21_000.0, Some(20_000.0)));
    }

    #[test]
    fn a_hit_that_the_servers_clock_cannot_resolve_has_no_ratio_there() {
        let of = |outcome, server_ns, ms| {
            let mut sample = sample(0, outcome, ms);
            let server = Some(Duration::from_nanos(server_ns));
            sample.answer.as_mut().unwrap().server.total = server;
            sample
        };
        let (cold, warm) = (of(Outcome::Miss, 24_000_000, 24), of(Outcome::Hit, 60, 1));
        let pair = pair(0, "f", [&[&cold], &[&warm], &[]]).unwrap();
        assert_eq!((pair.server_ratio, pair.ratio), (None, 24.0));
        let speed_up = speed_up("f", &[pair.clone(), pair]);
        assert_eq!(speed_up.unresolved_us(), Some(0.06));
    }

    #[test]
    fn nothing_to_pair_is_no_pair() {
        assert_eq!(pair(0, "f", [&[], &[], &[]]), None);
        assert_eq!(speed_up("f", &[]).ratio, None);
    }
}
