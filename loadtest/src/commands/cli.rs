//! The command line. Owns names, defaults and help; knows nothing of what they lead to.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::analysis::savings::Price;
use crate::client::FLUSH_TOKEN;
use crate::load::profile::{Profile, ProfileName};
use crate::load::shell::{Fault, ShellCommand, TargetCommands};
use crate::thresholds::threshold::Threshold;

/// Measures what a cache in front of an HTTP service is worth, and proves its own numbers.
///
/// Every answer is classified by the cache's own word (Cache-Status, RFC 9211), and that word is checked against the
/// target's count of origin calls.
///
/// Exit codes: 0 fine; 1 the target or the tool failed; 2 wrong usage; 3 a --fail-if fired; 4 worse than the baseline
/// allows, or without a figure that it has of a function asked now; 5 the measurement is invalid (it contradicts itself or the target: its
/// numbers must not be used, so this wins over 3 and 4); 130 interrupted, with a partial report if anything was
/// measured.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure a target and write report.html, report.json, report.md and bench.json (github-action-benchmark's
    /// customSmallerIsBetter)
    Run(Box<RunArgs>),
    /// Ask a target a few times: does it answer, tell its outcomes, count its origin calls?
    Preflight(TargetArgs),
    /// Measure delays that are known: does this tool time rightly on this machine?
    Calibrate(CalibrateArgs),
    /// Compare two report.json: is the second worse than the first?
    Compare(CompareArgs),
    /// Draw report.html, report.md and bench.json again from a report.json
    Report(ReportArgs),
    /// Print the JSON schema of report.json
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct CalibrateArgs {
    /// Requests of the longest delay, beside as many through a bare socket; the shorter ones have up to fifteen times as many.
    /// With 400 the p99 can be told of each, and it takes two minutes
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u16).range(10..=10_000))]
    pub(crate) requests: u16,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The baseline
    #[arg(value_name = "BEFORE.json")]
    pub(crate) before: PathBuf,
    #[arg(value_name = "NOW.json")]
    pub(crate) now: PathBuf,
    /// How much of a speed-up may be lost
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = percent)]
    pub(crate) max_regress: f64,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[arg(value_name = "REPORT.json")]
    pub(crate) report: PathBuf,
    /// Where the drawings go; beside the JSON if not given
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// Base URL of the target, such as http://localhost:9000
    #[arg(long, value_name = "URL")]
    pub(crate) url: String,
    /// A TOML file that describes a target which is not this project's own functions
    #[arg(long, value_name = "FILE")]
    pub(crate) target: Option<PathBuf>,
    /// Put before every path; {function} becomes the function's name, as in /lambda-url/{function}
    #[arg(long, value_name = "PATH", default_value = "")]
    pub(crate) prefix: String,
    /// Only these functions of the target
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) functions: Vec<String>,
    /// Allow a target that is not this machine: it will get load, and a run flushes its cache
    #[arg(long)]
    pub(crate) yes_i_own_this_target: bool,
}

