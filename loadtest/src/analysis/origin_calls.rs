//! Ground truth: how many origin calls the target itself counted.
//!
//! A counter belongs to one process and only grows. When a phase has ended, every origin call of
//! the phase has been followed by an answer of the same process, and a counter read later is not
//! smaller. So the largest value in the phase is the final one, regardless of the order of the
//! answers, and the largest value before the phase is the initial one. A process that appears
//! within a phase began at zero if its very first request (`X-Invocation: 1`) is among the answers;
//! otherwise it served another client first, and its share is unknown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::client::{sample::Diagnostics, sample::Sample};

#[derive(Default)]
pub(crate) struct OriginCallCounter {
    counters: BTreeMap<String, u64>,
}

/// What a phase cost by the target's count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum OriginCalls {
    Counted(u64),
    /// Not every answer carries all three diagnostic headers.
    #[default]
    Absent,
    /// They do, but cannot be counted; the text names the process and the reason.
    Unprovable(String),
    /// They contradict themselves; the text names the process.
    Contradictory(String),
}

impl OriginCalls {
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Counted(count) => Some(*count),
            _ => None,
        }
    }
}

/// One process's counters within a phase.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct PhaseCounter {
    first_invocation: u64,
    largest: u64,
}

impl OriginCallCounter {
    /// Notes an answer outside of any phase.
    pub(crate) fn observe(&mut self, sample: &Sample) {
        if let Some(diagnostics) = sample.diagnostics() {
            let counter = self
                .counters
                .entry(diagnostics.instance.clone())
                .or_default();
            *counter = diagnostics.origin_calls.max(*counter);
        }
    }

    /// The counts so far.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.counters.clone()
    }

    /// How many processes have answered so far.
    pub(crate) fn instances(&self) -> usize {
        self.counters.len()
    }

    /// Ends a phase, and returns what its answers add to the counters.
    pub(crate) fn close_phase(&mut self, samples: &[Sample]) -> OriginCalls {
        let answered = samples.iter().filter(|sample| sample.answer.is_ok());
        let reported: Vec<&Diagnostics> = samples.iter().filter_map(Sample::diagnostics).collect();
        if reported.len() < answered.count() {
            return OriginCalls::Absent;
        }
        let mut total = OriginCalls::Counted(0);
        for (instance, seen) in by_instance(&reported) {
            let before = self.counters.insert(instance.to_owned(), seen.largest);
            total = combine(total, added(instance, before, &seen));
        }
        total
    }
}

/// What one of several generators read of the target's counters: by itself it proves nothing, since
/// the others call the origin as well.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Readings {
    /// The largest counts of all requests that were answered before any generator began the phase.
    before: BTreeMap<String, u64>,
    phase: BTreeMap<String, PhaseCounter>,
    /// Whether every answer had all three headers.
    complete: bool,
}

impl Readings {
    /// The readings of a phase, with those of `before` it.
    pub(crate) fn new(before: BTreeMap<String, u64>, samples: &[Sample]) -> Self {
        let answered = samples.iter().filter(|sample| sample.answer.is_ok());
        let reported: Vec<&Diagnostics> = samples.iter().filter_map(Sample::diagnostics).collect();
        let phase = by_instance(&reported).into_iter();
        Self {
            before,
            phase: phase.map(|(id, seen)| (id.to_owned(), seen)).collect(),
            complete: reported.len() == answered.count(),
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.complete &= other.complete;
        for (instance, count) in other.before {
            let own = self.before.entry(instance).or_default();
            *own = count.max(*own);
        }
        for (instance, seen) in other.phase {
            let own = self.phase.entry(instance).or_insert(seen);
            own.first_invocation = own.first_invocation.min(seen.first_invocation);
            own.largest = own.largest.max(seen.largest);
        }
    }

    /// What the phase cost by the target's count, given the readings of all generators.
    pub(crate) fn added(&self) -> OriginCalls {
        if !self.complete {
            return OriginCalls::Absent;
        }
        let phase = self.phase.iter();
        let added = phase.map(|(id, seen)| added(id, self.before.get(id).copied(), seen));
        added.fold(OriginCalls::Counted(0), combine)
    }

    /// How many processes answered.
    pub(crate) fn instances(&self) -> usize {
        self.phase.len()
    }
}

fn by_instance<'a>(reported: &[&'a Diagnostics]) -> BTreeMap<&'a str, PhaseCounter> {
    let mut instances: BTreeMap<&str, PhaseCounter> = BTreeMap::new();
    for diagnostics in reported {
        let Diagnostics {
            instance,
            invocation,
            origin_calls,
        } = diagnostics;
        let seen = instances.entry(instance).or_insert(PhaseCounter {
            first_invocation: *invocation,
            largest: *origin_calls,
        });
        seen.first_invocation = seen.first_invocation.min(*invocation);
        seen.largest = seen.largest.max(*origin_calls);
    }
    instances
}

