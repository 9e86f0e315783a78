//! `loadtest preflight` and `loadtest calibrate`.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::analysis::{
    calibration::Deviation, calibration::TOLERANCE_TEXT, check::Verdict, format::human_us,
    origin_calls::OriginCallCounter,
};
use crate::commands::{
    cli::CalibrateArgs, cli::TargetArgs, run, run::salt, run::unless_interrupted, stdout::Stdout,
};
use crate::error::{CommandError, Exit};
use crate::load::keys::Supply;
use crate::phases::{calibrate, discovery};

/// `loadtest preflight`: asks each function a few times, without a flush.
pub(crate) async fn preflight(
    args: &TargetArgs,
    stdout: &mut Stdout,
) -> Result<Exit, CommandError> {
    let client = Arc::new(run::client(args, Duration::from_secs(10))?);
    let functions = client.target.functions.clone();
    let salt = salt(SystemTime::now());
    let supplies = functions.iter().map(|one| Supply::new(one, &salt, 0));
    let mut supplies: Vec<Supply> = supplies.collect();
    let mut counter = OriginCallCounter::default();
    let examined = discovery::discover(&client, &mut supplies, &mut counter);
    let traits = unless_interrupted(examined).await??;
    for (traits, function) in traits.iter().zip(&functions) {
        let bypass = match traits.bypass {
            true => "bypasses its cache on request",
            false => "has no bypass to measure",
        };
        stdout.print(&format!("{}: {traits}; {bypass}\n", function.name));
    }
    let verified = traits.iter().all(|traits| traits.instances.is_some());
    stdout.print(match verified {
        true => "ground truth: the target counts its origin calls\n",
        false => "ground truth: none, so reports will be UNVERIFIED\n",
    });
    Ok(Exit::Ok)
}

/// `loadtest calibrate`: measures known delays.
pub(crate) async fn calibrate(
    args: &CalibrateArgs,
    stdout: &mut Stdout,
) -> Result<Exit, CommandError> {
    let mut exit = Exit::Ok;
    stdout.print(&format!("tolerance: {TOLERANCE_TEXT}\n"));
    let measured = calibrate::measure(usize::from(args.requests), |calibrated| {
        let figures = [("p50", calibrated.p50()), ("p99", calibrated.p99())];
        let texts = figures.map(|(name, deviation)| deviation_text(name, deviation));
        let delay = human_us(calibrated.delay.as_secs_f64() * 1e6);
        stdout.print(&format!(
            "a delay of {delay}: {}
",
            texts.join("; ")
        ));
        let deviations = figures.into_iter().filter_map(|(_, deviation)| deviation);
        if deviations
            .map(|one| one.verdict())
            .any(|verdict| verdict == Verdict::Fail)
        {
            exit = Exit::Invalid;
        }
    });
    unless_interrupted(measured).await??;
    Ok(exit)
}

fn deviation_text(name: &str, deviation: Option<Deviation>) -> String {
    let Some(deviation) = deviation else {
        return format!("{name} n/a");
    };
    let verdict = match deviation.verdict() {
        Verdict::Pass | Verdict::Finding => "correct",
        Verdict::NotCheckable => "not checkable: this machine's timing is too uneven",
        Verdict::Fail => "WRONG",
    };
    format!(
        "{name} measured {}, by a bare socket {}, by the server's clock {}: {:+.2} %, {verdict}",
        human_us(deviation.measured),
        human_us(deviation.reference),
        human_us(deviation.server),
        deviation.error() / deviation.reference * 100.0
    )
}