#[derive(Debug, Args)]
#[command(args_override_self = true, after_help = environment())]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// How much to measure
    #[arg(long, value_enum, default_value_t = ProfileName::Quick)]
    profile: ProfileName,
    /// Where the reports go
    #[arg(long, value_name = "DIR", default_value = "target/loadtest")]
    pub(crate) out: PathBuf,
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
    /// Seconds of mixed traffic, instead of the profile's; 0 leaves it out
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=86_400))]
    mixed: Option<u32>,
    /// Requests a second of mixed traffic
    #[arg(long, value_name = "RPS", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: Option<u32>,
    /// Zipf's exponent of mixed traffic: how unequal its keys are
    #[arg(long, value_name = "EXPONENT", value_parser = exponent)]
    zipf: Option<f64>,
    /// Bursts of the stampede, instead of the profile's; one more follows when the last key expires, if there is time
    /// until then; 0 leaves them out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1000))]
    bursts: Option<u16>,
    /// Exit with 3 if this holds, as in 'p99{phase=warm,outcome=hit} > 5ms' or 'hit_ratio < 90%'; may be repeated
    #[arg(long, value_name = "RULE", value_parser = Threshold::parse)]
    pub(crate) fail_if: Vec<Threshold>,
    /// A rule whose interval lies on both sides of its limit fires, too
    #[arg(long)]
    pub(crate) strict: bool,
    /// Exit with 4 if a speed-up is worse than in this report.json, or is told there of a function asked now and can not be told now
    #[arg(long, value_name = "REPORT.json")]
    pub(crate) baseline: Option<PathBuf>,
    /// How much of a speed-up may be lost against the baseline
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = percent)]
    pub(crate) max_regress: f64,
    /// Memory of the functions, for the estimate of money saved
    #[arg(long, value_name = "MB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(128..=10_240))]
    memory_mb: u32,
    /// Dollars a gigabyte-second: the default is arm64 in us-east-1; x86-64 costs 0.0000166667
    #[arg(long, value_name = "DOLLARS", default_value = "0.0000133334", value_parser = price)]
    price: f64,
    /// Also measure a bare GET of this memcached, as the floor of every hit
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) memcached: Option<String>,
    /// Also measure traffic while the cache is broken, by this shell command, such as 'kill -STOP 4711'
    #[arg(long, value_name = "COMMAND", requires = "mend_cache")]
    break_cache: Option<String>,
    /// The shell command that mends it; it runs also after an interrupt
    #[arg(long, value_name = "COMMAND", requires = "break_cache")]
    mend_cache: Option<String>,
    /// Also measure the first answers of new processes: a shell command that starts the functions afresh and returns
    /// when they can be asked
    #[arg(long, value_name = "COMMAND")]
    restart_functions: Option<String>,
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
            mixed: seconds(self.mixed, named.mixed),
            rate: self.rate.map_or(named.rate, f64::from),
            zipf: self.zipf.unwrap_or(named.zipf),
            bursts: self.bursts.map_or(named.bursts, usize::from),
            budget: seconds(self.budget, named.budget),
            timeout: seconds(self.timeout, named.timeout),
            seed: self.seed.unwrap_or(named.seed),
        }
    }

    /// The commands that change the target between phases.
    pub(crate) fn commands(&self) -> TargetCommands {
        let pair = self.break_cache.as_ref().zip(self.mend_cache.as_ref());
        TargetCommands {
            fault: pair.map(|(break_cache, mend_cache)| Fault {
                break_cache: ShellCommand::new(break_cache),
                mend_cache: ShellCommand::new(mend_cache),
            }),
            restart: self.restart_functions.as_deref().map(ShellCommand::new),
        }
    }

    /// What the functions cost.
    pub(crate) fn price(&self) -> Price {
        Price {
            memory_mb: f64::from(self.memory_mb),
            gb_second: self.price,
        }
    }
}

/// What is no argument, as others on the machine could read it there.
fn environment() -> String {
    format!(
        "Environment:\n  {FLUSH_TOKEN}  Bearer token of the flush, for a target that lets not everyone flush it"
    )
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .trim_end_matches('%')
        .trim()
        .parse()
        .map_err(|_| "a number of per cent, please".to_owned())?;
    if (0.0..100.0).contains(&number) {
        Ok(number / 100.0)
    } else {
        Err("from 0% to below 100%".into())
    }
}

fn exponent(text: &str) -> Result<f64, String> {
    let within = |number: &f64| (0.0..=5.0).contains(number);
    text.parse()
        .ok()
        .filter(within)
        .ok_or_else(|| "a number from 0 to 5, please".into())
}

fn price(text: &str) -> Result<f64, String> {
    let within = |number: &f64| (0.0..=1.0).contains(number);
    text.parse()
        .ok()
        .filter(within)
        .ok_or_else(|| "a price from 0 to 1, please".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Money is told of the functions as they are deployed, unless the command line says otherwise.
    #[test]
    fn the_memory_that_is_paid_for_is_what_the_template_deploys() {
        let template = include_str!("../../../template.yaml");
        let (_, globals) = template.split_once("\nGlobals:").unwrap();
        let (_, memory) = globals.split_once("MemorySize: ").unwrap();
        let deployed: f64 = memory.lines().next().unwrap().trim().parse().unwrap();
        let cli = Cli::parse_from(["loadtest", "run", "--url", "http://localhost"]);
        let Command::Run(args) = cli.command else {
            panic!("run is run");
        };
        assert_eq!(args.price().memory_mb, deployed);
    }
}
