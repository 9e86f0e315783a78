//! The figures that a rule may ask for. Owns their names, their units and where the report has them; judges nothing.

use crate::analysis::format::Quantity;
use crate::analysis::histogram::{Quantile, Summary};
use crate::analysis::intervals::Interval;
use crate::analysis::paired::SpeedUp;
use crate::load::plan::Phase;
use crate::report::model::{Report, Row};
use crate::thresholds::selector::{Label, Selector};

/// A figure of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    P50,
    P90,
    P99,
    P999,
    Mean,
    Max,
    SpeedUp,
    Saved,
    Overhead,
    BreakEven,
    HitRatio,
    ByteHitRatio,
    Offload,
    StampedeFactor,
    ExpiryFactor,
    Errors,
    OriginCalls,
    Stale,
    Recovery,
}

/// One value of a figure. None: too few samples.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observed {
    /// Which row it is of.
    pub(crate) of: String,
    pub(crate) value: Option<f64>,
    pub(crate) interval: Option<(f64, f64)>,
}

const NAMES: [(&str, Metric, Quantity); 19] = [
    ("p50", Metric::P50, Quantity::Time),
    ("p90", Metric::P90, Quantity::Time),
    ("p99", Metric::P99, Quantity::Time),
    ("p999", Metric::P999, Quantity::Time),
    ("mean", Metric::Mean, Quantity::Time),
    ("max", Metric::Max, Quantity::Time),
    ("speedup", Metric::SpeedUp, Quantity::Ratio),
    ("saved", Metric::Saved, Quantity::Time),
    ("overhead", Metric::Overhead, Quantity::Time),
    ("break_even", Metric::BreakEven, Quantity::Share),
    ("hit_ratio", Metric::HitRatio, Quantity::Share),
    ("byte_hit_ratio", Metric::ByteHitRatio, Quantity::Share),
    ("offload", Metric::Offload, Quantity::Share),
    ("stampede_factor", Metric::StampedeFactor, Quantity::Ratio),
    ("expiry_factor", Metric::ExpiryFactor, Quantity::Ratio),
    ("errors", Metric::Errors, Quantity::Count),
    ("origin_calls", Metric::OriginCalls, Quantity::Count),
    ("stale", Metric::Stale, Quantity::Count),
    ("recovery", Metric::Recovery, Quantity::Time),
];

