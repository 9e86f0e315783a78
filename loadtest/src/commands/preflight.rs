//! The commands that measure nothing of a cache: `preflight` and `calibrate`. Owns their words and exit codes.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::analysis::calibration::Deviation;
use crate::analysis::check::Verdict;
use crate::analysis::format::human_us;
use crate::analysis::origin_calls::OriginCallCounter;
use crate::commands::cli::{CalibrateArgs, TargetArgs};
use crate::commands::run::{self, salt, unless_interrupted};
use crate::commands::stdout::Stdout;
use crate::error::{CommandError, Exit};
use crate::load::keys::Supply;
use crate::phases::{calibrate, discovery};

/// `loadtest preflight`: asks each function a few times, without a flush.
pub(crate) async fn preflight(
    args: &TargetArgs,
    stdout: &mut Stdout,
) -> Result<Exit, CommandError> {
    let client = Arc::new(run::client(args, Duration::from_secs(10))?);
    let functions = client.target().functions.clone();
    let salt = salt(SystemTime::now());
    let mut supplies: Vec<Supply> = functions
        .iter()
        .map(|function| Supply::new(function, &salt, 0))
        .collect();
    let mut counter = OriginCallCounter::default();
    let examined = discovery::discover(&client, &mut supplies, &mut counter);
    let traits = unless_interrupted(examined)
        .await?
        .map_err(|text| CommandError(Exit::Failed, text))?;
    for (traits, function) in traits.iter().zip(&functions) {
        let bypass = if traits.bypass {
            "stands aside when asked"
        } else {
            "is not asked to stand aside"
        };
        stdout.print(&format!("{}: {traits}; {bypass}\n", function.name));
    }
    let verified = traits.iter().all(|traits| traits.instances.is_some());
    stdout.print(match verified {
        true => "ground truth: the target counts its origin calls\n",
        false => "ground truth: none, reports will be headed UNVERIFIED\n",
    });
    Ok(Exit::Ok)
}

/// `loadtest calibrate`: measures delays that are known.
pub(crate) async fn calibrate(
    args: &CalibrateArgs,
    stdout: &mut Stdout,
) -> Result<Exit, CommandError> {
    let mut exit = Exit::Ok;
    let measured = calibrate::measure(usize::from(args.requests), |calibrated| {
        let figures = [("p50", calibrated.p50()), ("p99", calibrated.p99())];
        let deviation_text = figures.map(|(name, deviation)| deviation_text(name, deviation));
        let delay = human_us(calibrated.delay.as_secs_f64() * 1e6);
        stdout.print(&format!(
            "a delay of {delay}: {}\n",
            deviation_text.join("; ")
        ));
        let wrong = |(_, deviation): (_, Option<Deviation>)| {
            deviation.is_some_and(|o| o.verdict() == Verdict::Fail)
        };
        if figures.into_iter().any(wrong) {
            exit = Exit::Invalid;
        }
    });
    unless_interrupted(measured)
        .await?
        .map_err(|text| CommandError(Exit::Failed, text))?;
    Ok(exit)
}

fn deviation_text(name: &str, deviation: Option<Deviation>) -> String {
    let Some(deviation) = deviation else {
        return format!("{name} n/a");
    };
    let verdict = match deviation.verdict() {
        Verdict::Pass => "right",
        Verdict::NotCheckable => "right or not: this machine is too uneven to tell",
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
