//! A distribution of latencies: HDR histograms, and the quantiles that they have samples for.
//!
//! Requests of one round share its moment: its keys, the machine's other work, the state of the
//! caches. An interval that takes all requests as independent of each other is too narrow by far.
//! Here the rounds are the independent values, as for ratios.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::intervals::{
    Interval, mean_interval, min_samples, quantile_ranks, ratio_interval, student_t,
};

/// The longest latency in nanoseconds: ten minutes; longer ones count as this.
const MAX_NS: u64 = 600_000_000_000;

/// A round has a quantile of its own with this many samples beyond it; with fewer, the quantile
/// would be biased.
const MIN_BEYOND: f64 = 5.0;

/// Latencies with a resolution of 0.1 %.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Recorded", into = "Recorded")]
pub(crate) struct Latencies {
    all: Histogram<u64>,
    /// The same by round, or by any other part of the time.
    rounds: BTreeMap<usize, Histogram<u32>>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            all: Histogram::new_with_bounds(64, MAX_NS, 3)
                .expect("64 ns to ten minutes in three digits is a valid range"),
            rounds: BTreeMap::new(),
        }
    }
}

/// [`Latencies`] as they are written: by round, the nanoseconds of each step and how many there are.
#[derive(Serialize, Deserialize)]
struct Recorded(Vec<(usize, Vec<(u64, u64)>)>);

impl From<Latencies> for Recorded {
    fn from(latencies: Latencies) -> Self {
        let steps = |round: &Histogram<u32>| {
            let steps = round.iter_recorded();
            let steps = steps.map(|step| (step.value_iterated_to(), step.count_at_value().into()));
            steps.collect()
        };
        let rounds = latencies.rounds.iter();
        Self(rounds.map(|(round, own)| (*round, steps(own))).collect())
    }
}

impl From<Recorded> for Latencies {
    fn from(Recorded(rounds): Recorded) -> Self {
        let mut latencies = Self::default();
        for (round, steps) in rounds {
            for (ns, count) in steps {
                latencies.record_times(round, ns, count);
            }
        }
        latencies
    }
}

/// It grows with the longest latency: most rounds need a tenth of the whole range.
fn round_histogram() -> Histogram<u32> {
    let mut histogram = Histogram::new_with_bounds(64, 1 << 20, 3)
        .expect("64 ns to a millisecond in three digits is a valid range");
    histogram.auto(true);
    histogram
}

impl Latencies {
    /// Adds a latency of the only round.
    pub(crate) fn record(&mut self, latency: Duration) {
        self.record_in(0, latency);
    }

    /// Adds a latency of this round.
    pub(crate) fn record_in(&mut self, round: usize, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(MAX_NS);
        self.record_times(round, ns, 1);
    }

