//! Contenders that take turns against one floor: a figure is the ratio of one round's medians, since machines are noisy.

use std::error::Error;

use super::row::{self, Limit, Rounds, Row, Unit};

/// Many short ones: what else runs on the machine then slows both sides of a ratio.
pub(crate) const ROUNDS: usize = 61;
pub(crate) const CALLS: usize = 500;

/// Something that takes its turn.
pub(crate) trait Contender {
    /// What one of `calls` calls took, in seconds: the median, or the mean of those that run together.
    fn run(&mut self, calls: usize) -> Result<f64, Box<dyn Error>>;
}

pub(crate) struct Contest<'a> {
    setting: &'a str,
    floor: Box<dyn Contender>,
    entries: Vec<Entry>,
}

/// A contender with its place in the table.
struct Entry {
    id: &'static str,
    what: String,
    limit: Limit,
    contender: Box<dyn Contender>,
    rounds: Rounds,
}

impl<'a> Contest<'a> {
    /// All are held against `floor`.
    pub(crate) fn new(setting: &'a str, floor: impl Contender + 'static) -> Self {
        Self {
            setting,
            floor: Box::new(floor),
            entries: Vec::new(),
        }
    }

    pub(crate) fn enter(
        &mut self,
        id: &'static str,
        what: impl Into<String>,
        limit: Limit,
        contender: impl Contender + 'static,
    ) {
        self.entries.push(Entry {
            id,
            what: what.into(),
            limit,
            contender: Box::new(contender),
            rounds: Rounds::of(Unit::Seconds),
        });
    }

    /// All rounds, and a row for each contender. A peer that fails is left out; any other one ends the contest.
    pub(crate) fn report(mut self) -> Result<(), Box<dyn Error>> {
        // The first warms connections, allocator and branch predictors.
        for round in 0..=ROUNDS {
            let floor = self.floor.run(CALLS)?;
            for mut entry in std::mem::take(&mut self.entries) {
                match entry.contender.run(CALLS) {
                    Ok(took) if round > 0 => entry.rounds.add(took, took / floor),
                    Ok(_) => {}
                    Err(why) if entry.limit.is_a_peers() => {
                        row::left_out(entry.what, &*why);
                        continue;
                    }
                    Err(why) => return Err(why),
                }
                self.entries.push(entry);
            }
        }
        for entry in self.entries {
            let (what, rounds) = (entry.what, &entry.rounds);
            Row::new(entry.id, what, self.setting, rounds, entry.limit).report()?;
        }
        Ok(())
    }
}
