//! Reports as files: written, read again, drawn again, checked. Owns their names and their errors.

use std::fs::File;
use std::path::Path;

use crate::error::{CommandError, Exit};
use crate::output::{benchmark_action, html, markdown};
use crate::report::model::{Report, SCHEMA};

const DATA: &str = "report.json";
const MARKDOWN: &str = "report.md";
const HTML: &str = "report.html";
const BENCH: &str = "bench.json";

/// Makes `out`, and sees that each report can be written there: a measurement takes too long to be lost at its end.
/// Leaves reports that are there as they are.
pub(crate) fn prepare(out: &Path) -> Result<(), CommandError> {
    create_folder(out)?;
    for path in [DATA, MARKDOWN, HTML, BENCH].map(|name| out.join(name)) {
        // A link counts that leads to nothing yet.
        let was_there = path.symlink_metadata().is_ok();
        let opened = File::options().append(true).create(true).open(&path);
        opened.map_err(|e| unwritable(&path, &e))?;
        if !was_there {
            std::fs::remove_file(&path).map_err(|e| unwritable(&path, &e))?;
        }
    }
    Ok(())
}

/// Writes report.json and all that is drawn from it into `out`.
pub(crate) fn write(report: &Report, out: &Path) -> Result<(), CommandError> {
    render(report, out)?;
    write_file(out, DATA, &json(report)?)
}

/// Reads a report.json.
pub(crate) fn read(path: &Path) -> Result<Report, CommandError> {
    let complain = |reason: &dyn std::fmt::Display| {
        CommandError(Exit::Usage, format!("{}: {reason}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|e| complain(&e))?;
    let report: Report = serde_json::from_str(&text)
        .map_err(|e| complain(&format!("not a report.json of this tool: {e}")))?;
    if report.schema != SCHEMA {
        return Err(complain(&format!(
            "its schema is {:?}, this tool reads {SCHEMA:?}",
            report.schema
        )));
    }
    Ok(report)
}

pub(crate) fn render(report: &Report, out: &Path) -> Result<(), CommandError> {
    create_folder(out)?;
    write_file(out, MARKDOWN, &markdown::render(report))?;
    write_file(out, HTML, &html::render(report))?;
    write_file(out, BENCH, &json(&benchmark_action::entries(report))?)
}

pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, CommandError> {
    serde_json::to_string_pretty(value).map_err(|e| CommandError(Exit::Failed, e.to_string()))
}

fn create_folder(out: &Path) -> Result<(), CommandError> {
    std::fs::create_dir_all(out).map_err(|e| {
        CommandError(
            Exit::Failed,
            format!("cannot create {}: {e}", out.display()),
        )
    })
}

fn write_file(out: &Path, name: &str, text: &str) -> Result<(), CommandError> {
    let path = out.join(name);
    std::fs::write(&path, text).map_err(|e| unwritable(&path, &e))
}

fn unwritable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError(
        Exit::Failed,
        format!("cannot write {}: {error}", path.display()),
    )
}
