//! The order of a run, from its first request to its report, and its exit code.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};

use crate::checks;
use crate::client::Client;
use crate::commands::{cli::RunArgs, cli::TargetArgs, reports, stdout::Stdout};
use crate::error::{CommandError, Exit};
use crate::load::{
    generators::Start, interrupt, machine, machine::Machine, plan::Phase, profile::Profile,
    progress::Progress, sample_file::SampleFile, shell::TargetCommands, traffic::OwnTraffic,
};
use crate::output::{files, github_actions, junit, prometheus, terminal};
use crate::phases::{
    calibrate, capacity, cold_start, discovery, faults, minimum_latency, mixed, paired_rounds,
    session::FunctionLoad, session::Session, stampede, time_budget,
};
use crate::report::{build::PhaseResults, model::Overall, model::Report, parts::PartReport};
use crate::target::{self, Target};
use crate::thresholds::{baseline, threshold::Threshold};

/// The most requests a second that one generator is asked for.
const MAX_RATE: f64 = 10_000.0;

/// What a part may take after its mixed phase.
const AFTER_PART: Duration = Duration::from_secs(10);

pub(crate) async fn run(args: &RunArgs, stdout: &mut Stdout) -> Result<Exit, CommandError> {
    let profile = args.profile();
    let baseline = args.baseline.as_deref().map(reports::read).transpose()?;
    let unfit = |e| CommandError::usage(format!("--baseline: {e}"));
    if let Some(before) = &baseline {
        baseline::check_comparable(before, &profile).map_err(unfit)?;
    }
    let client = client(&args.target, profile.timeout)?;
    let own = args
        .own_keys()
        .map(|file| OwnTraffic::read(file, &client.target.functions))
        .transpose()
        .map_err(|e| CommandError::usage(format!("--keys {e}")))?;
    let functions = client.target.functions.iter();
    let functions: Vec<&str> = functions.map(|function| function.name.as_str()).collect();
    let phases = phases_of(&profile, &args.commands(), &client.target);
    for threshold in &args.fail_if {
        let checked = threshold.check_measured(&functions, &phases);
        checked.map_err(CommandError::usage)?;
    }
    let generators = args.part.map_or(1, |part| part.of);
    if profile.rate / generators as f64 > MAX_RATE {
        let text = format!(
            "--rate: one generator sends at most {MAX_RATE} requests a second; more need several \
             (--part)"
        );
        return Err(CommandError::usage(text));
    }
    files::prepare(&args.out).map_err(CommandError::usage)?;
    for file in [
        &args.junit,
        &args.prometheus,
        &args.samples,
        &args.goose_report,
    ]
    .into_iter()
    .flatten()
    {
        files::check_writable(file).map_err(CommandError::usage)?;
    }
    let progress = Progress::detect(args.no_progress);
    if let Some(start) = args.start() {
        return run_part(
            (Arc::new(client), own),
            (profile, start),
            progress,
            (args, stdout),
        )
        .await;
    }
    let mut report = measure((Arc::new(client), own), profile, progress, args).await?;
    // An empty report must not replace an earlier one.
    if report.interrupted && report.rows.is_empty() && report.failures.is_empty() {
        return Err(nothing_measured());
    }
    judge(&mut report, &args.fail_if, args.strict);
    if let Some(before) = baseline.filter(|_| report.is_valid() && !report.interrupted) {
        let comparison = baseline::compare(&before, &report, args.max_regress);
        report.baseline = Some(comparison.map_err(unfit)?);
    }
    files::write(&report, &args.out)?;
    for (path, text) in [
        (&args.junit, junit::render(&report)),
        (&args.prometheus, prometheus::render(&report)),
    ] {
        if let Some(path) = path {
            files::write_text(path, &text)?;
        }
    }
    Ok(print(&report, &args.out, stdout))
}

/// Evaluates the thresholds.
pub(crate) fn judge(report: &mut Report, thresholds: &[Threshold], strict: bool) {
    report.strict = strict;
    report.rules = thresholds.iter().map(|one| one.evaluate(report)).collect();
}

