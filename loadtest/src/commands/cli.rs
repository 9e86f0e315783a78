//! The command line: names, defaults and help.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Parser, Subcommand};

use crate::analysis::savings::Price;
use crate::client::FLUSH_TOKEN;
use crate::load::{
    generators, generators::Part, generators::Start, profile::Profile, profile::ProfileName,
    shell::Fault, shell::ShellCommand, shell::TargetCommands, slo::Slo, traffic::Replay,
};
use crate::phases::capacity;
use crate::report::build::PriceList;
use crate::target::Wanted;
use crate::thresholds::threshold::Threshold;

/// Measures what a cache in front of an HTTP service is worth, and checks its own numbers.
///
/// Every answer is classified by what the cache says in Cache-Status (RFC 9211), and that is
/// checked against the target's own count of origin calls.
///
/// Exit codes: 0 success; 1 the target or the tool failed; 2 wrong usage; 3 a --fail-if fired; 4 a
/// regression against the baseline, or a baseline figure that this run could not measure; 5 the
/// measurement is invalid (it contradicts itself or the target, so its numbers must not be used;
/// this wins over 3 and 4); 130 interrupted, with a partial report if anything was measured.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure a target and write report.html, report.json, report.md and bench.json (for
    /// github-action-benchmark)
    Run(Box<RunArgs>),
    /// Ask a target a few times: does it answer, name its outcomes and count its origin calls?
    Preflight(TargetArgs),
    /// Measure known delays: is this tool's clock accurate on this machine?
    Calibrate(CalibrateArgs),
    /// Compute from a list of keys or an access log, without asking the target, what a cache would
    /// do: the hit ratio over the lifetime of entries and over the memory
    WhatIf(WhatIfArgs),
    /// Compare two report.json: is the second worse than the first?
    Compare(CompareArgs),
    /// Render report.html, report.md and bench.json again from a report.json
    Report(ReportArgs),
    /// Make one report of the files of several generators, which 'run --part' wrote
    Merge(MergeArgs),
    /// Print the JSON schema of report.json
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct CalibrateArgs {
    /// Requests with the longest delay, next to as many through a bare socket; the shorter delays
    /// get up to fifteen times as many. 400 are enough for a p99 of each delay, and take two
    /// minutes
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
    /// How much of a figure may be lost
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = percent)]
    pub(crate) max_regress: f64,
    /// A figure that may or may not be worse counts as a regression
    #[arg(long)]
    pub(crate) strict: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WhatIfArgs {
    /// The requests: see the FILE of 'run --keys'
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The path of the cached requests, with {key}; by default every path is a key of its own
    #[arg(long, value_name = "PATH", conflicts_with = "target")]
    pub(crate) path: Option<String>,
    /// A TOML file with the paths of the cached functions
    #[arg(long, value_name = "FILE")]
    pub(crate) target: Option<PathBuf>,
    /// Only these functions of the target
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        requires = "target"
    )]
    pub(crate) functions: Vec<String>,
    /// Also write what-if.html with charts into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    #[arg(value_name = "REPORT.json")]
    pub(crate) report: PathBuf,
    /// Where the files go; by default, next to the JSON
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// The files of all parts
    #[arg(value_name = "PART.json", required = true, num_args = 2..)]
    pub(crate) parts: Vec<PathBuf>,
    /// Where the reports go
    #[arg(long, value_name = "DIR", default_value = "target/loadtest")]
    pub(crate) out: PathBuf,
    /// Exit with 3 if this holds; may be repeated
    #[arg(long, value_name = "THRESHOLD", value_parser = Threshold::parse)]
    pub(crate) fail_if: Vec<Threshold>,
    /// Also fire if the interval of a value lies on both sides of the limit
    #[arg(long)]
    pub(crate) strict: bool,
}

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// Base URL of the target, such as http://localhost:9000
    #[arg(long, value_name = "URL")]
    pub(crate) url: String,
    /// A TOML file that describes a target other than this project's own functions
    #[arg(long, value_name = "FILE")]
    pub(crate) target: Option<PathBuf>,
    /// A known cache, for a target without a file: cloudfront, fastly, nginx, souin or varnish. A
    /// file names it itself (preset = "nginx")
    #[arg(
        long,
        value_name = "NAME",
        requires = "path",
        conflicts_with = "target"
    )]
    preset: Option<String>,
    /// The path of the only function of a target without a file, with {key}, as in /item/{key}
    #[arg(long, value_name = "PATH", conflicts_with = "target")]
    path: Option<String>,
    /// Prefix of every path; {function} becomes the function's name, as in /lambda-url/{function}
    #[arg(long, value_name = "PATH", default_value = "")]
    pub(crate) prefix: String,
    /// Measure only these functions of the target
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) functions: Vec<String>,
    /// Allow a target on another machine: it will get load, and a run flushes its cache
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
    /// Keys per round and function, instead of the profile's. Or a FILE with your own traffic for
    /// the mixed phase: keys or paths, one a line; an access log of nginx, Apache, a load balancer
    /// or CloudFront; CSV with a header or JSON lines (key, path or url; time; bytes). Paths that
    /// fit the functions' are used. May be given once for each
    #[arg(long, value_name = "N|FILE", value_parser = KeysOption::parse)]
    keys: Vec<KeysOption>,
    /// How the requests of --keys FILE are sent
    #[arg(long, value_enum, default_value_t = Replay::Pace)]
    pub(crate) replay: Replay,
    /// Warm requests per key, instead of the profile's
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    repeats: Option<u16>,
    /// Seconds within which the run ends, even if the target hangs, instead of the profile's
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(5..=86_400))]
    budget: Option<u32>,
    /// Timeout of one request, in seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=600))]
    timeout: Option<u32>,
    /// Seed of the keys and their order: the same seed sends the same requests, apart from the salt
    /// that makes keys fresh
    #[arg(long)]
    seed: Option<u64>,
    /// How long mixed traffic lasts, in seconds or as in 90s, 10m or 1h, instead of the profile's;
    /// 0 leaves it out
    #[arg(long, visible_alias = "run-time", value_name = "TIME", value_parser = run_time)]
    mixed: Option<u32>,
    /// Mixed traffic by so many users, each of whom asks again as soon as it has its answer,
    /// instead of at a rate: as Goose does it. A slow target gets fewer requests then, so that its
    /// worst moments count less than its users would feel them
    #[arg(long, value_name = "N", conflicts_with = "rate", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    users: Option<u32>,
    /// How many users start a second
    #[arg(long, visible_alias = "hatch-rate", value_name = "N", requires = "users", value_parser = rate)]
    increase_rate: Option<f64>,
    /// Also let Goose write its own report of the mixed phase (.html, .json or .md)
    #[arg(long, value_name = "FILE")]
    pub(crate) goose_report: Option<PathBuf>,
    /// Requests per second of mixed traffic, at most 10000 from one generator
    #[arg(long, value_name = "RPS", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Be one of several generators, as in 2/3, that send the mixed traffic of --rate together:
    /// each with a process or a machine of its own, at the same --begin, with otherwise the same
    /// options. Only the mixed phase is measured; 'loadtest merge' makes the report of all parts
    #[arg(
        long,
        value_name = "K/N",
        requires = "begin",
        value_parser = Part::parse,
        conflicts_with_all = [
            "users", "bursts", "rounds", "slo", "break_cache", "restart_functions", "fail_if",
            "baseline", "junit", "prometheus", "budget",
        ]
    )]
    pub(crate) part: Option<Part>,
    /// When all parts begin: a moment that no other run has, a few seconds from now, as in
    /// 2026-11-29T14:05:00Z. The clocks of their machines must agree
    #[arg(long, value_name = "MOMENT", requires = "part", value_parser = generators::moment)]
    begin: Option<SystemTime>,
    /// Zipf exponent of mixed traffic: how unequal the popularity of its keys is
    #[arg(long, value_name = "EXPONENT", value_parser = exponent)]
    zipf: Option<f64>,
    /// Bursts of the stampede, instead of the profile's; if there is time, one more follows when
    /// the last key expires; 0 leaves them out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1000))]
    bursts: Option<u16>,
    /// Also measure how many requests a second keep this promise, with the cache and past it, by a
    /// ramp, as in 'p99<50ms'; it takes a minute more
    #[arg(long, value_name = "PROMISE", value_parser = Slo::parse)]
    slo: Option<Slo>,
    /// The most requests in flight in mixed traffic, bursts and faults, as a safety cap: if it is
    /// reached, requests that are due are not sent, and the run is not valid
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(32..=100_000))]
    max_in_flight: Option<u32>,
    /// Exit with 3 if this holds, as in 'p99{phase=warm,outcome=hit} > 5ms' or 'hit_ratio < 90%';
    /// may be repeated
    #[arg(long, value_name = "THRESHOLD", value_parser = Threshold::parse)]
    pub(crate) fail_if: Vec<Threshold>,
    /// Also fire if the interval of a value lies on both sides of the limit, or of what the
    /// baseline allows
    #[arg(long)]
    pub(crate) strict: bool,
    /// Exit with 4 if a hit, a miss, the cache's own cost, a speed-up, stampedes or failures are
    /// worse than in this report.json, or missing in this run
    #[arg(long, value_name = "REPORT.json")]
    pub(crate) baseline: Option<PathBuf>,
    /// How much of a figure may be lost against the baseline
    #[arg(long, value_name = "PERCENT", default_value = "10%", value_parser = percent)]
    pub(crate) max_regress: f64,
    /// Memory of the functions, for the estimate of money saved
    #[arg(long, value_name = "MB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(128..=10_240))]
    memory_mb: u32,
    /// Dollars per gigabyte-second: the default is arm64 in us-east-1; x86-64 costs 0.0000166667
    #[arg(long, value_name = "DOLLARS", default_value = "0.0000133334", value_parser = price)]
    price: f64,
    /// What the cache itself costs, in dollars a month: it is taken off what is saved, from each
    /// function by its share of the requests
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    cache_price: Option<f64>,
    /// Also write the verdicts as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Also write the numbers as Prometheus text
    #[arg(long, value_name = "FILE")]
    pub(crate) prometheus: Option<PathBuf>,
    /// Also write every request as a line of CSV
    #[arg(long, value_name = "FILE")]
    pub(crate) samples: Option<PathBuf>,
    /// Also measure a bare GET of this memcached, the minimum latency of every hit
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) memcached: Option<String>,
    /// Also measure traffic while the cache is broken by this shell command, such as 'kill -STOP
    /// 4711'
    #[arg(long, value_name = "COMMAND", requires = "mend_cache")]
    break_cache: Option<String>,
    /// The shell command that repairs the cache; it also runs after an interrupt
    #[arg(long, value_name = "COMMAND", requires = "break_cache")]
    mend_cache: Option<String>,
    /// Also measure the first answers of new processes: a shell command that restarts the functions
    /// and returns when they accept requests
    #[arg(long, value_name = "COMMAND")]
    restart_functions: Option<String>,
    /// Print no progress
    #[arg(long)]
    pub(crate) no_progress: bool,
}

