//! `loadtest`: what a cache in front of an HTTP service is worth, proven by its own numbers.
//!
//! # Layout
//! * asking: `target` and `witness` (what to ask, where the outcome stands), `question`, `client`, `wire` and `stamped` (one request), `plan`, `keys`,
//!   `stage` (the requests of a phase), `attack` (Goose), `course` (one run), `preflight`, `room`
//! * the phases: `rounds` (cold, warm, bypass), `mixed`, `stampede`, `faults` and `cold_function` (by `commands`)
//! * judging: `outcome`, `cache_status`, `server_timing`, `sample`, `truth`, `oracle`, `ledger`, `pairs`, `stats`,
//!   `cost`, `closed_loop` and `generator`, `check` and `checks`, `metric`, `labels` and `rules`, `compare` and `beside`
//! * telling: `account`, `effect`, `report` and its forms, `render`, `ci`, `progress`, `stdout`
//! * beside a run: `survey` (preflight, calibrate), `calibrate`, `floor` (what lies under every hit)
//!
//! It depends on nothing of the services that it measures.

mod account;
mod attack;
mod beside;
mod cache_status;
mod calibrate;
mod check;
mod checks;
mod ci;
mod cli;
mod client;
mod closed_loop;
mod cold_function;
mod commands;
mod compare;
mod cost;
mod course;
mod effect;
mod exit;
mod faults;
mod floor;
mod generator;
mod interrupt;
mod keys;
mod labels;
mod latencies;
mod ledger;
mod machine;
mod metric;
mod mixed;
mod oracle;
mod outcome;
mod pairs;
mod phase_sum;
mod plan;
mod preflight;
mod profile;
mod progress;
mod question;
mod render;
mod report;
mod room;
mod rounds;
mod rules;
mod run;
mod sample;
mod server_timing;
mod stage;
mod stamped;
mod stampede;
mod stats;
mod stdout;
mod survey;
mod target;
mod timeline;
mod truth;
mod wire;
mod witness;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};
use exit::Exit;

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    start(&command)
        .unwrap_or_else(|run::Failure(exit, text)| {
            eprintln!("loadtest: {text}");
            exit
        })
        .into()
}

fn start(command: &Command) -> Result<Exit, run::Failure> {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        run::Failure(Exit::Failed, format!("{what}: {error}"))
    };
    interrupt::install().map_err(|e| failed("cannot take Ctrl-C", &e))?;
    let mut stdout =
        stdout::Stdout::claim().map_err(|e| failed("cannot take the standard output", &e))?;
    // One thread: with more, what is measured is also how long one takes to wake another.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| failed("cannot start", &e))?;
    let exit = match command {
        Command::Run(args) => runtime.block_on(run::run(args, &mut stdout)),
        Command::Preflight(args) => runtime.block_on(survey::preflight(args, &mut stdout)),
        Command::Calibrate(args) => runtime.block_on(survey::calibrate(args, &mut stdout)),
        Command::Compare(args) => render::compare(args, &mut stdout),
        Command::Report(args) => render::again(args, &mut stdout),
        Command::Schema => render::schema(&mut stdout),
    }?;
    let printed = stdout.end();
    printed.map_err(|e| failed("cannot write to the standard output", &e))?;
    Ok(exit)
}