/// Prints a report that was written to `out`, and returns its exit code.
pub(crate) fn print(report: &Report, out: &Path, stdout: &mut Stdout) -> Exit {
    stdout.print(&terminal::render(report));
    stdout.print(&format!(
        "\nreports: {} and bench.json\n",
        out.join("report.{html,json,md}").display()
    ));
    for line in github_actions::annotations(report, |name| std::env::var(name).ok()) {
        stdout.print(&format!("{line}\n"));
    }
    exit(report)
}

/// The mixed phase of one of several generators.
async fn run_part(
    (client, own): (Arc<Client>, Option<OwnTraffic>),
    (profile, start): (Profile, Start),
    progress: Progress,
    (args, stdout): (&RunArgs, &mut Stdout),
) -> Result<Exit, CommandError> {
    if profile.mixed.is_zero() {
        return Err(CommandError::usage(
            "--part measures the mixed phase, which --mixed 0 leaves out",
        ));
    }
    let budget = start.until() + profile.mixed + AFTER_PART;
    let profile = Profile {
        rounds: 0,
        bursts: 0,
        budget,
        ..profile
    };
    let (mut session, machine) = session((client, own), profile, progress, args)?;
    unless_interrupted(prepare(&mut session, None)).await??;
    // The keys that it was discovered with are its own, and all later ones those of all parts.
    session.start = Some(start);
    session.supplies = session.new_supplies(&start.salt());
    session.loads = vec![FunctionLoad { keys: 0 }; session.traits.len()];
    mixed::run(&mut session).await?;
    let interrupted = interrupt::requested();
    if session.totals.phases.is_empty() {
        return Err(match (interrupted, session.flush_probe.failed) {
            (false, Some(reason)) => reason.into(),
            _ => nothing_measured(),
        });
    }
    let begin = rfc3339(start.at, SecondsFormat::Millis);
    let part = PartReport::new(session, (start.part, begin), machine, interrupted);
    let file = args.out.join(start.part.file());
    let text = serde_json::to_string(&part).map_err(|e| e.to_string())?;
    files::write_text(&file, &text)?;
    let (file, text) = (file.display(), part.describe());
    stdout.print(&format!(
        "{text}\n{file}: 'loadtest merge' with the files of all parts makes the report\n"
    ));
    Ok(match interrupted {
        true => Exit::Interrupted,
        false => Exit::Ok,
    })
}

fn rfc3339(at: SystemTime, precision: SecondsFormat) -> String {
    DateTime::<Utc>::from(at).to_rfc3339_opts(precision, true)
}

/// The client for the target that the command line describes.
pub(crate) fn client(args: &TargetArgs, timeout: Duration) -> Result<Client, CommandError> {
    let url = target::base_url(&args.url).map_err(CommandError::usage)?;
    if !target::is_loopback(&url) && !args.yes_i_own_this_target {
        let host = url.host_str().unwrap_or_default();
        let text = format!(
            "{host} is not this machine: its cache would be flushed; add --yes-i-own-this-target"
        );
        return Err(CommandError::usage(text));
    }
    let target = Target::find(&args.wanted()).map_err(CommandError::usage)?;
    Ok(Client::new(&url, target, timeout)?)
}

fn exit(report: &Report) -> Exit {
    match report.overall() {
        Overall::Interrupted => Exit::Interrupted,
        Overall::Invalid => Exit::Invalid,
        Overall::Failed => Exit::ThresholdFired,
        Overall::Regression => Exit::Regression,
        Overall::Unverified | Overall::Verified => Exit::Ok,
    }
}

async fn measure(
    (client, own): (Arc<Client>, Option<OwnTraffic>),
    profile: Profile,
    progress: Progress,
    args: &RunArgs,
) -> Result<Report, CommandError> {
    let (started, price, commands) = (SystemTime::now(), args.prices(), args.commands());
    let (mut session, machine) = session((client, own), profile, progress, args)?;
    unless_interrupted(prepare(&mut session, args.memcached.as_deref())).await??;
    let results = phases(&mut session, &commands).await?;
    let interrupted = interrupt::requested();
    Ok(session.report(
        (rfc3339(started, SecondsFormat::Secs), machine),
        &price,
        results,
        interrupted,
    ))
}