/// A value of `--keys`.
#[derive(Clone, Debug)]
enum KeysOption {
    Count(usize),
    File(PathBuf),
}

impl KeysOption {
    fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(count @ 1..=10_000) => Ok(Self::Count(count)),
            Ok(_) => Err("expected 1 to 10000 keys, or a file".into()),
            Err(_) => Ok(Self::File(text.into())),
        }
    }
}

impl TargetArgs {
    /// The target that the command line asks for.
    pub(crate) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            file: self.target.as_deref(),
            preset: self.preset.as_deref(),
            path: self.path.as_deref(),
            only: &self.functions,
            prefix: &self.prefix,
        }
    }
}

impl RunArgs {
    /// The file with the user's own traffic.
    pub(crate) fn own_keys(&self) -> Option<&Path> {
        let files = self.keys.iter().rev();
        files.into_iter().find_map(|keys| match keys {
            KeysOption::File(path) => Some(path.as_path()),
            KeysOption::Count(_) => None,
        })
    }

    fn key_count(&self) -> Option<usize> {
        self.keys.iter().rev().find_map(|keys| match keys {
            KeysOption::Count(count) => Some(*count),
            KeysOption::File(_) => None,
        })
    }

    /// The profile, with the changes of the command line.
    pub(crate) fn profile(&self) -> Profile {
        let named = Profile::named(self.profile);
        let seconds =
            |value: Option<u32>, or: Duration| value.map_or(or, |s| Duration::from_secs(s.into()));
        Profile {
            rounds: self.rounds.map_or(named.rounds, usize::from),
            keys: self.key_count().unwrap_or(named.keys),
            repeats: self.repeats.map_or(named.repeats, usize::from),
            mixed: seconds(self.mixed, named.mixed),
            rate: self.rate.map_or(named.rate, f64::from),
            users: self.users.map(|users| users as usize),
            users_a_second: self.increase_rate.unwrap_or(named.users_a_second),
            zipf: self.zipf.unwrap_or(named.zipf),
            bursts: self.bursts.map_or(named.bursts, usize::from),
            max_in_flight: self
                .max_in_flight
                .map_or(named.max_in_flight, |most| most as usize),
            slo: self.slo,
            budget: match self.slo {
                Some(_) => seconds(self.budget, named.budget + capacity::DURATION),
                None => seconds(self.budget, named.budget),
            },
            timeout: seconds(self.timeout, named.timeout),
            seed: self.seed.unwrap_or(named.seed),
        }
    }

