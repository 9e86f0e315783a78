//! Contenders that are measured in turns, against one reference. A figure is the ratio of the
//! medians of one round, since machines are noisy.

use std::error::Error;

use super::row::{self, Limit, Rounds, Row, Unit};

/// Many short rounds, so that other load on the machine slows both sides of a ratio.
pub(crate) const ROUNDS: usize = 61;
pub(crate) const CALLS: usize = 500;

/// What is measured in turns.
pub(crate) trait Contender {
    /// The time of one of `calls` calls in seconds: the median, or the mean of calls that run
    /// together.
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
    /// All are compared with `floor`.
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

    /// Runs all rounds and prints a row for each contender. A peer that fails is left out; a
    /// failure of any other contender ends the contest.
    pub(crate) fn report(mut self) -> Result<(), Box<dyn Error>> {
        // The first round warms up connections, allocator and branch predictors.
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
