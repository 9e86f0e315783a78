//! Several generators that send one plan together: each takes every n-th request of it.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::load::plan::Plan;

/// One of the generators, as in `--part 2/3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Counted from one.
    pub(crate) number: usize,
    pub(crate) of: usize,
}

impl Part {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(number, of)| {
            let (number, of) = (number.parse().ok()?, of.parse().ok()?);
            Some(Self { number, of })
        });
        let valid =
            |part: &Self| (2..=1000).contains(&part.of) && (1..=part.of).contains(&part.number);
        parsed
            .filter(valid)
            .ok_or_else(|| "expected a part as in 2/3, of 2 to 1000 generators".into())
    }

    /// Keeps this generator's requests of a plan.
    pub(crate) fn keep(self, plan: &mut Plan) {
        for segment in &mut plan.segments {
            let mut index = 0;
            segment.slots.retain(|_| {
                index += 1;
                index % self.of == self.number % self.of
            });
        }
    }

    /// The name of this generator's file.
    pub(crate) fn file(self) -> String {
        format!("part-{}-of-{}.json", self.number, self.of)
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "part {} of {}", self.number, self.of)
    }
}

/// A part, and the moment when all parts begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) part: Part,
    pub(crate) at: SystemTime,
}

impl Start {
    /// A salt that is the same for all parts, so that they ask for the same keys, and new to the
    /// target: two runs that begin at the same time are one.
    pub(crate) fn salt(&self) -> String {
        let since = self.at.duration_since(SystemTime::UNIX_EPOCH);
        format!("lt-parts-{:x}", since.unwrap_or_default().as_millis())
    }

    /// How long it is until then; zero if it is past.
    pub(crate) fn until(&self) -> Duration {
        self.at
            .duration_since(SystemTime::now())
            .unwrap_or_default()
    }
}

/// Reads a moment such as 2026-11-29T14:05:00Z.
pub(crate) fn moment(text: &str) -> Result<SystemTime, String> {
    let moment = chrono::DateTime::parse_from_rfc3339(text);
    moment
        .map(SystemTime::from)
        .map_err(|_| "expected a moment as in 2026-11-29T14:05:00Z".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::request::RequestSpec;
    use crate::load::plan::{Phase, Slot};

    #[test]
    fn parts_take_each_request_of_a_plan_once() {
        let slots = |count: usize| -> Vec<Slot> {
            let slot = |n| {
                let spec = RequestSpec::new(0, n, n.to_string());
                Slot::due(spec, Duration::from_millis(n as u64))
            };
            (0..count).map(slot).collect()
        };
        let mut taken: Vec<usize> = Vec::new();
        for number in 1..=3 {
            let mut plan = Plan::open(Phase::Mixed, slots(100));
            Part { number, of: 3 }.keep(&mut plan);
            let slots = &plan.segments[0].slots;
            assert!((33..=34).contains(&slots.len()), "{}", slots.len());
            taken.extend(slots.iter().map(|slot| slot.spec.key_index));
        }
        taken.sort_unstable();
        assert_eq!(taken, (0..100).collect::<Vec<usize>>());
    }

    #[test]
    fn a_part_is_one_of_several() {
        assert_eq!(Part::parse("2/3"), Ok(Part { number: 2, of: 3 }));
        for wrong in ["", "2", "0/3", "4/3", "1/1", "1/x", "-1/3"] {
            assert!(Part::parse(wrong).is_err(), "{wrong}");
        }
    }
}
