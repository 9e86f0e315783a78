//! `--fail-if`: a threshold that must not be crossed, such as `p99{phase=warm,outcome=hit} > 5ms`.

use crate::analysis::format::Quantity;
use crate::load::plan::Phase;
use crate::report::{judgement::ThresholdResult, judgement::ThresholdVerdict, model::Report};
use crate::thresholds::{metric::Metric, metric::Observed, selector::Selector};

/// A threshold as it was written, and its meaning.
#[derive(Clone, Debug)]
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
    /// Reads `metric{label=value,…} operator number[unit]`.
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
        let in_text = |reason: String| format!("{text:?}: {reason}");
        let unknown = || format!("no metric {name:?}; there are {}", Metric::names());
        let metric = Metric::named(name).ok_or_else(|| in_text(unknown()))?;
        let selector = match selector {
            None => Selector::ANY,
            Some(text) => Selector::parse(text, metric.labels()).map_err(in_text)?,
        };
        let limit = metric.quantity.parse(right.trim()).map_err(in_text)?;
        Ok(Self {
            text: text.trim().to_owned(),
            metric,
            selector,
            operator,
            limit,
        })
    }

    /// Whether this run measures what it asks for: one of `functions`, in one of `phases`.
    pub(crate) fn check_measured(
        &self,
        functions: &[&str],
        phases: &[Phase],
    ) -> Result<(), String> {
        let text = &self.text;
        let phase = self.selector.phase.or(self.metric.phase);
        if let Some(phase) = phase.filter(|phase| !phases.contains(phase)) {
            let (label, needed) = (phase.label(), how_to_enable(phase));
            return Err(format!(
                "--fail-if {text:?}: this run has no phase {label}; it needs {needed}"
            ));
        }
        let function = self.selector.function.as_deref();
        if let Some(asked) = function.filter(|asked| !functions.contains(asked)) {
            let measured = functions.join(", ");
            return Err(format!(
                "--fail-if {text:?}: no function {asked:?} is measured; there are {measured}"
            ));
        }
        Ok(())
    }

    /// Evaluates the threshold for a report. If it selects several rows, the worst one counts.
    pub(crate) fn evaluate(&self, report: &Report) -> ThresholdResult {
        let mut all = self.metric.observe(report, &self.selector);
        // Rare rows have no quantile; that they are rare is no reason to fire, unless the threshold
        // selects nothing else.
        if all.iter().any(|observed| observed.value.is_some()) {
            all.retain(|observed| observed.value.is_some());
        }
        let verdicts = all
            .iter()
            .map(|observed| (self.verdict(observed), observed));
        let worst = verdicts.max_by(|(a, one), (b, other)| {
            a.cmp(b)
                .then_with(|| self.badness(one).total_cmp(&self.badness(other)))
        });
        let (ruling, observed) = match worst {
            None => (ThresholdVerdict::NoData, "nothing matches".into()),
            Some((verdict, observed)) => (verdict, describe(observed, self.metric.quantity)),
        };
        let rule = self.text.clone();
        ThresholdResult {
            rule,
            ruling,
            observed,
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

    /// How far a value lies towards what fires.
    fn badness(&self, observed: &Observed) -> f64 {
        let value = observed.value.unwrap_or(0.0);
        match self.operator {
            Operator::Below | Operator::AtMost => -value,
            Operator::Above | Operator::AtLeast => value,
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

/// What makes a run measure a phase.
fn how_to_enable(phase: Phase) -> &'static str {
    match phase {
        Phase::Cold | Phase::Warm => "every run",
        Phase::Bypass => "a target whose file has a bypass",
        Phase::Mixed => "--mixed above 0",
        Phase::Stampede => "--bursts above 0",
        Phase::Faults => "--break-cache and --mend-cache",
        Phase::ColdFunction => "--restart-functions",
        Phase::Capacity => "--slo, and its rows are in no threshold",
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
    use crate::report::{model::FailureRow, test_report};
    use crate::target::outcome::Outcome;

    #[test]
    fn what_is_written_is_understood() {
        let threshold = Threshold::parse("p99{phase=warm, outcome=hit} > 5ms").unwrap();
        let selector = Selector {
            phase: Some(Phase::Warm),
            function: None,
            outcome: Some(Outcome::Hit),
        };
        assert_eq!(
            (&threshold.selector, threshold.operator, threshold.limit),
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
            ("hit_ratio{function=user}<9%", "this metric has none"),
            ("p99>fastms", "is not a number"),
            ("break_even>50", "needs its %"),
            ("offload<101%", "is not a share of one"),
            ("speedup<-1", "never below zero"),
        ];
        for (text, message) in table {
            let error = Threshold::parse(text).unwrap_err();
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn the_worst_row_is_named_and_a_rare_one_decides_only_alone() {
        let mut report = test_report::report(&["f", "g"]);
        report.rows = vec![
            test_report::hits(Phase::Warm, "f", (400, 10)),
            test_report::hits(Phase::Warm, "g", (400, 30)),
            test_report::hits(Phase::Mixed, "f", (3, 99)),
        ];
        let judged = |text: &str| Threshold::parse(text).unwrap().evaluate(&report);
        let above = judged("p95 > 5ms");
        assert_eq!(above.ruling, ThresholdVerdict::Fired);
        assert!(
            above.observed.starts_with("warm g hit: 30.0 ms"),
            "{above:?}"
        );
        let below = judged("p50 < 50ms");
        assert!(
            below.observed.starts_with("warm f hit: 10.0 ms"),
            "{below:?}"
        );
        assert_eq!(judged("p95 > 50ms").ruling, ThresholdVerdict::Ok);
        let rare = judged("p95{phase=mixed} > 50ms");
        assert_eq!(rare.ruling, ThresholdVerdict::NoData);
    }

    #[test]
    fn failures_are_a_share_with_an_interval() {
        let mut report = test_report::report(&["f"]);
        report.rows = vec![test_report::hits(Phase::Warm, "f", (990, 1))];
        report.failures = vec![FailureRow {
            phase: Phase::Warm,
            function: "f".into(),
            failure: "status-503".into(),
            throttled: false,
            count: 10,
        }];
        let judged = |text: &str| Threshold::parse(text).unwrap().evaluate(&report).ruling;
        assert_eq!(judged("failed > 0.1%"), ThresholdVerdict::Fired);
        assert_eq!(
            judged("failed{phase=warm} > 1%"),
            ThresholdVerdict::Inconclusive
        );
        assert_eq!(judged("failed > 5%"), ThresholdVerdict::Ok);
    }

    #[test]
    fn an_interval_on_both_sides_is_inconclusive() {
        let threshold = Threshold::parse("speedup<10").unwrap();
        let verdict = |interval: Option<(f64, f64)>| {
            threshold.verdict(&Observed {
                of: String::new(),
                value: interval.map(|(low, high)| f64::midpoint(low, high)),
                interval,
            })
        };
        for (interval, expected) in [
            (Some((11.0, 12.0)), ThresholdVerdict::Ok),
            (Some((8.0, 9.0)), ThresholdVerdict::Fired),
            (Some((9.0, 12.0)), ThresholdVerdict::Inconclusive),
            (None, ThresholdVerdict::NoData),
        ] {
            assert_eq!(verdict(interval), expected, "{interval:?}");
        }
    }
}