    fn record_times(&mut self, round: usize, ns: u64, count: u64) {
        let ns = ns.clamp(1, MAX_NS);
        self.all.saturating_record_n(ns, count);
        let histogram = self.rounds.entry(round).or_insert_with(round_histogram);
        // It grows: there is no value up to the maximum that it refuses.
        _ = histogram.record_n(ns, u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// Adds what was measured at the same time by another generator.
    pub(crate) fn merge(&mut self, other: Self) {
        for (round, steps) in Recorded::from(other).0 {
            for (ns, count) in steps {
                self.record_times(round, ns, count);
            }
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.all.len()
    }

    /// How much longer the median is than that of `reference`, in microseconds, with its interval
    /// over the rounds that both were measured in, by turns.
    pub(crate) fn median_error(&self, reference: &Self) -> Option<Interval> {
        let rounds = self.rounds.iter().filter_map(|(round, own)| {
            let median = |one: &Histogram<u32>| one.value_at_quantile(0.5) as f64 / 1e3;
            Some(median(own) - median(reference.rounds.get(round)?))
        });
        mean_interval(&rounds.collect::<Vec<f64>>())
    }

    /// `None` with too few samples.
    fn quantile(&self, q: f64) -> Option<Quantile> {
        let us = |ns: u64| ns as f64 / 1e3;
        let ranks = quantile_ranks(q, self.all.len())?;
        if self.rounds.len() > 1
            && let Some(quantile) = self.mean_of_rounds(q)
        {
            return Some(quantile);
        }
        let (low, high) = match self.rounds.len() {
            0 | 1 => ranks,
            _ => self.ranks_over_rounds(q, ranks),
        };
        Some(Quantile {
            us: us(self.all.value_at_quantile(q)),
            low_us: us(self.at_rank(low)),
            high_us: us(self.at_rank(high)),
        })
    }

    /// The geometric mean of the rounds' own quantiles and its t-interval; `None` if a round has
    /// too few samples for one.
    fn mean_of_rounds(&self, q: f64) -> Option<Quantile> {
        let needed = (MIN_BEYOND / q.min(1.0 - q)).ceil() as u64;
        let needed = needed.max(min_samples(q));
        let rounds = self.rounds.values();
        let quantiles: Option<Vec<f64>> = rounds
            .map(|round| {
                let us = round.value_at_quantile(q) as f64 / 1e3;
                (round.len() >= needed).then_some(us)
            })
            .collect();
        let interval = ratio_interval(&quantiles?)?;
        // Whole nanoseconds, which a report.json keeps exactly.
        let whole = |us: f64| (us * 1e3).round() / 1e3;
        Some(Quantile {
            us: whole(interval.estimate),
            low_us: whole(interval.low),
            high_us: whole(interval.high),
        })
    }

    /// For a quantile of all samples together: the ranks that enclose it (Woodruff), by how much
    /// the share of samples below it differs from round to round. Never narrower than
    /// `independent`, the ranks for samples that have nothing in common.
    fn ranks_over_rounds(&self, q: f64, independent: (u64, u64)) -> (u64, u64) {
        let (whole, rounds) = (self.all.len() as f64, self.rounds.len() as f64);
        let value = self.all.value_at_quantile(q);
        let square = |round: &Histogram<u32>| {
            let share = round.count_between(0, value) as f64 / round.len().max(1) as f64;
            (round.len() as f64 / whole * (share - q)).powi(2)
        };
        let squares: f64 = self.rounds.values().map(square).sum();
        let error = (squares * rounds / (rounds - 1.0)).sqrt();
        let half = student_t(self.rounds.len() - 1) * error * whole;
        let low = (q * whole - half).floor().max(1.0) as u64;
        let high = (q * whole + half).ceil().min(whole - 1.0) as u64 + 1;
        (low.min(independent.0), high.max(independent.1))
    }

    pub(crate) fn summary(&self) -> Summary {
        let us = |ns: u64| ns as f64 / 1e3;
        Summary {
            count: self.all.len(),
            min_us: us(self.all.min()),
            mean_us: self.all.mean() / 1e3,
            max_us: us(self.all.max()),
            p50: self.quantile(0.5),
            p90: self.quantile(0.9),
            p95: self.quantile(0.95),
            p99: self.quantile(0.99),
            p999: self.quantile(0.999),
            counts: self.counts(),
        }
    }

    fn at_rank(&self, rank: u64) -> u64 {
        self.all
            .value_at_quantile(rank as f64 / self.all.len().max(1) as f64)
    }

    /// The distribution in steps of a tenth of an octave, for charts and for rendering a report
    /// again.
    fn counts(&self) -> Vec<(f64, u64)> {
        let mut counts: Vec<(f64, u64)> = Vec::new();
        for value in self.all.iter_recorded() {
            let step = (value.value_iterated_to() as f64 / 1e3).log2() * 10.0;
            let us = (step.round() / 10.0).exp2();
            match counts.last_mut() {
                Some((last, count)) if (*last - us).abs() < 1e-9 * us => {
                    *count += value.count_at_value()
                }
                _ => counts.push((us, value.count_at_value())),
            }
        }
        counts
    }
}

/// A distribution as it is reported. All times in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) min_us: f64,
    pub(crate) mean_us: f64,
    pub(crate) max_us: f64,
    /// Absent if there are too few samples for an interval of this quantile, as with the others.
    pub(crate) p50: Option<Quantile>,
    pub(crate) p90: Option<Quantile>,
    #[serde(default)]
    pub(crate) p95: Option<Quantile>,
    pub(crate) p99: Option<Quantile>,
    pub(crate) p999: Option<Quantile>,
    /// Microseconds, rounded to a tenth of an octave, and the number of samples there.
    pub(crate) counts: Vec<(f64, u64)>,
}

/// A quantile with its 95 % interval over the rounds of this run. Another run, on a machine with
/// other work, may differ by more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Quantile {
    pub(crate) us: f64,
    pub(crate) low_us: f64,
    pub(crate) high_us: f64,
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::analysis::format::human_quantile;

    /// How many of 500 simulated runs have an interval that holds the true quantile. Each has five
    /// rounds of `requests`; a round is slower or faster as a whole by about `mood`, and its
    /// requests differ by about `noise`, both log-normal.
    fn held(q: f64, requests: usize, [mood, noise]: [f64; 2], truth: f64) -> usize {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        // Normal by Box and Muller.
        let normal = |rng: &mut ChaCha8Rng| {
            let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
            radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
        };
        let holds = |rng: &mut ChaCha8Rng| {
            let mut latencies = Latencies::default();
            for round in 0..5 {
                let mood = mood * normal(rng);
                for _ in 0..requests {
                    let us = 1000.0 * (mood + noise * normal(rng)).exp();
                    latencies.record_in(round, Duration::from_nanos((us * 1e3) as u64));
                }
            }
            let quantile = latencies.quantile(q).unwrap();
            (quantile.low_us * 0.999..=quantile.high_us * 1.001).contains(&truth)
        };
        (0..500).filter(|_| holds(&mut rng)).count()
    }

    /// Where rounds differ from each other, as they do on any real machine, an interval over pooled
    /// requests would hold the truth in a third of the runs.
    #[test]
    fn intervals_of_quantiles_hold_the_truth_where_rounds_differ() {
        let cases = [
            (0.5, 0.0, 120, [0.08, 0.05]),
            (0.5, 0.0, 120, [0.08, 0.5]),
            (0.5, 0.0, 75, [0.0, 0.3]),
            (0.9, 1.2816, 120, [0.08, 0.3]),
            (0.9, 1.2816, 60, [0.02, 0.3]),
            (0.99, 2.3263, 600, [0.08, 0.3]),
            // Too few requests for a p99 of each round.
            (0.99, 2.3263, 75, [0.02, 0.3]),
            (0.99, 2.3263, 75, [0.0, 0.3]),
        ];
        for (q, z, requests, [mood, noise]) in cases {
            // A round's own quantile is log-normal around this; with few requests, the quantile of
            // all rounds together is a little above it.
            let spread = match requests < 100 {
                true => f64::hypot(mood, noise),
                false => noise,
            };
            let truth = 1000.0 * (spread * z).exp();
            let held = held(q, requests, [mood, noise], truth);
            assert!(held >= 460, "p{q} {requests} {mood} {noise}: {held} of 500");
        }
    }

    fn latencies(count: u64) -> Latencies {
        let mut latencies = Latencies::default();
        (1..=count).for_each(|i| latencies.record(Duration::from_micros(i * 10)));
        latencies
    }

    #[test]
    fn quantiles_are_within_a_thousandth_of_the_samples_own() {
        let summary = latencies(1000).summary();
        for (quantile, exact) in [
            (summary.p50, 5000.0),
            (summary.p90, 9000.0),
            (summary.p99, 9900.0),
        ] {
            let quantile = quantile.unwrap();
            assert!(
                (quantile.us / exact - 1.0).abs() < 1.1e-3,
                "{quantile:?} against {exact}"
            );
            assert!(quantile.low_us <= exact && exact <= quantile.high_us);
        }
    }

    #[test]
    fn too_few_samples_have_no_quantile() {
        let summary = latencies(367).summary();
        assert!(summary.p90.is_some() && summary.p99.is_none());
        assert_eq!(
            human_quantile(summary.p99, 0.99, summary.count),
            "n/a (367<368)"
        );
    }

    #[test]
    fn the_coarse_counts_keep_every_sample() {
        let counts = latencies(1000).summary().counts;
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 1000);
    }
}
