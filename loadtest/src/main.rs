//! `loadtest`: what a cache in front of an HTTP service is worth, proven by its own numbers.
//!
//! # Layout
//! Each folder imports only from the folders below it.
//! * `commands`: the command line, and one file a subcommand
//! * `output`: a report as terminal text, Markdown, HTML, files and annotations
//! * `thresholds`: `--fail-if` and `--baseline`
//! * `report`: report.json as types, and how a run becomes one
//! * `checks`: the measurement checks itself
//! * `phases`: what a run consists of, one file a phase
//! * `analysis`: what samples add up to; no file there sends a request
//! * `load`: what to ask and when, by Goose users
//! * `client`: one request, timed at the socket
//! * `target`: the service under test, and how its answers are read
//!
//! It depends on nothing of the services that it measures.

mod analysis;
mod checks;
mod client;
mod commands;
mod error;
mod load;
mod output;
mod phases;
mod report;
mod target;
mod thresholds;

use std::process::ExitCode;

use clap::Parser;

use crate::commands::cli::{Cli, Command};
use crate::commands::stdout::Stdout;
use crate::commands::{preflight, reports, run};
use crate::error::{CommandError, Exit};
use crate::load::interrupt;

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    start(&command)
        .unwrap_or_else(|CommandError(exit, text)| {
            eprintln!("loadtest: {text}");
            exit
        })
        .into()
}

fn start(command: &Command) -> Result<Exit, CommandError> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        CommandError(Exit::Failed, format!("{what}: {error}"))
    };
    interrupt::install().map_err(|e| failed("cannot take Ctrl-C", &e))?;
    let mut stdout = Stdout::claim().map_err(|e| failed("cannot take the standard output", &e))?;
    // One thread: with more, what is measured is also how long one takes to wake another.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| failed("cannot start", &e))?;
    let exit = match command {
        Command::Run(args) => runtime.block_on(run::run(args, &mut stdout)),
        Command::Preflight(args) => runtime.block_on(preflight::preflight(args, &mut stdout)),
        Command::Calibrate(args) => runtime.block_on(preflight::calibrate(args, &mut stdout)),
        Command::Compare(args) => reports::compare(args, &mut stdout),
        Command::Report(args) => reports::report(args, &mut stdout),
        Command::Schema => reports::schema(&mut stdout),
    }?;
    let printed = stdout.end();
    printed.map_err(|e| failed("cannot write to the standard output", &e))?;
    Ok(exit)
}
