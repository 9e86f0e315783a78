//! The commands that measure nothing: `report`, `compare` and `schema`.

use std::path::Path;

use crate::commands::{cli::CompareArgs, cli::ReportArgs, stdout::Stdout};
use crate::error::{CommandError, Exit};
use crate::output::{files, sentences, terminal};
use crate::report::model::Report;
use crate::thresholds::baseline;

/// Reads a report.json that was named on the command line.
pub(crate) fn read(path: &Path) -> Result<Report, CommandError> {
    files::read(path).map_err(CommandError::usage)
}

/// `loadtest report`.
pub(crate) fn report(args: &ReportArgs, stdout: &mut Stdout) -> Result<Exit, CommandError> {
    let report = read(&args.report)?;
    let same_folder = args.report.parent().unwrap_or_else(|| Path::new("."));
    files::render(&report, args.out.as_deref().unwrap_or(same_folder))?;
    stdout.print(&terminal::render(&report));
    Ok(Exit::Ok)
}

/// `loadtest compare`.
pub(crate) fn compare(args: &CompareArgs, stdout: &mut Stdout) -> Result<Exit, CommandError> {
    let (before, now) = (read(&args.before)?, read(&args.now)?);
    let comparison =
        baseline::compare(&before, &now, args.max_regress).map_err(CommandError::usage)?;
    for line in sentences::comparison(&comparison) {
        stdout.print(&format!("{line}\n"));
    }
    stdout.print(&format!("\n{}", terminal::side_by_side(&comparison)));
    Ok(if comparison.has_worse(args.strict) {
        Exit::Regression
    } else {
        Exit::Ok
    })
}

/// `loadtest schema`.
pub(crate) fn schema(stdout: &mut Stdout) -> Result<Exit, CommandError> {
    let schema = schemars::schema_for!(Report);
    stdout.print(&format!("{}\n", files::json(&schema)?));
    Ok(Exit::Ok)
}
