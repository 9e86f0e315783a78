//! The metrics that a threshold may ask for: their names, units and places in the report.

use crate::analysis::{
    format::Quantity, histogram::Quantile, histogram::Summary, intervals::Interval,
    intervals::share_interval, paired::SpeedUp,
};
use crate::load::plan::Phase;
use crate::report::model::Report;
use crate::thresholds::{selector::Label, selector::Selector};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric {
    pub(crate) name: &'static str,
    pub(crate) quantity: Quantity,
    /// The phase that it comes from, if it comes from one that a run may leave out.
    pub(crate) phase: Option<Phase>,
    source: Source,
}

/// Where the report has a metric. This decides which labels narrow it.
#[derive(Clone, Copy, Debug)]
enum Source {
    Latencies(fn(&Summary) -> Value),
    SpeedUps(fn(&SpeedUp) -> Value),
    /// The whole run, and what to call it.
    Run(&'static str, fn(&Report) -> Value),
    Errors,
    /// Failed requests as a share of all.
    Failed,
}

/// A value and its interval.
type Value = (Option<f64>, Option<(f64, f64)>);

/// One value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observed {
    /// The row that it belongs to.
    pub(crate) of: String,
    /// Absent if there are too few samples.
    pub(crate) value: Option<f64>,
    pub(crate) interval: Option<(f64, f64)>,
}

/// All metrics.
#[rustfmt::skip]
const METRICS: [Metric; 22] = [
    Metric::P50, Metric::P90, Metric::P95, Metric::P99, Metric::P999, Metric::MEAN, Metric::MAX,
    Metric::SPEED_UP, Metric::SAVED, Metric::OVERHEAD, Metric::BREAK_EVEN,
    Metric::HIT_RATIO, Metric::BYTE_HIT_RATIO, Metric::OFFLOAD,
    Metric::STAMPEDE_FACTOR, Metric::EXPIRY_FACTOR,
    Metric::ERRORS, Metric::FAILED, Metric::RATE, Metric::ORIGIN_CALLS, Metric::STALE, Metric::RECOVERY,
];

#[rustfmt::skip]
impl Metric {
    pub(crate) const P50: Self = Self::latency("p50", |all| quantile(all.p50));
    const P90: Self = Self::latency("p90", |all| quantile(all.p90));
    const P95: Self = Self::latency("p95", |all| quantile(all.p95));
    pub(crate) const P99: Self = Self::latency("p99", |all| quantile(all.p99));
    const P999: Self = Self::latency("p999", |all| quantile(all.p999));
    const MEAN: Self = Self::latency("mean", |all| (Some(all.mean_us), None));
    const MAX: Self = Self::latency("max", |all| (Some(all.max_us), None));
    pub(crate) const SPEED_UP: Self =
        Self::new("speedup", Quantity::Ratio, Source::SpeedUps(|one| interval(one.ratio)));
    const SAVED: Self =
        Self::new("saved", Quantity::Time, Source::SpeedUps(|one| interval(one.saved_us)));
    pub(crate) const OVERHEAD: Self =
        Self::new("overhead", Quantity::Time, Source::SpeedUps(|one| interval(one.overhead_us)))
            .only_in(Phase::Bypass);
    const BREAK_EVEN: Self =
        Self::new("break_even", Quantity::Share, Source::SpeedUps(|one| (one.break_even, None)))
            .only_in(Phase::Bypass);
    pub(crate) const HIT_RATIO: Self =
        Self::run("hit_ratio", Quantity::Share, |report| interval(report.effect.hit_ratio));
    const BYTE_HIT_RATIO: Self =
        Self::run("byte_hit_ratio", Quantity::Share, |report| (report.effect.byte_hit_ratio, None));
    pub(crate) const OFFLOAD: Self =
        Self::run("offload", Quantity::Share, |report| (report.effect.offload, None));
    pub(crate) const STAMPEDE_FACTOR: Self =
        Self::run("stampede_factor", Quantity::Ratio, |r| (r.effect.stampede_factor, None))
            .only_in(Phase::Stampede);
    pub(crate) const EXPIRY_FACTOR: Self =
        Self::run("expiry_factor", Quantity::Ratio, |r| (r.effect.expiry_factor, None))
            .only_in(Phase::Stampede);
    pub(crate) const ERRORS: Self = Self::new("errors", Quantity::Count, Source::Errors);
    const FAILED: Self = Self::new("failed", Quantity::Share, Source::Failed);
    const RATE: Self =
        Self::run("rate", Quantity::Count, |report| (rate(report), None)).only_in(Phase::Mixed);
    const ORIGIN_CALLS: Self = Self::run("origin_calls", Quantity::Count, |report| {
        (Some(report.effect.claimed_origin_calls as f64), None)
    });
    const STALE: Self =
        Self::run("stale", Quantity::Count, |report| (Some(report.effect.stale as f64), None));
    pub(crate) const RECOVERY: Self =
        Self::new("recovery", Quantity::Time, Source::Run("after mending", recovery))
            .only_in(Phase::Faults);
}

impl Metric {
    const fn new(name: &'static str, quantity: Quantity, source: Source) -> Self {
        let phase = None;
        Self {
            name,
            quantity,
            phase,
            source,
        }
    }

    const fn latency(name: &'static str, pick: fn(&Summary) -> Value) -> Self {
        Self::new(name, Quantity::Time, Source::Latencies(pick))
    }

