//! `--fail-if`: a rule states what must not be, such as `p99{phase=warm,outcome=hit} > 5ms`. Owns its grammar and its
//! judgement; knows nothing of how the observed value came to be.

use crate::analysis::format::Quantity;
use crate::load::plan::Phase;
use crate::report::judgement::{ThresholdResult, ThresholdVerdict};
use crate::report::model::Report;
use crate::thresholds::metric::{Metric, Observed};
use crate::thresholds::selector::Selector;

/// A rule as it was written, and what it means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Threshold {
    text: String,
    metric: Metric,
    selector: Selector,
    operator: Operator,
    limit: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Below,
    AtMost,
    Above,
    AtLeast,
}

impl Threshold {
    /// Reads `metric{label=value,…} operator number[unit]`. The error is a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let at = text
            .find(['<', '>'])
            .ok_or_else(|| format!("{text:?}: no < or > in it"))?;
        let (left, right) = text.split_at(at);
        let (operator, right) = match right.as_bytes() {
            [b'<', b'=', ..] => (Operator::AtMost, &right[2..]),
            [b'<', ..] => (Operator::Below, &right[1..]),
            [b'>', b'=', ..] => (Operator::AtLeast, &right[2..]),
            _ => (Operator::Above, &right[1..]),
        };
        let (name, selector) = match left.trim().split_once('{') {
            None => (left.trim(), None),
            Some((name, selector)) => (name.trim(), Some(inside_braces(text, selector)?)),
        };
        let metric = Metric::named(name).ok_or_else(|| {
            format!(
                "{text:?}: no metric {name:?}; there are {}",
                Metric::names()
            )
        })?;
        let in_text = |reason| format!("{text:?}: {reason}");
        let selector = selector.map(|selector| Selector::parse(selector, metric.labels()));
        let selector = selector
            .transpose()
            .map_err(in_text)?
            .unwrap_or(Selector::ANY);
        let limit = metric.quantity().parse(right.trim()).map_err(in_text)?;
        Ok(Self {
            text: text.trim().to_owned(),
            metric,
            selector,
            operator,
            limit,
        })
    }

    /// Whether what it asks for is measured at all: one of `functions`, in one of `phases`. The error is a sentence.
    pub(crate) fn check_measured(
        &self,
        functions: &[&str],
        phases: &[Phase],
    ) -> Result<(), String> {
        let phase = self.selector.phase.or_else(|| self.metric.phase());
        if let Some(phase) = phase.filter(|phase| !phases.contains(phase)) {
            return Err(format!(
                "--fail-if {:?}: this run has no phase {}, which comes with {}",
                self.text,
                phase.label(),
                how_to_enable(phase)
            ));
        }
        let function = self.selector.function.as_deref();
        if let Some(asked) = function.filter(|asked| !functions.contains(asked)) {
            return Err(format!(
                "--fail-if {:?}: no function {asked:?} is measured; there are {}",
                self.text,
                functions.join(", ")
            ));
        }
        Ok(())
    }

    /// Holds the rule against a report. A rule that matches several rows fires if it fires for one of them.
    pub(crate) fn evaluate(&self, report: &Report) -> ThresholdResult {
        let all = self.metric.observe(report, &self.selector);
        let verdicts = all
            .iter()
            .map(|observed| (self.verdict(observed), observed));
        let worst = |ruling: &ThresholdVerdict| {
            [
                ThresholdVerdict::Ok,
                ThresholdVerdict::Inconclusive,
                ThresholdVerdict::NoData,
                ThresholdVerdict::Fired,
            ]
            .iter()
            .position(|r| r == ruling)
        };
        match verdicts.max_by_key(|(ruling, _)| worst(ruling)) {
            None => ThresholdResult {
                rule: self.text.clone(),
                ruling: ThresholdVerdict::NoData,
                observed: "nothing matches".into(),
            },
            Some((ruling, observed)) => {
                let observed = describe(observed, self.metric.quantity());
                ThresholdResult {
                    rule: self.text.clone(),
                    ruling,
                    observed,
                }
            }
        }
    }

    fn verdict(&self, observed: &Observed) -> ThresholdVerdict {
        let Some(value) = observed.value else {
            return ThresholdVerdict::NoData;
        };
        let (low, high) = observed.interval.unwrap_or((value, value));
        match (self.fires(low), self.fires(high)) {
            (true, true) => ThresholdVerdict::Fired,
            (false, false) => ThresholdVerdict::Ok,
            _ => ThresholdVerdict::Inconclusive,
        }
    }

    fn fires(&self, value: f64) -> bool {
        match self.operator {
            Operator::Below => value < self.limit,
            Operator::AtMost => value <= self.limit,
            Operator::Above => value > self.limit,
            Operator::AtLeast => value >= self.limit,
        }
    }
}

