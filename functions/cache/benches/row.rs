//! One line of the table that `make bench` prints: what was measured, as a ratio, beside its limit.
//!
//! Owns how a line looks and where it is kept. Every benchmark of the workspace prints such lines and appends them to `rows.jsonl`
//! in the folder behind `--out`.

use std::{error::Error, fmt, io::Write as _, path::PathBuf};

use serde::Serialize;

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
}

/// Ratios over all rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    id: &'static str,
    what: String,
    /// Cores, connections, servers: what else was fixed.
    setting: String,
    min: f64,
    median: f64,
    max: f64,
    limit: Limit,
}

impl Row {
    /// `ratios` has at least one.
    pub(crate) fn new(
        id: &'static str,
        what: impl Into<String>,
        setting: impl Into<String>,
        ratios: &[f64],
        limit: Limit,
    ) -> Self {
        let mut ratios = ratios.to_vec();
        ratios.sort_by(f64::total_cmp);
        Self {
            id,
            what: what.into(),
            setting: setting.into(),
            min: ratios[0],
            median: ratios[ratios.len() / 2],
            max: ratios[ratios.len() - 1],
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

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            what,
            setting,
            min,
            median,
            max,
            limit,
        } = self;
        let (limit, verdict) = match limit {
            Limit::AtMost(limit) => (format!("≤ {limit:.2}"), *median <= *limit),
            Limit::AtLeast(limit) => (format!("≥ {limit:.0}"), *median >= *limit),
            Limit::Peer => ("peer".to_owned(), true),
        };
        let verdict = if verdict { "" } else { "  MISSED" };
        write!(
            f,
            "{id:<3} {what:<44} {setting:<12} {min:>7.2} {median:>7.2} {max:>7.2}  {limit:<7}{verdict}"
        )
    }
}
