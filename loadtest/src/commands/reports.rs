//! The commands that measure nothing: `report`, `compare` and `schema`.

use std::path::Path;

use crate::commands::cli::{CompareArgs, ReportArgs};
use crate::commands::stdout::Stdout;
use crate::error::{CommandError, Exit};
use crate::output::{files, sentences, terminal};
use crate::report::model::Report;
use crate::thresholds::baseline;

/// `loadtest report`.
pub(crate) fn report(args: &ReportArgs, stdout: &mut Stdout) -> Result<Exit, CommandError> {
    let report = files::read(&args.report)?;
    let beside = args.report.parent().unwrap_or_else(|| Path::new("."));
    files::render(&report, args.out.as_deref().unwrap_or(beside))?;
    stdout.print(&terminal::render(&report));
    Ok(Exit::Ok)
}

/// `loadtest compare`.
pub(crate) fn compare(args: &CompareArgs, stdout: &mut Stdout) -> Result<Exit, CommandError> {
    let (before, now) = (files::read(&args.before)?, files::read(&args.now)?);
    let comparison = baseline::compare(&before, &now, args.max_regress)
        .map_err(|e| CommandError(Exit::Usage, e))?;
    sentences::comparison(&comparison)
        .iter()
        .for_each(|line| stdout.print(&format!("{line}\n")));
    stdout.print(&format!("\n{}", terminal::beside(&comparison)));
    Ok(if comparison.has_regression() {
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
