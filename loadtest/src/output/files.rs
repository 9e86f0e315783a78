//! The files of a report: written, read again, and checked in advance.

use std::fs::File;
use std::path::Path;

use crate::output::{benchmark_action, html, markdown};
use crate::report::{model::Report, model::SCHEMA};

const DATA: &str = "report.json";
const MARKDOWN: &str = "report.md";
const HTML: &str = "report.html";
const BENCH: &str = "bench.json";

/// Creates `out` and checks that each file can be written there, because a measurement takes too
/// long to be lost at its end. Leaves existing reports as they are.
pub(crate) fn prepare(out: &Path) -> Result<(), String> {
    create_folder(out)?;
    let mut files = [DATA, MARKDOWN, HTML, BENCH].into_iter();
    files.try_for_each(|name| check_writable(&out.join(name)))
}

/// Checks that a file can be written, and leaves it as it is.
pub(crate) fn check_writable(path: &Path) -> Result<(), String> {
    // A dangling link counts as existing.
    let existed = path.symlink_metadata().is_ok();
    let opened = File::options().append(true).create(true).open(path);
    opened.map_err(|e| unwritable(path, &e))?;
    if !existed {
        std::fs::remove_file(path).map_err(|e| unwritable(path, &e))?;
    }
    Ok(())
}

/// Writes a file of its own, outside of the folder of the reports.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| unwritable(path, &e))
}

/// Writes report.json and everything that is rendered from it into `out`.
pub(crate) fn write(report: &Report, out: &Path) -> Result<(), String> {
    render(report, out)?;
    write_file(out, DATA, &json(report)?)
}

pub(crate) fn read(path: &Path) -> Result<Report, String> {
    let at = |reason: String| format!("{}: {reason}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| at(e.to_string()))?;
    let report: Report = serde_json::from_str(&text)
        .map_err(|e| at(format!("not a report.json of this tool: {e}")))?;
    if report.schema != SCHEMA {
        let found = &report.schema;
        return Err(at(format!(
            "its schema is {found:?}, this tool reads {SCHEMA:?}"
        )));
    }
    Ok(report)
}

/// Writes everything that is rendered from a report into `out`.
pub(crate) fn render(report: &Report, out: &Path) -> Result<(), String> {
    create_folder(out)?;
    write_file(out, MARKDOWN, &markdown::render(report))?;
    write_file(out, HTML, &html::render(report))?;
    write_file(out, BENCH, &json(&benchmark_action::entries(report))?)
}

/// Writes one page into `out`.
pub(crate) fn write_page(out: &Path, name: &str, page: &str) -> Result<(), String> {
    create_folder(out)?;
    write_file(out, name, page)
}

pub(crate) fn json(value: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string_pretty(value).map_err(|e| e.to_string())
}

fn create_folder(out: &Path) -> Result<(), String> {
    std::fs::create_dir_all(out).map_err(|e| format!("cannot create {}: {e}", out.display()))
}

fn write_file(out: &Path, name: &str, text: &str) -> Result<(), String> {
    let path = out.join(name);
    std::fs::write(&path, text).map_err(|e| unwritable(&path, &e))
}

fn unwritable(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}