/// What one process adds, given its counter before the phase.
fn added(instance: &str, before: Option<u64>, seen: &PhaseCounter) -> OriginCalls {
    match before {
        Some(before) => match seen.largest.checked_sub(before) {
            Some(added) => OriginCalls::Counted(added),
            None => OriginCalls::Contradictory(format!(
                "{instance} counted {before}, later {}",
                seen.largest
            )),
        },
        None if seen.first_invocation == 1 => OriginCalls::Counted(seen.largest),
        None => {
            let first = seen.first_invocation;
            OriginCalls::Unprovable(format!(
                "{instance} first appeared with its request number {first}"
            ))
        }
    }
}

/// A contradiction weighs more than a process that cannot be counted, and that more than any
/// number. Otherwise an earlier process could hide what a later one shows.
fn combine(total: OriginCalls, more: OriginCalls) -> OriginCalls {
    match (total, more) {
        (OriginCalls::Counted(total), OriginCalls::Counted(more)) => {
            OriginCalls::Counted(total + more)
        }
        (OriginCalls::Counted(_), worse)
        | (OriginCalls::Unprovable(_), worse @ OriginCalls::Contradictory(_)) => worse,
        (total, _) => total,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::sample::Answer;
    use crate::target::outcome::Outcome;

    fn sample(reported: Option<(&str, u64, u64)>) -> Sample {
        let diagnostics = reported.map(|(instance, invocation, origin_calls)| Diagnostics {
            instance: instance.into(),
            invocation,
            origin_calls,
        });
        let answer = Ok(Answer {
            outcome: Outcome::Miss,
            diagnostics,
            ..Answer::default()
        });
        Sample::test(0, [0, 0], answer)
    }

    fn close_phase(before: &[(&str, u64, u64)], phase: &[Option<(&str, u64, u64)>]) -> OriginCalls {
        let mut counter = OriginCallCounter::default();
        before
            .iter()
            .for_each(|reported| counter.observe(&sample(Some(*reported))));
        let samples: Vec<Sample> = phase.iter().map(|reported| sample(*reported)).collect();
        counter.close_phase(&samples)
    }

    #[test]
    fn answers_of_two_instances_may_arrive_in_any_order() {
        let phase = [("a", 9, 7), ("b", 3, 2), ("a", 8, 6), ("b", 4, 2)].map(Some);
        assert_eq!(
            close_phase(&[("a", 7, 5), ("b", 2, 1)], &phase),
            OriginCalls::Counted(3)
        );
    }

    #[test]
    fn an_instance_born_within_the_phase_began_at_zero() {
        assert_eq!(
            close_phase(&[], &[Some(("a", 2, 2)), Some(("a", 1, 1))]),
            OriginCalls::Counted(2)
        );
    }

    #[test]
    fn an_instance_with_an_unknown_past_cannot_be_counted() {
        assert!(matches!(
            close_phase(&[], &[Some(("a", 2, 2))]),
            OriginCalls::Unprovable(_)
        ));
    }

    #[test]
    fn a_counter_that_falls_contradicts_itself() {
        assert!(matches!(
            close_phase(&[("a", 1, 5)], &[Some(("a", 2, 4))]),
            OriginCalls::Contradictory(_)
        ));
    }

    #[test]
    fn an_instance_that_cannot_be_counted_hides_no_contradiction() {
        let unprovable = Some(("a", 2, 2));
        for phase in [
            [unprovable, Some(("b", 2, 4))],
            [Some(("b", 2, 4)), unprovable],
        ] {
            let settled = close_phase(&[("b", 1, 5)], &phase);
            assert!(
                matches!(settled, OriginCalls::Contradictory(_)),
                "{settled:?}"
            );
        }
        assert!(matches!(
            close_phase(&[("b", 1, 5)], &[unprovable, Some(("b", 2, 6))]),
            OriginCalls::Unprovable(_)
        ));
    }

    /// Each generator sees only its own answers, which carry the counts of all.
    #[test]
    fn the_readings_of_two_generators_count_what_both_called() {
        let readings = |before: &[(&str, u64)], phase: &[(&str, u64, u64)]| {
            let before = before.iter().map(|(id, count)| ((*id).to_owned(), *count));
            let samples: Vec<Sample> = phase.iter().map(|one| sample(Some(*one))).collect();
            Readings::new(before.collect(), &samples)
        };
        // "a" had made 4 calls before, of which the first generator knows 3; "b" began meanwhile.
        let mut both = readings(&[("a", 3)], &[("a", 9, 6), ("b", 2, 2)]);
        both.merge(readings(
            &[("a", 4)],
            &[("a", 8, 5), ("b", 1, 1), ("b", 3, 3)],
        ));
        assert_eq!(both.added(), OriginCalls::Counted(2 + 3));
        assert_eq!(both.instances(), 2);
        let silent = Readings::new(BTreeMap::new(), &[sample(None)]);
        both.merge(silent);
        assert_eq!(both.added(), OriginCalls::Absent);
    }

    #[test]
    fn a_phase_without_answers_cost_nothing() {
        assert_eq!(close_phase(&[("a", 1, 5)], &[]), OriginCalls::Counted(0));
    }

    #[test]
    fn one_answer_without_diagnostics_spoils_the_count() {
        assert_eq!(
            close_phase(&[("a", 1, 0)], &[Some(("a", 2, 1)), None]),
            OriginCalls::Absent
        );
    }
}
