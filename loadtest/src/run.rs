//! One measurement from its first request to its report. Owns the order of the parts and which exit code they end in;
//! knows nothing of how each part works.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::account::Measured;
use crate::cli::RunArgs;
use crate::client::Client;
use crate::exit::Exit;
use crate::interrupt;
use crate::keys::Supply;
use crate::ledger::Ledger;
use crate::machine;
use crate::preflight;
use crate::profile::Profile;
use crate::progress::Progress;
use crate::report::{Report, html, markdown, table};
use crate::rounds::Rounds;
use crate::stdout::Stdout;
use crate::target::{self, Target};
use crate::truth::Truth;

/// Why there is no measurement: a sentence for the user, and the exit code.
pub(crate) struct Failure(pub(crate) Exit, pub(crate) String);

/// Measures and reports.
pub(crate) async fn run(args: &RunArgs, stdout: &mut Stdout) -> Result<Exit, Failure> {
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
    let profile = args.profile();
    let client = Client::new(&url, target, profile.timeout).map_err(|e| failed(&e))?;
    let report = measure(
        Arc::new(client),
        &profile,
        Progress::detect(args.no_progress),
    )
    .await?;
    write(&report, &args.out)?;
    stdout.print(&table::render(&report));
    stdout.print(&format!(
        "\nreports: {}\n",
        args.out.join("report.{html,json,md}").display()
    ));
    Ok(exit(&report))
}

fn exit(report: &Report) -> Exit {
    match (report.interrupted, report.is_valid()) {
        (true, _) => Exit::Interrupted,
        (_, false) => Exit::Invalid,
        _ => Exit::Ok,
    }
}

async fn measure(
    client: Arc<Client>,
    profile: &Profile,
    progress: Progress,
) -> Result<Report, Failure> {
    let (machine, started) = (machine::read(), SystemTime::now());
    let functions = client.target().functions.clone();
    let names: Vec<String> = functions
        .iter()
        .map(|function| function.name.clone())
        .collect();
    let salt = salt(started);
    let mut supplies: Vec<Supply> = functions
        .iter()
        .map(|function| Supply::new(function, &salt, profile.seed))
        .collect();
    let (mut truth, mut ledger) = (Truth::default(), Ledger::default());
    let examined = preflight::examine(&client, &mut supplies, profile, &mut truth);
    let facts = unless_interrupted(examined)
        .await?
        .map_err(|e| failed(&e))?;
    for (facts, name) in facts.iter().zip(&names) {
        progress.say(&client, &format!("{name}: {facts}"));
    }
    let rounds = Rounds {
        client: &client,
        profile,
        facts: &facts,
        names: &names,
        progress,
    };
    let (canaries, shortfall) = rounds
        .run(&mut supplies, &mut ledger, &mut truth)
        .await
        .map_err(|e| failed(&e))?;
    let measured = Measured {
        client: &client,
        profile,
        facts: &facts,
        names: &names,
        ledger,
        truth,
        canaries,
        shortfalls: shortfall.into_iter().collect(),
        started: chrono::DateTime::<chrono::Utc>::from(started)
            .to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        machine,
        interrupted: interrupt::requested(),
    };
    Ok(measured.report())
}

/// What no earlier run at this target has used: the clock's nanoseconds and the process.
fn salt(started: SystemTime) -> String {
    let nanos = started
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    format!("lt-{nanos:x}-{:x}", std::process::id())
}

/// Before the first phase there is nothing to report: an interrupt just ends it.
async fn unless_interrupted<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let interrupted = async {
        while !interrupt::requested() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        done = work => Ok(done),
        () = interrupted => Err(Failure(Exit::Interrupted, "interrupted before anything was measured".into())),
    }
}

fn write(report: &Report, out: &Path) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(report).map_err(|e| failed(&e))?;
    let files = [
        ("report.json", json),
        ("report.md", markdown::render(report)),
        ("report.html", html::render(report)),
    ];
    std::fs::create_dir_all(out).map_err(|e| {
        Failure(
            Exit::Failed,
            format!("cannot create {}: {e}", out.display()),
        )
    })?;
    for (name, text) in files {
        let path = out.join(name);
        std::fs::write(&path, text).map_err(|e| {
            Failure(
                Exit::Failed,
                format!("cannot write {}: {e}", path.display()),
            )
        })?;
    }
    Ok(())
}

fn failed(error: &dyn std::fmt::Display) -> Failure {
    Failure(Exit::Failed, error.to_string())
}