    /// Which of several generators this is, and when all begin.
    pub(crate) fn start(&self) -> Option<Start> {
        let (part, at) = self.part.zip(self.begin)?;
        Some(Start { part, at })
    }

    /// The shell commands that change the target between phases.
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

    pub(crate) fn prices(&self) -> PriceList {
        PriceList {
            compute: Price {
                memory_mb: f64::from(self.memory_mb),
                gb_second: self.price,
            },
            cache: self.cache_price,
        }
    }
}

/// The token is read from the environment, because other users of the machine can read arguments.
fn environment() -> String {
    format!(
        "Environment:\n  {FLUSH_TOKEN}  Bearer token of the flush, for a target whose flush needs authorisation"
    )
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim();
    let percent: Option<f64> = number.parse().ok();
    percent
        .filter(|percent| (0.0..100.0).contains(percent))
        .map(|percent| percent / 100.0)
        .ok_or_else(|| "expected a percentage from 0% to below 100%, such as 10%".into())
}

/// Reads seconds, or a number with its unit as Goose has it.
fn run_time(text: &str) -> Result<u32, String> {
    let wrong = || "expected 0 to 86400 seconds, or a time such as 90s, 10m or 1h".to_owned();
    let (number, factor) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 3600),
        _ => (text, 1),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let seconds = number
        .checked_mul(factor)
        .filter(|seconds| *seconds <= 86_400);
    seconds.ok_or_else(wrong)
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = number_up_to(10_000.0, text)?;
    match rate > 0.0 {
        true => Ok(rate),
        false => Err("expected a number above 0".into()),
    }
}

fn exponent(text: &str) -> Result<f64, String> {
    number_up_to(5.0, text)
}

fn dollars(text: &str) -> Result<f64, String> {
    number_up_to(1e9, text)
}

fn price(text: &str) -> Result<f64, String> {
    number_up_to(1.0, text)
}

fn number_up_to(most: f64, text: &str) -> Result<f64, String> {
    let number = text.parse().ok();
    number
        .filter(|number| (0.0..=most).contains(number))
        .ok_or_else(|| format!("expected a number from 0 to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The default memory is what the template deploys.
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
        assert_eq!(args.prices().compute.memory_mb, deployed);
    }
}
