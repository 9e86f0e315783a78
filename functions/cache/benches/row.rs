//! One line of the table that `make bench` prints: a measurement as a ratio, with its limit.
//!
//! Every benchmark of the workspace prints such lines and appends them to `rows.jsonl` in the
//! folder after `--out`.

use std::{error::Error, fmt, io::Write as _, path::PathBuf};

use serde::Serialize;

#[path = "row/rounds.rs"]
mod rounds;
use rounds::Readable;
#[allow(unused_imports, reason = "not every benchmark has times of its own")]
pub(crate) use rounds::{Rounds, Unit, median};

/// What a ratio is compared with.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    dead_code,
    reason = "no benchmark has limits of all kinds, and each compiles this file for itself"
)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// Another program's figure, for comparison.
    Peer,
    /// Shown so that changes are noticed; there is no limit.
    NoTarget,
}

impl Limit {
    #[allow(dead_code, reason = "not every benchmark has peers")]
    pub(crate) fn is_a_peers(self) -> bool {
        matches!(self, Self::Peer)
    }
}

/// The ratios of all rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// Of the target.
    id: &'static str,
    what: String,
    /// Cores, connections, servers: the fixed conditions.
    setting: String,
    /// The median of the figure itself.
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

    /// Prints the row and appends it to the file.
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

/// Prints the titles of the columns, for these measurements.
pub(crate) fn heading(title: &str) {
    let [id, setting, measured] = ["", "setting", "measured"];
    println!(
        "\n{id:<3} {title:<48} {setting:<13} {measured:>10} {:>7} {:>7} {:>7}  limit",
        "min", "median", "max"
    );
}

/// Reports that another program could not be measured; the others still are.
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
