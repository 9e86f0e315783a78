//! A distribution of latencies: an HDR histogram, and the quantiles that it has samples for.

use std::time::Duration;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::intervals::quantile_ranks;

/// The longest latency in nanoseconds: ten minutes; longer ones count as this.
const MAX_NS: u64 = 600_000_000_000;

/// Latencies with a resolution of 0.1 %.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(
            Histogram::new_with_bounds(64, MAX_NS, 3)
                .expect("64 ns to ten minutes in three digits is a valid range"),
        )
    }
}

impl Latencies {
    pub(crate) fn record(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(MAX_NS);
        self.0.saturating_record(ns.min(MAX_NS));
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    pub(crate) fn summary(&self) -> Summary {
        let us = |ns: u64| ns as f64 / 1e3;
        let quantile = |q: f64| {
            quantile_ranks(q, self.0.len()).map(|(low, high)| Quantile {
                us: us(self.0.value_at_quantile(q)),
                low_us: us(self.at_rank(low)),
                high_us: us(self.at_rank(high)),
            })
        };
        Summary {
            count: self.0.len(),
            min_us: us(self.0.min()),
            mean_us: self.0.mean() / 1e3,
            max_us: us(self.0.max()),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
            counts: self.counts(),
        }
    }

    fn at_rank(&self, rank: u64) -> u64 {
        self.0
            .value_at_quantile(rank as f64 / self.0.len().max(1) as f64)
    }

    /// The distribution in steps of a tenth of an octave, for charts and for rendering a report
    /// again.
    fn counts(&self) -> Vec<(f64, u64)> {
        let mut counts: Vec<(f64, u64)> = Vec::new();
        for value in self.0.iter_recorded() {
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
    pub(crate) p99: Option<Quantile>,
    pub(crate) p999: Option<Quantile>,
    /// Microseconds, rounded to a tenth of an octave, and the number of samples there.
    pub(crate) counts: Vec<(f64, u64)>,
}

/// A quantile with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Quantile {
    pub(crate) us: f64,
    pub(crate) low_us: f64,
    pub(crate) high_us: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::format::human_quantile;

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
