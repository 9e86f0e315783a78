//! `loadtest merge`: one report of the files of several generators.

use std::path::Path;

use crate::commands::{cli::MergeArgs, run, stdout::Stdout};
use crate::error::{CommandError, Exit};
use crate::output::files;
use crate::report::{parts, parts::PartReport};

pub(crate) fn merge(args: &MergeArgs, stdout: &mut Stdout) -> Result<Exit, CommandError> {
    let parts = args.parts.iter().map(|file| read(file));
    let parts: Vec<(String, PartReport)> = parts.collect::<Result<_, _>>()?;
    let mut report = parts::merge(parts).map_err(CommandError::usage)?;
    run::judge(&mut report, &args.fail_if, args.strict);
    files::prepare(&args.out).map_err(CommandError::usage)?;
    files::write(&report, &args.out)?;
    Ok(run::print(&report, &args.out, stdout))
}

fn read(file: &Path) -> Result<(String, PartReport), CommandError> {
    let at = |reason: String| CommandError::usage(format!("{}: {reason}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|e| at(e.to_string()))?;
    let part = serde_json::from_str(&text)
        .map_err(|e| at(format!("not a file of 'loadtest run --part': {e}")))?;
    Ok((file.display().to_string(), part))
}
