//! The figures that a rule may ask for. Owns their names, their units and where the report has them; judges nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::latencies::{Quantile, Summary, human_us};
use crate::plan::Phase;
use crate::report::numbers::{percent, times};
use crate::report::{Report, Row};
use crate::stats::Interval;

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

/// What a figure is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Quantity {
    /// Microseconds.
    Time,
    /// Of one.
    Share,
    Ratio,
    Count,
}

impl Quantity {
    /// A value as it is read.
    pub(crate) fn human(self, value: f64) -> String {
        match self {
            Self::Time => human_us(value),
            Self::Share => percent(value),
            Self::Ratio => times(value),
            Self::Count => format!("{value}"),
        }
    }

    /// Reads a number and its unit: microseconds, a share of one, or a plain number. The error is a sentence.
    pub(crate) fn parse(self, text: &str) -> Result<f64, String> {
        let split = text
            .find(|c: char| c.is_alphabetic() || c == '%')
            .unwrap_or(text.len());
        let (number, unit) = (text[..split].trim(), text[split..].trim());
        let number: f64 = number
            .parse()
            .map_err(|_| format!("{number:?} is not a number"))?;
        let factor = match (self, unit) {
            (Self::Time, "us" | "µs")
            | (Self::Ratio, "x" | "×" | "")
            | (Self::Share | Self::Count, "") => 1.0,
            (Self::Time, "ms") => 1e3,
            (Self::Time, "s") => 1e6,
            (Self::Share, "%") => 0.01,
            (Self::Time, "") => return Err("a time needs its unit: us, ms or s".into()),
            _ => return Err(format!("the unit {unit:?} does not fit")),
        };
        if !number.is_finite() {
            return Err("the limit is not finite".into());
        }
        Ok(number * factor)
    }
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

    /// All values of this figure whose row has these labels; a label that a figure does not have matches nothing.
    pub(crate) fn observe(self, report: &Report, labels: &[(String, String)]) -> Vec<Observed> {
        let effect = &report.effect;
        match self {
            Self::P50 => rows(report, labels, |latency| quantile(latency.p50)),
            Self::P90 => rows(report, labels, |latency| quantile(latency.p90)),
            Self::P99 => rows(report, labels, |latency| quantile(latency.p99)),
            Self::P999 => rows(report, labels, |latency| quantile(latency.p999)),
            Self::Mean => rows(report, labels, |latency| (Some(latency.mean_us), None)),
            Self::Max => rows(report, labels, |latency| (Some(latency.max_us), None)),
            Self::SpeedUp => functions(report, labels, |speed_up| interval(speed_up.ratio)),
            Self::Saved => functions(report, labels, |speed_up| interval(speed_up.saved_us)),
            Self::Overhead => functions(report, labels, |speed_up| interval(speed_up.overhead_us)),
            Self::BreakEven => functions(report, labels, |speed_up| (speed_up.break_even, None)),
            Self::HitRatio => whole(labels, "all", interval(effect.hit_ratio)),
            Self::ByteHitRatio => whole(labels, "all", (effect.byte_hit_ratio, None)),
            Self::Offload => whole(labels, "all", (effect.offload, None)),
            Self::StampedeFactor => whole(labels, "all", (effect.stampede_factor, None)),
            Self::ExpiryFactor => whole(labels, "all", (effect.expiry_factor, None)),
            Self::OriginCalls => whole(
                labels,
                "all",
                (Some(effect.claimed_origin_calls as f64), None),
            ),
            Self::Stale => whole(labels, "all", (Some(effect.stale as f64), None)),
            Self::Recovery => {
                let faults = report.faults.as_ref();
                let seconds = faults.and_then(|faults| faults.recovered_s);
                whole(labels, "after mending", (seconds.map(|s| s * 1e6), None))
            }
            Self::Errors => errors(report, labels),
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

fn rows(
    report: &Report,
    labels: &[(String, String)],
    pick: fn(&Summary) -> Value,
) -> Vec<Observed> {
    let has = |row: &&Row| {
        labels.iter().all(|(label, value)| match label.as_str() {
            "phase" => row.phase.label() == value,
            "function" => row.function == *value,
            _ => row.outcome.label() == value,
        })
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

fn functions(
    report: &Report,
    labels: &[(String, String)],
    pick: fn(&crate::pairs::SpeedUp) -> Value,
) -> Vec<Observed> {
    let speed_ups = report.speed_ups.iter().filter(|speed_up| {
        labels
            .iter()
            .all(|(label, value)| label == "function" && speed_up.function == *value)
    });
    let observed = speed_ups.map(|speed_up| {
        let (value, interval) = pick(speed_up);
        Observed {
            of: speed_up.function.clone(),
            value,
            interval,
        }
    });
    observed.collect()
}

fn whole(labels: &[(String, String)], of: &str, (value, interval): Value) -> Vec<Observed> {
    if labels.is_empty() {
        vec![Observed {
            of: of.to_owned(),
            value,
            interval,
        }]
    } else {
        Vec::new()
    }
}

/// None of a phase or a function that the report does not know, and none by outcome: a failed request has none. A count of zero there
/// would let a rule with a slip of the pen hold for ever.
fn errors(report: &Report, labels: &[(String, String)]) -> Vec<Observed> {
    let has = |(label, value): &(String, String), phase: Phase, function: &str| match label.as_str()
    {
        "phase" => phase.label() == value,
        "function" => function == value,
        _ => false,
    };
    let rows = report
        .rows
        .iter()
        .map(|row| (row.phase, row.function.as_str()));
    let failed = report
        .failures
        .iter()
        .map(|failure| (failure.phase, failure.function.as_str()));
    let places: Vec<_> = rows.chain(failed).collect();
    let known = |label| {
        places
            .iter()
            .any(|(phase, function)| has(label, *phase, function))
    };
    if !labels.iter().all(known) {
        return Vec::new();
    }
    let failures = report.failures.iter().filter(|failure| {
        labels
            .iter()
            .all(|label| has(label, failure.phase, &failure.function))
    });
    let count: u64 = failures.map(|failure| failure.count).sum();
    vec![Observed {
        of: "failed requests".into(),
        value: Some(count as f64),
        interval: None,
    }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::blank;

    #[test]
    fn a_quantile_of_the_open_loop_is_of_the_whole_wait() {
        let mut report = blank::report(&["f"]);
        report.rows = vec![
            blank::hits(Phase::Warm, "f", (400, 10)),
            blank::hits(Phase::Mixed, "f", (400, 10)),
        ];
        report.rows[1].response = Some(blank::summary(400, 30));
        let observed = |phase: &str| {
            let labels = [("phase".to_owned(), phase.to_owned())];
            let all = Metric::P99.observe(&report, &labels);
            all[0].value.map(human_us)
        };
        assert_eq!(observed("warm").as_deref(), Some("10.0 ms"));
        assert_eq!(observed("mixed").as_deref(), Some("30.0 ms"));
    }
}
