//! One measurement from its first request to its report. Owns the order of the parts and which exit code they end in;
//! knows nothing of how each part works.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::account::Start;
use crate::ci;
use crate::cli::{RunArgs, TargetArgs};
use crate::client::Client;
use crate::compare::{self, Comparison};
use crate::cost::Price;
use crate::course::{Canaries, Course};
use crate::exit::Exit;
use crate::floor;
use crate::interrupt;
use crate::keys::Supply;
use crate::ledger::Ledger;
use crate::machine;
use crate::mixed;
use crate::preflight;
use crate::profile::Profile;
use crate::progress::Progress;
use crate::render;
use crate::report::{Report, table};
use crate::room;
use crate::rounds;
use crate::rules::{Judgement, Ruling};
use crate::stampede;
use crate::stdout::Stdout;
use crate::target::{self, Function, Target};
use crate::truth::Truth;

/// Why there is no measurement: a sentence for the user, and the exit code.
pub(crate) struct Failure(pub(crate) Exit, pub(crate) String);

/// Measures and reports.
pub(crate) async fn run(args: &RunArgs, stdout: &mut Stdout) -> Result<Exit, Failure> {
    let profile = args.profile();
    let baseline = args.baseline.as_deref().map(render::read).transpose()?;
    let client = client(&args.target, profile.timeout)?;
    let floor = match &args.memcached {
        None => None,
        Some(address) => Some(floor::measure(address).await.map_err(|e| failed(&e))?),
    };
    let progress = Progress::detect(args.no_progress);
    let mut report = measure(Arc::new(client), profile, progress, args.price()).await?;
    report.floor = floor;
    report.rules = args
        .fail_if
        .iter()
        .map(|rule| rule.judge(&report))
        .collect();
    if let Some(before) = baseline.filter(|_| report.is_valid() && !report.interrupted) {
        let comparison = compare::compare(&before, &report, args.max_regress);
        report.baseline =
            Some(comparison.map_err(|e| Failure(Exit::Usage, format!("--baseline: {e}")))?);
    }
    render::write(&report, &args.out)?;
    stdout.print(&table::render(&report));
    stdout.print(&format!(
        "\nreports: {}\n",
        args.out.join("report.{html,json,md}").display()
    ));
    for line in ci::tell(&report, |name| std::env::var(name).ok()) {
        stdout.print(&format!("{line}\n"));
    }
    Ok(exit(&report, args.strict))
}

/// The client of the target that the command line describes.
pub(crate) fn client(args: &TargetArgs, timeout: Duration) -> Result<Client, Failure> {
    let usage = |error: target::TargetError| Failure(Exit::Usage, error.to_string());
    let url = target::base_url(&args.url).map_err(usage)?;
    if !target::is_loopback(&url) && !args.yes_i_own_this_target {
        let host = url.host_str().unwrap_or_default();
        let text = format!(
            "{host} is not this machine: its cache would be flushed; add --yes-i-own-this-target"
        );
        return Err(Failure(Exit::Usage, text));
    }
    let target =
        Target::load(args.target.as_deref(), &args.functions, &args.prefix).map_err(usage)?;
    Client::new(&url, target, timeout).map_err(|e| failed(&e))
}

fn exit(report: &Report, strict: bool) -> Exit {
    let fired = |judgement: &Judgement| match judgement.ruling {
        Ruling::Ok => false,
        Ruling::Fired | Ruling::NoData => true,
        Ruling::Inconclusive => strict,
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
    price: Price,
) -> Result<Report, Failure> {
    let (machine, started) = (machine::read(), SystemTime::now());
    let functions = client.target().functions.clone();
    let salt = salt(started);
    let supply = |function: &Function| Supply::new(function, &salt, profile.seed);
    let mut supplies: Vec<Supply> = functions.iter().map(supply).collect();
    let mut truth = Truth::default();
    let examined = preflight::examine(&client, &mut supplies, &mut truth);
    let facts = unless_interrupted(examined)
        .await?
        .map_err(|e| failed(&e))?;
    let end = room::end_of_rounds(&profile, &facts);
    let shares = room::share(&profile, &facts, end.saturating_sub(client.elapsed()));
    for (facts, function) in facts.iter().zip(&functions) {
        progress.say(&client, &format!("{}: {facts}", function.name));
    }
    let mut course = Course {
        client,
        profile,
        progress,
        names: functions
            .into_iter()
            .map(|function| function.name)
            .collect(),
        supplies,
        facts,
        shares,
        ledger: Ledger::default(),
        truth,
        canaries: Canaries::default(),
        shortfalls: Vec::new(),
    };
    rounds::run(&mut course, end)
        .await
        .map_err(|e| failed(&e))?;
    // What already failed would only fail again, or hang.
    let bursts = if course.ledger.failures.is_empty() {
        mixed::run(&mut course).await.map_err(|e| failed(&e))?;
        stampede::run(&mut course).await.map_err(|e| failed(&e))?
    } else {
        Vec::new()
    };
    let at = chrono::DateTime::<chrono::Utc>::from(started)
        .to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    Ok(course.report(Start { at, machine, price }, bursts, interrupt::requested()))
}

/// What no earlier run at this target has used: the clock's nanoseconds and the process.
pub(crate) fn salt(started: SystemTime) -> String {
    let nanos = started
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    format!("lt-{nanos:x}-{:x}", std::process::id())
}

/// Before the first phase there is nothing to report: an interrupt just ends it.
pub(crate) async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let interrupted = async {
        while !interrupt::requested() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        done = work => Ok(done),
        () = interrupted => Err(Failure(Exit::Interrupted, "interrupted before anything was measured".into())),
    }
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure(Exit::Failed, error.to_string())
}
