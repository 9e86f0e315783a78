//! One measurement from its first request to its report. Owns the order of the parts and which exit code they end in;
//! knows nothing of how each part works.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::client::Client;
use crate::commands::cli::{RunArgs, TargetArgs};
use crate::commands::stdout::Stdout;
use crate::error::{CommandError, Exit};
use crate::load::plan::Phase;
use crate::load::profile::Profile;
use crate::load::progress::Progress;
use crate::load::shell::TargetCommands;
use crate::load::{interrupt, machine};
use crate::output::{files, github_actions, terminal};
use crate::phases::minimum_latency::{self, MinimumLatencies};
use crate::phases::session::Session;
use crate::phases::{
    calibrate, cold_start, discovery, faults, mixed, paired_rounds, stampede, time_budget,
};
use crate::report::build::{PhaseResults, RunStart};
use crate::report::judgement::{Comparison, ThresholdResult, ThresholdVerdict};
use crate::report::model::Report;
use crate::target::{self, Target};
use crate::thresholds::baseline;

/// Measures and reports.
pub(crate) async fn run(args: &RunArgs, stdout: &mut Stdout) -> Result<Exit, CommandError> {
    let profile = args.profile();
    let baseline = args.baseline.as_deref().map(files::read).transpose()?;
    let unfit = |e| CommandError(Exit::Usage, format!("--baseline: {e}"));
    if let Some(before) = &baseline {
        baseline::check_comparable(before, &profile).map_err(unfit)?;
    }
    let client = client(&args.target, profile.timeout)?;
    let functions = client.target().functions.iter();
    let functions: Vec<&str> = functions.map(|function| function.name.as_str()).collect();
    let phases = phases_of(&profile, &args.commands(), client.target());
    for rule in &args.fail_if {
        let check_measured = rule.check_measured(&functions, &phases);
        check_measured.map_err(|e| CommandError(Exit::Usage, e))?;
    }
    files::prepare(&args.out).map_err(|CommandError(_, text)| CommandError(Exit::Usage, text))?;
    let progress = Progress::detect(args.no_progress);
    let mut report = measure(Arc::new(client), profile, progress, args).await?;
    // A report of nothing must not take the place of an earlier one.
    if report.interrupted && report.rows.is_empty() && report.failures.is_empty() {
        return Err(nothing_measured());
    }
    report.rules = args
        .fail_if
        .iter()
        .map(|rule| rule.evaluate(&report))
        .collect();
    if let Some(before) = baseline.filter(|_| report.is_valid() && !report.interrupted) {
        let comparison = baseline::compare(&before, &report, args.max_regress);
        report.baseline = Some(comparison.map_err(unfit)?);
    }
    files::write(&report, &args.out)?;
    stdout.print(&terminal::render(&report));
    stdout.print(&format!(
        "\nreports: {} and bench.json\n",
        args.out.join("report.{html,json,md}").display()
    ));
    for line in github_actions::annotations(&report, |name| std::env::var(name).ok()) {
        stdout.print(&format!("{line}\n"));
    }
    Ok(exit(&report, args.strict))
}

/// The client of the target that the command line describes.
pub(crate) fn client(args: &TargetArgs, timeout: Duration) -> Result<Client, CommandError> {
    let usage = |error: target::TargetError| CommandError(Exit::Usage, error.to_string());
    let url = target::base_url(&args.url).map_err(usage)?;
    if !target::is_loopback(&url) && !args.yes_i_own_this_target {
        let host = url.host_str().unwrap_or_default();
        let text = format!(
            "{host} is not this machine: its cache would be flushed; add --yes-i-own-this-target"
        );
        return Err(CommandError(Exit::Usage, text));
    }
    let target =
        Target::load(args.target.as_deref(), &args.functions, &args.prefix).map_err(usage)?;
    Client::new(&url, target, timeout).map_err(|e| failed(&e))
}

fn exit(report: &Report, strict: bool) -> Exit {
    let fired = |result: &ThresholdResult| match result.ruling {
        ThresholdVerdict::Ok => false,
        ThresholdVerdict::Fired | ThresholdVerdict::NoData => true,
        ThresholdVerdict::Inconclusive => strict,
    };
    match () {
        () if report.interrupted => Exit::Interrupted,
        () if !report.is_valid() => Exit::Invalid,
        () if report.rules.iter().any(fired) => Exit::RuleFired,
        () if report
            .baseline
            .as_ref()
            .is_some_and(Comparison::has_regression) =>
        {
            Exit::Regression
        }
        () => Exit::Ok,
    }
}

