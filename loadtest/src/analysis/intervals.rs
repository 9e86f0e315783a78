//! The statistics of a report: medians, intervals and the sample sizes that they need. Intervals
//! are two-sided at 95 %.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An estimate and its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) estimate: f64,
    pub(crate) high: f64,
}

impl Interval {
    fn around(estimate: f64, half: f64) -> Self {
        let (low, high) = (estimate - half, estimate + half);
        Self {
            low,
            estimate,
            high,
        }
    }

    /// The same of the opposite number.
    pub(crate) fn negated(self) -> Self {
        Self {
            low: -self.high,
            estimate: -self.estimate,
            high: -self.low,
        }
    }

    fn exp(self) -> Self {
        let [low, estimate, high] = [self.low, self.estimate, self.high].map(f64::exp);
        Self {
            low,
            estimate,
            high,
        }
    }
}

/// Student's t at 0.975 for 1, 2, … degrees of freedom (any table of the distribution).
const T_975: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

/// The median; `None` without values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

/// The mean of values that are independent of each other, one per round; `None` for fewer than two.
pub(crate) fn mean_interval(values: &[f64]) -> Option<Interval> {
    let Moments { n, mean, variance } = moments(values)?;
    let half = student_t(values.len() - 1) * (variance / n).sqrt();
    Some(Interval::around(mean, half))
}

/// The geometric mean of ratios, one per round: the t-interval of their logarithms. Pooling the
/// requests of all rounds instead would claim 95 % and hold about 60 %, because rounds differ from
/// each other.
pub(crate) fn ratio_interval(ratios: &[f64]) -> Option<Interval> {
    let logs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
    mean_interval(&logs).map(Interval::exp)
}

pub(crate) fn student_t(freedom: usize) -> f64 {
    T_975.get(freedom - 1).copied().unwrap_or_else(|| {
        // The first terms of its series in 1 / freedom: exact to three digits from here on.
        let (z, n) = (1.959_964_f64, freedom as f64);
        z + (z.powi(3) + z) / (4.0 * n)
            + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n * n)
    })
}

/// The ratio of two geometric means, each of independent values with their own spread, given their
/// logarithms: Welch's t-interval of the difference. `None` for fewer than two values on either
/// side.
pub(crate) fn log_ratio_of_means(before: &[f64], now: &[f64]) -> Option<Interval> {
    let (before, now) = (moments(before)?, moments(now)?);
    let (a, b) = (before.variance / before.n, now.variance / now.n);
    let freedom = (a + b).powi(2) / (a * a / (before.n - 1.0) + b * b / (now.n - 1.0));
    let freedom = if freedom.is_finite() {
        freedom.max(1.0) as usize
    } else {
        1
    };
    let (difference, half) = (now.mean - before.mean, student_t(freedom) * (a + b).sqrt());
    Some(Interval::around(difference, half).exp())
}

struct Moments {
    n: f64,
    mean: f64,
    variance: f64,
}

fn moments(values: &[f64]) -> Option<Moments> {
    if values.len() < 2 || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Some(Moments { n, mean, variance })
}

/// Wilson's interval of the share `part` of `whole`; `None` if `whole` is zero.
pub(crate) fn share_interval(part: u64, whole: u64) -> Option<Interval> {
    if whole == 0 {
        return None;
    }
    let (n, p, z) = (whole as f64, part as f64 / whole as f64, 1.960_f64);
    let middle = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    Some(Interval {
        low: (middle - half).max(0.0),
        estimate: p,
        high: (middle + half).min(1.0),
    })
}

/// The fewest samples for which a two-sided interval of quantile `q` exists: 6 for the median, 368
/// for p99.
pub(crate) fn min_samples(q: f64) -> u64 {
    let tail = q.max(1.0 - q);
    (0.025_f64.ln() / tail.ln()).ceil() as u64
}

/// The ranks (from 1) of the order statistics that enclose quantile `q` of `n` samples; `None` with
/// too few samples. Independent of the distribution: the number of samples below the quantile is
/// binomial (normal approximation).
pub(crate) fn quantile_ranks(q: f64, n: u64) -> Option<(u64, u64)> {
    if n < min_samples(q) {
        return None;
    }
    let (mean, half) = (n as f64 * q, 1.960 * (n as f64 * q * (1.0 - q)).sqrt());
    let low = (mean - half).floor().max(1.0);
    let high = (mean + half).ceil().min(n as f64 - 1.0) + 1.0;
    Some((low as u64, high as u64))
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn the_fewest_samples_are_those_of_the_binomial() {
        let table = [(0.5, 6), (0.9, 36), (0.95, 72), (0.99, 368), (0.999, 3688)];
        for (q, expected) in table {
            assert_eq!(min_samples(q), expected, "{q}");
        }
    }

    #[test]
    fn student_t_goes_on_where_its_table_ends() {
        for (freedom, expected) in [(30, 2.042), (31, 2.040), (40, 2.021), (120, 1.980)] {
            assert!((student_t(freedom) - expected).abs() < 6e-4, "{freedom}");
        }
    }

    #[test]
    fn medians_of_odd_even_and_nothing() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
    }

    #[test]
    fn a_known_t_interval() {
        let interval = mean_interval(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert!(
            (interval.estimate - 3.0).abs() < 1e-9 && (interval.high - 4.963).abs() < 1e-3,
            "{interval:?}"
        );
        assert_eq!(mean_interval(&[1.0]), None);
        assert_eq!(ratio_interval(&[0.0, 1.0]), None);
    }

    #[test]
    fn ratio_intervals_hold_the_truth_about_95_times_in_100() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut held = 0;
        for _ in 0..2000 {
            // Five rounds around a true ratio of 20, each with its own log-normal effect of about 8
            // %.
            let round =
                |rng: &mut ChaCha8Rng| (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
            let ratios: Vec<f64> = (0..5)
                .map(|_| 20.0 * (0.08 * round(&mut rng)).exp())
                .collect();
            let interval = ratio_interval(&ratios).unwrap();
            held += usize::from(interval.low <= 20.0 && 20.0 <= interval.high);
        }
        assert!((1860..=1940).contains(&held), "held {held} of 2000");
    }

    #[test]
    fn shares_stay_between_nothing_and_all() {
        assert_eq!(share_interval(0, 0), None);
        let all = share_interval(10, 10).unwrap();
        assert!(all.high <= 1.0 && all.low > 0.6 && all.low < 0.8, "{all:?}");
    }
}
