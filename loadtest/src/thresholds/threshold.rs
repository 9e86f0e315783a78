//! `--fail-if`: a rule states what must not be, such as `p99{phase=warm,outcome=hit} > 5ms`. Owns its grammar and its
//! judgement; knows nothing of how the observed value came to be.

use crate::analysis::format::Quantity;
use crate::load::plan::Phase;
use crate::report::judgement::{Judgement, Ruling};
use crate::report::model::Report;
use crate::thresholds::metric::{Metric, Observed};
use crate::thresholds::selector::Labels;

/// A rule as it was written, and what it means.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    text: String,
    metric: Metric,
    labels: Labels,
    comparison: Comparison,
    limit: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
}

impl Rule {
    /// Reads `metric{label=value,…} comparison number[unit]`. The error is a sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let at = text
            .find(['<', '>'])
            .ok_or_else(|| format!("{text:?}: no < or > in it"))?;
        let (left, right) = text.split_at(at);
        let (comparison, right) = match right.as_bytes() {
            [b'<', b'=', ..] => (Comparison::AtMost, &right[2..]),
            [b'<', ..] => (Comparison::Below, &right[1..]),
            [b'>', b'=', ..] => (Comparison::AtLeast, &right[2..]),
            _ => (Comparison::Above, &right[1..]),
        };
        let (name, labels) = match left.trim().split_once('{') {
            None => (left.trim(), None),
            Some((name, labels)) => (name.trim(), Some(inside_braces(text, labels)?)),
        };
        let metric = Metric::named(name).ok_or_else(|| {
            format!(
                "{text:?}: no metric {name:?}; there are {}",
                Metric::names()
            )
        })?;
        let in_text = |reason| format!("{text:?}: {reason}");
        let labels = labels.map(|labels| Labels::parse(labels, metric.labels()));
        let labels = labels.transpose().map_err(in_text)?.unwrap_or(Labels::ANY);
        let limit = metric.quantity().parse(right.trim()).map_err(in_text)?;
        Ok(Self {
            text: text.trim().to_owned(),
            metric,
            labels,
            comparison,
            limit,
        })
    }

    /// Whether what it asks for is measured at all: one of `functions`, in one of `phases`. The error is a sentence.
    pub(crate) fn fits(&self, functions: &[&str], phases: &[Phase]) -> Result<(), String> {
        let phase = self.labels.phase.or_else(|| self.metric.phase());
        if let Some(phase) = phase.filter(|phase| !phases.contains(phase)) {
            return Err(format!(
                "--fail-if {:?}: this run has no phase {}, which comes with {}",
                self.text,
                phase.label(),
                comes_with(phase)
            ));
        }
        let function = self.labels.function.as_deref();
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
    pub(crate) fn judge(&self, report: &Report) -> Judgement {
        let all = self.metric.observe(report, &self.labels);
        let rulings = all
            .iter()
            .map(|observed| (self.rule_on(observed), observed));
        let worst = |ruling: &Ruling| {
            [
                Ruling::Ok,
                Ruling::Inconclusive,
                Ruling::NoData,
                Ruling::Fired,
            ]
            .iter()
            .position(|r| r == ruling)
        };
        match rulings.max_by_key(|(ruling, _)| worst(ruling)) {
            None => Judgement {
                rule: self.text.clone(),
                ruling: Ruling::NoData,
                observed: "nothing matches".into(),
            },
            Some((ruling, observed)) => {
                let observed = describe(observed, self.metric.quantity());
                Judgement {
                    rule: self.text.clone(),
                    ruling,
                    observed,
                }
            }
        }
    }

    fn rule_on(&self, observed: &Observed) -> Ruling {
        let Some(value) = observed.value else {
            return Ruling::NoData;
        };
        let (low, high) = observed.interval.unwrap_or((value, value));
        match (self.fires(low), self.fires(high)) {
            (true, true) => Ruling::Fired,
            (false, false) => Ruling::Ok,
            _ => Ruling::Inconclusive,
        }
    }

    fn fires(&self, value: f64) -> bool {
        match self.comparison {
            Comparison::Below => value < self.limit,
            Comparison::AtMost => value <= self.limit,
            Comparison::Above => value > self.limit,
            Comparison::AtLeast => value >= self.limit,
        }
    }
}

/// What makes a run have a phase.
fn comes_with(phase: Phase) -> &'static str {
    match phase {
        Phase::Cold | Phase::Warm => "every run",
        Phase::Bypass => "a target whose file has a bypass",
        Phase::Mixed => "--mixed above 0",
        Phase::Stampede => "--bursts above 0",
        Phase::Faults => "--break-cache and --mend-cache",
        Phase::ColdFunction => "--restart-functions",
    }
}

fn inside_braces<'a>(text: &str, labels: &'a str) -> Result<&'a str, String> {
    labels
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
        let rule = Rule::parse("p99{phase=warm, outcome=hit} > 5ms").unwrap();
        let labels = Labels {
            phase: Some(Phase::Warm),
            function: None,
            outcome: Some(Outcome::Hit),
        };
        assert_eq!(
            (&rule.labels, rule.comparison, rule.limit),
            (&labels, Comparison::Above, 5000.0)
        );
        for (text, limit) in [
            ("hit_ratio<90%", 0.9),
            ("speedup <= 10x", 10.0),
            ("errors>0", 0.0),
            ("p50>=1.5 s", 1.5e6),
        ] {
            assert!(
                (Rule::parse(text).unwrap().limit - limit).abs() < 1e-9,
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
            let error = Rule::parse(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn an_interval_on_both_sides_is_inconclusive() {
        let rule = Rule::parse("speedup<10").unwrap();
        let ruling = |low, high| {
            rule.rule_on(&Observed {
                of: String::new(),
                value: Some(f64::midpoint(low, high)),
                interval: Some((low, high)),
            })
        };
        assert_eq!(
            [ruling(11.0, 12.0), ruling(8.0, 9.0), ruling(9.0, 12.0)],
            [Ruling::Ok, Ruling::Fired, Ruling::Inconclusive]
        );
        assert_eq!(
            rule.rule_on(&Observed {
                of: String::new(),
                value: None,
                interval: None
            }),
            Ruling::NoData
        );
    }
}
