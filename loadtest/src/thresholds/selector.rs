//! The labels in the braces of a threshold, which select rows of the report.

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error;

use crate::load::plan::Phase;
use crate::target::outcome::Outcome;

/// A label that may be in the braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Phase,
    Function,
    Outcome,
}

impl Label {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Phase => "phase",
            Self::Function => "function",
            Self::Outcome => "outcome",
        }
    }
}

/// The selected rows; an absent label selects all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    pub(crate) phase: Option<Phase>,
    pub(crate) function: Option<String>,
    pub(crate) outcome: Option<Outcome>,
}

impl Selector {
    /// All rows.
    pub(crate) const ANY: Self = Self {
        phase: None,
        function: None,
        outcome: None,
    };
    /// The latency of a miss.
    pub(crate) const MISS: Self = Self {
        phase: Some(Phase::Cold),
        outcome: Some(Outcome::Miss),
        ..Self::ANY
    };
    /// The latency of a hit.
    pub(crate) const HIT: Self = Self {
        phase: Some(Phase::Warm),
        outcome: Some(Outcome::Hit),
        ..Self::ANY
    };

    /// The same for one function.
    pub(crate) fn for_function(self, function: &str) -> Self {
        Self {
            function: Some(function.to_owned()),
            ..self
        }
    }

    pub(crate) fn has(&self, phase: Phase, function: &str) -> bool {
        self.has_phase(phase) && self.has_function(function)
    }

    fn has_phase(&self, phase: Phase) -> bool {
        self.phase.is_none_or(|asked| asked == phase)
    }

    pub(crate) fn has_function(&self, function: &str) -> bool {
        let asked = self.function.as_deref();
        asked.is_none_or(|asked| asked == function)
    }

    pub(crate) fn has_outcome(&self, outcome: Outcome) -> bool {
        self.outcome.is_none_or(|asked| asked == outcome)
    }

    /// Reads `label=value,…` for a metric that has these labels.
    pub(crate) fn parse(text: &str, of: &[Label]) -> Result<Self, String> {
        let mut selector = Self::ANY;
        for pair in text.split(',') {
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| format!("{pair:?} is not label=value"))?;
            let (name, value) = (name.trim(), value.trim());
            let label = of
                .iter()
                .find(|label| label.name() == name)
                .ok_or_else(|| {
                    let names: Vec<_> = of.iter().map(|label| label.name()).collect();
                    match names.as_slice() {
                        [] => format!("no label {name:?}: this metric has none"),
                        names => format!("no label {name:?}; here are {}", names.join(", ")),
                    }
                })?;
            let before = match label {
                Label::Phase => selector.phase.replace(named(name, value)?).is_some(),
                Label::Function => selector.function.replace(value.to_owned()).is_some(),
                Label::Outcome => selector.outcome.replace(named(name, value)?).is_some(),
            };
            if before {
                return Err(format!("{name} is given twice"));
            }
        }
        Ok(selector)
    }
}

/// Values are spelt as in the report.
fn named<'de, T: Deserialize<'de>>(label: &str, value: &'de str) -> Result<T, String> {
    T::deserialize(value.into_deserializer()).map_err(|error: Error| format!("{label}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_report_calls_a_row_is_what_a_rule_calls_it() {
        let of = [Label::Phase, Label::Function, Label::Outcome];
        let selector = Selector::parse(
            "phase=cold-function, outcome=stale-on-error, function=f",
            &of,
        );
        let expected = Selector {
            phase: Some(Phase::ColdFunction),
            function: Some("f".into()),
            outcome: Some(Outcome::StaleOnError),
        };
        assert_eq!(selector, Ok(expected));
        for phase in [
            Phase::Cold,
            Phase::Warm,
            Phase::Bypass,
            Phase::Mixed,
            Phase::Stampede,
            Phase::Faults,
            Phase::ColdFunction,
        ] {
            let read = Selector::parse(&format!("phase={}", phase.label()), &of).unwrap();
            assert_eq!(read.phase, Some(phase));
        }
        for outcome in [
            Outcome::Hit,
            Outcome::Stale,
            Outcome::Miss,
            Outcome::Expired,
            Outcome::Collapsed,
            Outcome::Revalidated,
            Outcome::StaleOnError,
            Outcome::Bypass,
            Outcome::Unknown,
        ] {
            let read = Selector::parse(&format!("outcome={}", outcome.label()), &of).unwrap();
            assert_eq!(read.outcome, Some(outcome));
        }
    }
}
