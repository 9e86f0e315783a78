//! `loadtest` measures what a cache in front of an HTTP service is worth, and checks its own
//! numbers.
//!
//! # Layout
//! Each folder imports only from the folders below it. An error of type `String` is a sentence for
//! the user.
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

use crate::commands::{
    cli::Cli, cli::Command, merge, preflight, reports, run, stdout::Stdout, what_if,
};
use crate::error::{CommandError, Exit};
use crate::load::interrupt;

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let exit = start(&command).unwrap_or_else(|CommandError(exit, text)| {
        eprintln!("loadtest: {text}");
        exit
    });
    exit.into()
}

fn start(command: &Command) -> Result<Exit, CommandError> {
    interrupt::install().map_err(|e| format!("cannot handle Ctrl-C: {e}"))?;
    let mut stdout =
        Stdout::claim().map_err(|e| format!("cannot take over the standard output: {e}"))?;
    // One thread: with more, the time that one thread takes to wake another would be measured, too.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("cannot start: {e}"))?;
    let exit = match command {
        Command::Run(args) => runtime.block_on(run::run(args, &mut stdout)),
        Command::Preflight(args) => runtime.block_on(preflight::preflight(args, &mut stdout)),
        Command::Calibrate(args) => runtime.block_on(preflight::calibrate(args, &mut stdout)),
        Command::WhatIf(args) => what_if::what_if(args, &mut stdout),
        Command::Compare(args) => reports::compare(args, &mut stdout),
        Command::Report(args) => reports::report(args, &mut stdout),
        Command::Merge(args) => merge::merge(args, &mut stdout),
        Command::Schema => reports::schema(&mut stdout),
    }?;
    let printed = stdout.end();
    printed.map_err(|e| format!("cannot write to the standard output: {e}"))?;
    Ok(exit)
}