impl Metric {
    pub(crate) fn named(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(known, ..)| *known == name)
            .map(|(_, metric, _)| *metric)
    }

    pub(crate) fn names() -> String {
        NAMES.map(|(name, ..)| name).join(", ")
    }

    pub(crate) fn quantity(self) -> Quantity {
        NAMES
            .iter()
            .find(|(_, metric, _)| *metric == self)
            .map_or(Quantity::Count, |(.., quantity)| *quantity)
    }

    /// What a value of this figure can be narrowed to. A failed request has no outcome.
    pub(crate) fn labels(self) -> &'static [Label] {
        match self {
            Self::P50 | Self::P90 | Self::P99 | Self::P999 | Self::Mean | Self::Max => {
                &[Label::Phase, Label::Function, Label::Outcome]
            }
            Self::SpeedUp | Self::Saved | Self::Overhead | Self::BreakEven => &[Label::Function],
            Self::Errors => &[Label::Phase, Label::Function],
            Self::HitRatio
            | Self::ByteHitRatio
            | Self::Offload
            | Self::StampedeFactor
            | Self::ExpiryFactor
            | Self::OriginCalls
            | Self::Stale
            | Self::Recovery => &[],
        }
    }

    /// The one phase that this figure comes from, where it comes from one that may be left out.
    pub(crate) fn phase(self) -> Option<Phase> {
        match self {
            Self::Overhead | Self::BreakEven => Some(Phase::Bypass),
            Self::StampedeFactor | Self::ExpiryFactor => Some(Phase::Stampede),
            Self::Recovery => Some(Phase::Faults),
            _ => None,
        }
    }

    /// All values of this figure whose row has these labels.
    pub(crate) fn observe(self, report: &Report, selector: &Selector) -> Vec<Observed> {
        let effect = &report.effect;
        match self {
            Self::P50 => rows(report, selector, |latency| quantile(latency.p50)),
            Self::P90 => rows(report, selector, |latency| quantile(latency.p90)),
            Self::P99 => rows(report, selector, |latency| quantile(latency.p99)),
            Self::P999 => rows(report, selector, |latency| quantile(latency.p999)),
            Self::Mean => rows(report, selector, |latency| (Some(latency.mean_us), None)),
            Self::Max => rows(report, selector, |latency| (Some(latency.max_us), None)),
            Self::SpeedUp => functions(report, selector, |speed_up| interval(speed_up.ratio)),
            Self::Saved => functions(report, selector, |speed_up| interval(speed_up.saved_us)),
            Self::Overhead => {
                functions(report, selector, |speed_up| interval(speed_up.overhead_us))
            }
            Self::BreakEven => functions(report, selector, |speed_up| (speed_up.break_even, None)),
            Self::HitRatio => whole_run("all", interval(effect.hit_ratio)),
            Self::ByteHitRatio => whole_run("all", (effect.byte_hit_ratio, None)),
            Self::Offload => whole_run("all", (effect.offload, None)),
            Self::StampedeFactor => whole_run("all", (effect.stampede_factor, None)),
            Self::ExpiryFactor => whole_run("all", (effect.expiry_factor, None)),
            Self::OriginCalls => whole_run("all", (Some(effect.claimed_origin_calls as f64), None)),
            Self::Stale => whole_run("all", (Some(effect.stale as f64), None)),
            Self::Recovery => {
                let faults = report.faults.as_ref();
                let seconds = faults.and_then(|faults| faults.recovered_s);
                whole_run("after mending", (seconds.map(|s| s * 1e6), None))
            }
            Self::Errors => errors(report, selector),
        }
    }
}

type Value = (Option<f64>, Option<(f64, f64)>);

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

fn rows(report: &Report, selector: &Selector, pick: fn(&Summary) -> Value) -> Vec<Observed> {
    let has = |row: &&Row| {
        selector.has_phase(row.phase)
            && selector.has_function(&row.function)
            && selector.has_outcome(row.outcome)
    };
    let observed = |row: &Row| {
        let (value, interval) = pick(row.waited());
        Observed {
            of: format!(
                "{} {} {}",
                row.phase.label(),
                row.function,
                row.outcome.label()
            ),
            value,
            interval,
        }
    };
    report.rows.iter().filter(has).map(observed).collect()
}

fn functions(report: &Report, selector: &Selector, pick: fn(&SpeedUp) -> Value) -> Vec<Observed> {
    let speed_ups = report.speed_ups.iter();
    let observed = speed_ups
        .filter(|speed_up| selector.has_function(&speed_up.function))
        .map(|speed_up| {
            let (value, interval) = pick(speed_up);
            Observed {
                of: speed_up.function.clone(),
                value,
                interval,
            }
        });
    observed.collect()
}

fn whole_run(of: &str, (value, interval): Value) -> Vec<Observed> {
    vec![Observed {
        of: of.to_owned(),
        value,
        interval,
    }]
}

/// None of a phase or a function that this run did not ask: a count of zero there would be of nothing.
fn errors(report: &Report, selector: &Selector) -> Vec<Observed> {
    let has = |phase, function: &str| selector.has_phase(phase) && selector.has_function(function);
    let mut rows = report.rows.iter();
    let failures = report
        .failures
        .iter()
        .filter(|failure| has(failure.phase, &failure.function));
    let count: u64 = failures.map(|failure| failure.count).sum();
    let asked =
        *selector == Selector::ANY || count > 0 || rows.any(|row| has(row.phase, &row.function));
    if !asked {
        return Vec::new();
    }
    vec![Observed {
        of: "failed requests".into(),
        value: Some(count as f64),
        interval: None,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::format::human_us;
    use crate::report::test_report;

    #[test]
    fn a_quantile_of_the_open_loop_is_of_the_whole_wait() {
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