    const fn run(name: &'static str, quantity: Quantity, pick: fn(&Report) -> Value) -> Self {
        Self::new(name, quantity, Source::Run("all", pick))
    }

    const fn only_in(self, phase: Phase) -> Self {
        Self {
            phase: Some(phase),
            ..self
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        METRICS.into_iter().find(|metric| metric.name == name)
    }

    pub(crate) fn names() -> String {
        METRICS.map(|metric| metric.name).join(", ")
    }

    /// The labels that narrow this metric. A failed request has no outcome.
    pub(crate) fn labels(&self) -> &'static [Label] {
        match self.source {
            Source::Latencies(_) => &[Label::Phase, Label::Function, Label::Outcome],
            Source::SpeedUps(_) => &[Label::Function],
            Source::Errors | Source::Failed => &[Label::Phase, Label::Function],
            Source::Run(..) => &[],
        }
    }

    /// All values of this metric in the selected rows.
    pub(crate) fn observe(&self, report: &Report, selector: &Selector) -> Vec<Observed> {
        match self.source {
            Source::Latencies(pick) => {
                let rows = report.rows.iter().filter(|row| {
                    selector.has(row.phase, &row.function) && selector.has_outcome(row.outcome)
                });
                let name = |phase: Phase, function, outcome| {
                    format!("{} {function} {outcome}", phase.label())
                };
                rows.map(|row| {
                    let name = name(row.phase, &row.function, row.outcome.label());
                    Observed::new(name, pick(row.waited()))
                })
                .collect()
            }
            Source::SpeedUps(pick) => {
                let all = report.speed_ups.iter();
                all.filter(|one| selector.has_function(&one.function))
                    .map(|one| Observed::new(one.function.clone(), pick(one)))
                    .collect()
            }
            Source::Run(of, pick) => vec![Observed::new(of.to_owned(), pick(report))],
            Source::Errors => errors(report, selector).into_iter().collect(),
            Source::Failed => failed(report, selector).into_iter().collect(),
        }
    }
}

impl Observed {
    fn new(of: String, (value, interval): Value) -> Self {
        Self {
            of,
            value,
            interval,
        }
    }
}

fn quantile(quantile: Option<Quantile>) -> Value {
    (
        quantile.map(|q| q.us),
        quantile.map(|q| (q.low_us, q.high_us)),
    )
}

fn interval(interval: Option<Interval>) -> Value {
    (
        interval.map(|i| i.estimate),
        interval.map(|i| (i.low, i.high)),
    )
}

fn recovery(report: &Report) -> Value {
    let seconds = report.faults.as_ref().and_then(|faults| faults.recovered_s);
    (seconds.map(|s| s * 1e6), None)
}

/// Answers a second in the mixed phase.
fn rate(report: &Report) -> Option<f64> {
    let mut phases = report.origin.iter();
    let mixed = phases.find(|one| one.phase == Phase::Mixed && one.answers > 0)?;
    let seconds = mixed.ended_s - mixed.began_s;
    (seconds > 0.0).then(|| mixed.answers as f64 / seconds)
}

/// Requests without an answer, and all requests.
pub(crate) fn failed_of_all(report: &Report, selector: &Selector) -> (u64, u64) {
    let failures = report.failures.iter();
    let failed: u64 = failures
        .filter(|failure| selector.has(failure.phase, &failure.function))
        .map(|failure| failure.count)
        .sum();
    let rows = report.rows.iter();
    let answered: u64 = rows
        .filter(|row| selector.has(row.phase, &row.function))
        .map(|row| row.latency.count)
        .sum();
    (failed, failed + answered)
}

fn failed(report: &Report, selector: &Selector) -> Option<Observed> {
    let (failed, all) = failed_of_all(report, selector);
    let share = share_interval(failed, all)?;
    let of = format!("{failed} of {all} requests failed");
    Some(Observed::new(of, interval(Some(share))))
}

/// `None` if the phase or function was not measured: zero errors would be meaningless.
fn errors(report: &Report, selector: &Selector) -> Option<Observed> {
    let failures = report.failures.iter();
    let count: u64 = failures
        .filter(|failure| selector.has(failure.phase, &failure.function))
        .map(|failure| failure.count)
        .sum();
    let mut rows = report.rows.iter();
    let measured = *selector == Selector::ANY
        || count > 0
        || rows.any(|row| selector.has(row.phase, &row.function));
    measured.then(|| Observed::new("failed requests".into(), (Some(count as f64), None)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::format::human_us;
    use crate::report::test_report;

    #[test]
    fn a_quantile_of_the_open_loop_includes_the_wait() {
        let mut report = test_report::report(&["f"]);
        report.rows = vec![
            test_report::hits(Phase::Warm, "f", (400, 10)),
            test_report::hits(Phase::Mixed, "f", (400, 10)),
        ];
        report.rows[1].response = Some(test_report::summary(400, 30));
        let observed = |phase: Phase| {
            let selector = Selector {
                phase: Some(phase),
                ..Selector::ANY
            };
            let all = Metric::P99.observe(&report, &selector);
            all[0].value.map(human_us)
        };
        assert_eq!(observed(Phase::Warm).as_deref(), Some("10.0 ms"));
        assert_eq!(observed(Phase::Mixed).as_deref(), Some("30.0 ms"));
    }
}