/// What makes a run have a phase.
fn how_to_enable(phase: Phase) -> &'static str {
    match phase {
        Phase::Cold | Phase::Warm => "every run",
        Phase::Bypass => "a target whose file has a bypass",
        Phase::Mixed => "--mixed above 0",
        Phase::Stampede => "--bursts above 0",
        Phase::Faults => "--break-cache and --mend-cache",
        Phase::ColdFunction => "--restart-functions",
    }
}

fn inside_braces<'a>(text: &str, selector: &'a str) -> Result<&'a str, String> {
    selector
        .trim_end()
        .strip_suffix('}')
        .ok_or_else(|| format!("{text:?}: the {{ is not closed"))
}

fn describe(observed: &Observed, quantity: Quantity) -> String {
    let number = |value: f64| quantity.human(value);
    let Some(value) = observed.value else {
        return format!("{}: n/a", observed.of);
    };
    let interval = observed.interval.map_or_else(String::new, |(low, high)| {
        format!(" [{}, {}]", number(low), number(high))
    });
    format!("{}: {}{interval}", observed.of, number(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::outcome::Outcome;

    #[test]
    fn what_is_written_is_understood() {
        let rule = Threshold::parse("p99{phase=warm, outcome=hit} > 5ms").unwrap();
        let selector = Selector {
            phase: Some(Phase::Warm),
            function: None,
            outcome: Some(Outcome::Hit),
        };
        assert_eq!(
            (&rule.selector, rule.operator, rule.limit),
            (&selector, Operator::Above, 5000.0)
        );
        for (text, limit) in [
            ("hit_ratio<90%", 0.9),
            ("speedup <= 10x", 10.0),
            ("errors>0", 0.0),
            ("p50>=1.5 s", 1.5e6),
        ] {
            assert!(
                (Threshold::parse(text).unwrap().limit - limit).abs() < 1e-9,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let table = [
            ("speedup", "no < or >"),
            ("latency>5ms", "no metric \"latency\""),
            ("p99>5", "needs its unit"),
            ("p99>5%", "does not fit"),
            ("p99{phase=warm>5ms", "not closed"),
            ("p99{colour=red}>5ms", "no label \"colour\""),
            ("p99{phase=warn}>5ms", "unknown variant `warn`"),
            ("p99{phase=warm,phase=cold}>5ms", "twice"),
            ("errors{outcome=miss}>0", "here are phase, function"),
            ("hit_ratio{function=user}<9%", "this figure has none"),
            ("p99>fastms", "is not a number"),
            ("break_even>50", "needs its %"),
            ("offload<101%", "is no share of one"),
            ("speedup<-1", "never below zero"),
        ];
        for (text, message) in table {
            let error = Threshold::parse(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn an_interval_on_both_sides_is_inconclusive() {
        let rule = Threshold::parse("speedup<10").unwrap();
        let ruling = |low, high| {
            rule.verdict(&Observed {
                of: String::new(),
                value: Some(f64::midpoint(low, high)),
                interval: Some((low, high)),
            })
        };
        assert_eq!(
            [ruling(11.0, 12.0), ruling(8.0, 9.0), ruling(9.0, 12.0)],
            [
                ThresholdVerdict::Ok,
                ThresholdVerdict::Fired,
                ThresholdVerdict::Inconclusive
            ]
        );
        assert_eq!(
            rule.verdict(&Observed {
                of: String::new(),
                value: None,
                interval: None
            }),
            ThresholdVerdict::NoData
        );
    }
}
