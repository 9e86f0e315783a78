//! One line of the table that `make bench` prints: what was measured, as a ratio, beside its limit.
//!
//! Owns how a line looks and where it is kept. Every benchmark of the workspace prints such lines and appends them to `rows.jsonl`
//! in the folder behind `--out`.

use std::{error::Error, fmt, io::Write as _, path::PathBuf};

use serde::Serialize;

#[path = "row/rounds.rs"]
mod rounds;
use rounds::Readable;
#[allow(unused_imports, reason = "not every benchmark has times of its own")]
pub(crate) use rounds::{Rounds, Unit, median};

/// What a ratio is held against.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    dead_code,
    reason = "no benchmark has limits of all kinds, and each compiles this file for itself"
)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// Somebody else's figure, for comparison.
    Peer,
    /// Told so that its growth is seen; nobody promised a number.
    NoTarget,
}

impl Limit {
    #[allow(dead_code, reason = "not every benchmark has peers")]
    pub(crate) fn is_a_peers(self) -> bool {
        matches!(self, Self::Peer)
    }
}

/// Ratios over all rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// Of the target.
    id: &'static str,
    what: String,
    /// Cores, connections, servers: what else was fixed.
    setting: String,
    /// The median of what was measured itself.
    measured: f64,
    unit: Unit,
    min: f64,
    median: f64,
    max: f64,
    limit: Limit,
}

impl Row {
    /// `rounds` has at least one.
    pub(crate) fn new(
        id: &'static str,
        what: impl Into<String>,
        setting: impl Into<String>,
        rounds: &Rounds,
        limit: Limit,
    ) -> Self {
        let [min, median, max] = rounds.ratios();
        Self {
            id,
            what: what.into(),
            setting: setting.into(),
            measured: rounds.figure(),
            unit: rounds.unit(),
            min,
            median,
            max,
            limit,
        }
    }

    /// Prints the row and keeps it.
    pub(crate) fn report(&self) -> Result<(), Box<dyn Error>> {
        println!("{self}");
        let Some(folder) = std::env::args().skip_while(|arg| arg != "--out").nth(1) else {
            return Ok(());
        };
        let path = PathBuf::from(folder).join("rows.jsonl");
        let mut rows = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)?;
        writeln!(rows, "{}", serde_json::to_string(self)?)?;
        Ok(())
    }
}

/// Says what the columns of the rows are, and of which measurements.
pub(crate) fn heading(title: &str) {
    let [id, setting, measured] = ["", "setting", "measured"];
    println!(
        "\n{id:<3} {title:<48} {setting:<13} {measured:>10} {:>7} {:>7} {:>7}  limit",
        "min", "median", "max"
    );
}

/// Says so of somebody else's program that could not be measured: the others are, all the same.
#[allow(dead_code, reason = "not every benchmark has peers")]
pub(crate) fn left_out(what: impl fmt::Display, why: &dyn Error) {
    println!("    {what}: left out: {why}");
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            what,
            setting,
            min,
            median,
            max,
            ..
        } = self;
        let (limit, verdict) = match self.limit {
            Limit::AtMost(limit) => (format!("≤ {limit:.2}"), *median <= limit),
            Limit::AtLeast(limit) => (format!("≥ {limit:.0}"), *median >= limit),
            Limit::Peer => ("peer".to_owned(), true),
            Limit::NoTarget => ("-".to_owned(), true),
        };
        let verdict = if verdict { "" } else { "  MISSED" };
        let measured = Readable(self.measured, self.unit);
        write!(
            f,
            "{id:<3} {what:<48} {setting:<13} {measured:>10} {min:>7.2} {median:>7.2} {max:>7.2}  {limit:<7}{verdict}"
        )
    }
}