/// A session that has asked nothing yet, and this machine.
fn session(
    (client, own): (Arc<Client>, Option<OwnTraffic>),
    profile: Profile,
    progress: Progress,
    args: &RunArgs,
) -> Result<(Session, Machine), CommandError> {
    let (machine, started) = (machine::read(), SystemTime::now());
    let mut session = Session::new(client, profile, progress, &salt(started));
    let samples = args.samples.as_deref().map(SampleFile::create);
    session.samples = samples.transpose()?;
    session.goose_report.clone_from(&args.goose_report);
    let connections = machine::max_connections();
    if connections < session.profile.max_in_flight {
        session.note(format!(
            "this machine allows {connections} connections at once, by its limit of open files \
             (ulimit -n) and its range of ports: fewer than --max-in-flight"
        ));
    }
    session.own_traffic = own.map(|traffic| (traffic, args.replay));
    Ok((session, machine))
}

/// Checks this tool and the target before anything is measured.
async fn prepare(session: &mut Session, memcached: Option<&str>) -> Result<(), String> {
    session.totals.calibrated = calibrate::quick().await?;
    if let Some(address) = memcached {
        let memcached = minimum_latency::measure_memcached(address).await?;
        session.minimum.memcached = Some(memcached);
    }
    let (client, supplies) = (&session.client, &mut session.supplies);
    session.traits = discovery::discover(client, supplies, &mut session.origin_calls).await?;
    for function in 0..session.traits.len() {
        let measured = minimum_latency::measure_function(client, function).await?;
        session.minimum.functions.push(measured);
    }
    Ok(())
}

/// Runs all phases, one after another.
async fn phases(session: &mut Session, commands: &TargetCommands) -> Result<PhaseResults, String> {
    let mut results = PhaseResults::default();
    if session.traits.is_empty() {
        return Ok(results);
    }
    let end = time_budget::end_of_rounds(&session.profile, &session.traits, commands);
    let time = end.saturating_sub(session.client.elapsed());
    session.loads = time_budget::divide(&session.profile, &session.traits, time);
    for (traits, name) in session.traits.iter().zip(&session.names) {
        let text = format!("{name}: {traits}");
        session.progress.print(&session.client, &text);
    }
    paired_rounds::run(session, end).await?;
    // A target that has failed so often would only fail again, or hang.
    if checks::too_many_failed(&session.totals) {
        session
            .note("mixed traffic and everything after it was left out: too many requests failed");
        return Ok(results);
    }
    mixed::run(session).await?;
    let end = time_budget::end_of_bursts(&session.profile, commands);
    results.bursts = stampede::run(session, end).await?;
    if let Some(slo) = session.profile.slo {
        let end = time_budget::end_of_capacity(&session.profile, commands);
        results.capacity = capacity::run(session, &slo, end).await?;
    }
    if let Some(fault) = &commands.fault {
        results.faults = faults::run(session, fault).await?;
    }
    if let Some(restart) = &commands.restart {
        cold_start::run(session, restart).await?;
    }
    Ok(results)
}

/// The phases that this run will measure.
fn phases_of(profile: &Profile, commands: &TargetCommands, target: &Target) -> Vec<Phase> {
    let optional = [
        (Phase::Bypass, target.bypass.is_some()),
        (Phase::Mixed, !profile.mixed.is_zero()),
        (Phase::Stampede, profile.bursts > 0),
        (Phase::Faults, commands.fault.is_some()),
        (Phase::ColdFunction, commands.restart.is_some()),
    ];
    let chosen = optional.into_iter().filter(|(_, measured)| *measured);
    let always = [Phase::Cold, Phase::Warm].into_iter();
    always.chain(chosen.map(|(phase, _)| phase)).collect()
}

/// A salt that no earlier run has used: the clock's nanoseconds and the process id.
pub(crate) fn salt(started: SystemTime) -> String {
    let since = started.duration_since(SystemTime::UNIX_EPOCH);
    let nanos = since.unwrap_or_default().as_nanos();
    format!("lt-{nanos:x}-{:x}", std::process::id())
}

/// Runs `work`, but stops at an interrupt.
pub(crate) async fn unless_interrupted<T>(
    work: impl Future<Output = T>,
) -> Result<T, CommandError> {
    tokio::select! {
        done = work => Ok(done),
        () = interrupt::sleep(Duration::MAX) => Err(nothing_measured()),
    }
}

fn nothing_measured() -> CommandError {
    let text = "interrupted before anything was measured; nothing was written";
    CommandError(Exit::Interrupted, text.into())
}
