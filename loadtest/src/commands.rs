//! The command line, and one file a subcommand.

pub(crate) mod cli;
pub(crate) mod merge;
pub(crate) mod preflight;
pub(crate) mod reports;
pub(crate) mod run;
pub(crate) mod stdout;
pub(crate) mod what_if;