async fn measure(
    client: Arc<Client>,
    profile: Profile,
    progress: Progress,
    args: &RunArgs,
) -> Result<Report, CommandError> {
    let (machine, started) = (machine::read(), SystemTime::now());
    let commands = args.commands();
    let mut session = Session::new(client, profile, progress, &salt(started));
    let prepared = prepare(&mut session, args.memcached.as_deref());
    let floors = unless_interrupted(prepared).await?;
    let floors = floors.map_err(|e| failed(&e))?;
    let phases = phases(&mut session, &commands).await;
    let found = phases.map_err(|e| failed(&e))?;
    let at = chrono::DateTime::<chrono::Utc>::from(started)
        .to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let start = RunStart {
        at,
        machine,
        price: args.price(),
    };
    Ok(session.report(start, floors, found, interrupt::requested()))
}

/// Looks at this tool and at the target before anything is measured. An error is a sentence.
async fn prepare(
    session: &mut Session,
    memcached: Option<&str>,
) -> Result<MinimumLatencies, String> {
    session.totals.calibrated = calibrate::quick().await?;
    let memcached = match memcached {
        None => None,
        Some(address) => Some(minimum_latency::measure_memcached(address).await?),
    };
    session.traits = discovery::discover(
        &session.client,
        &mut session.supplies,
        &mut session.origin_calls,
    )
    .await?;
    let mut functions = Vec::new();
    for function in 0..session.traits.len() {
        functions.push(minimum_latency::measure_function(&session.client, function).await?);
    }
    Ok(MinimumLatencies {
        memcached,
        functions,
    })
}

/// All phases, one after another. An error is a sentence.
async fn phases(session: &mut Session, commands: &TargetCommands) -> Result<PhaseResults, String> {
    let mut found = PhaseResults::default();
    if session.traits.is_empty() {
        return Ok(found);
    }
    let end = time_budget::end_of_rounds(&session.profile, &session.traits, commands);
    let time = end.saturating_sub(session.client.elapsed());
    session.loads = time_budget::divide(&session.profile, &session.traits, time);
    for (traits, name) in session.traits.iter().zip(&session.names) {
        session
            .progress
            .print(&session.client, &format!("{name}: {traits}"));
    }
    paired_rounds::run(session, end).await?;
    // What already failed would only fail again, or hang.
    if !session.totals.failures.is_empty() {
        return Ok(found);
    }
    mixed::run(session).await?;
    let end = time_budget::end_of_bursts(&session.profile, commands);
    found.bursts = stampede::run(session, end).await?;
    if let Some(fault) = &commands.fault {
        found.faults = faults::run(session, fault).await?;
    }
    if let Some(restart) = &commands.restart {
        cold_start::run(session, restart).await?;
    }
    Ok(found)
}

/// What this run sets out to measure.
fn phases_of(profile: &Profile, commands: &TargetCommands, target: &Target) -> Vec<Phase> {
    let optional = [
        (Phase::Bypass, target.bypass.is_some()),
        (Phase::Mixed, !profile.mixed.is_zero()),
        (Phase::Stampede, profile.bursts > 0),
        (Phase::Faults, commands.fault.is_some()),
        (Phase::ColdFunction, commands.restart.is_some()),
    ];
    let chosen = optional.into_iter().filter(|(_, is_measured)| *is_measured);
    let chosen = chosen.map(|(phase, _)| phase);
    [Phase::Cold, Phase::Warm]
        .into_iter()
        .chain(chosen)
        .collect()
}

/// What no earlier run at this target has used: the clock's nanoseconds and the process.
pub(crate) fn salt(started: SystemTime) -> String {
    let nanos = started
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    format!("lt-{nanos:x}-{:x}", std::process::id())
}

/// Ends at an interrupt, too.
pub(crate) async fn unless_interrupted<T>(
    work: impl Future<Output = T>,
) -> Result<T, CommandError> {
    let interrupted = async {
        while !interrupt::requested() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        done = work => Ok(done),
        () = interrupted => Err(nothing_measured()),
    }
}

fn nothing_measured() -> CommandError {
    CommandError(
        Exit::Interrupted,
        "interrupted before anything was measured; nothing was written".into(),
    )
}

fn failed(error: &dyn std::fmt::Display) -> CommandError {
    CommandError(Exit::Failed, error.to_string())
}
