//! The command line. Owns names, defaults and help; knows nothing of what they lead to.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::profile::{Name, Profile};

/// Measures what a cache in front of an HTTP service is worth, and proves its own numbers.
///
/// Every answer is classified by the cache's own word (Cache-Status, RFC 9211), and that word is checked against the
/// target's count of origin calls.
///
/// Exit codes: 0 fine; 1 the target or the tool failed; 2 wrong usage; 5 the measurement is invalid (it contradicts
/// itself or the target: its numbers must not be used); 130 interrupted, with a partial report.
#[derive(Debug, Parser)]
#[command(version, verbatim_doc_comment)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure a target and write report.html, report.json and report.md
    Run(RunArgs),
}

#[derive(Debug, Args)]
#[command(args_override_self = true)]
pub(crate) struct RunArgs {
    /// Base URL of the target, such as http://localhost:9000
    #[arg(long, value_name = "URL")]
    pub(crate) url: String,
    /// How much to measure
    #[arg(long, value_enum, default_value_t = Name::Quick)]
    profile: Name,
    /// Where the reports go
    #[arg(long, value_name = "DIR", default_value = "target/loadtest")]
    pub(crate) out: PathBuf,
    /// A TOML file that describes a target which is not this project's own functions
    #[arg(long, value_name = "FILE")]
    pub(crate) target: Option<PathBuf>,
    /// Put before every path; {function} becomes the function's name, as in /lambda-url/{function}
    #[arg(long, value_name = "PATH", default_value = "")]
    pub(crate) prefix: String,
    /// Only these functions of the target
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) functions: Vec<String>,
    /// Paired rounds of flush, cold and warm, instead of the profile's
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: Option<u16>,
    /// Keys a round and function, instead of the profile's
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    keys: Option<u16>,
    /// Warm requests a key, instead of the profile's
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    repeats: Option<u16>,
    /// Seconds within which the run ends, whatever the target does, instead of the profile's
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(5..=86_400))]
    budget: Option<u32>,
    /// Seconds that one request may take
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=600))]
    timeout: Option<u32>,
    /// Seed of keys and their order: the same seed asks the same, apart from the salt that makes keys fresh
    #[arg(long)]
    seed: Option<u64>,
    /// Allow a target that is not this machine: its cache will be flushed and it will get load
    #[arg(long)]
    pub(crate) yes_i_own_this_target: bool,
    /// Print no progress
    #[arg(long)]
    pub(crate) no_progress: bool,
}

impl RunArgs {
    /// The profile with what the command line changes of it.
    pub(crate) fn profile(&self) -> Profile {
        let named = Profile::named(self.profile);
        let seconds =
            |value: Option<u32>, or: Duration| value.map_or(or, |s| Duration::from_secs(s.into()));
        Profile {
            rounds: self.rounds.map_or(named.rounds, usize::from),
            keys: self.keys.map_or(named.keys, usize::from),
            repeats: self.repeats.map_or(named.repeats, usize::from),
            budget: seconds(self.budget, named.budget),
            timeout: seconds(self.timeout, named.timeout),
            seed: self.seed.unwrap_or(named.seed),
        }
    }
}
