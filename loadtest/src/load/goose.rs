//! Runs the users of one phase as a Goose attack. Goose counts each request on its own, under the
//! same label, which checks this tool's recorder.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use goose::GooseError;
use goose::config::GooseConfiguration;
use goose::prelude::*;

use crate::client::{Client, sample::Sample};
use crate::load::{machine, phase_runner::PhaseRunner, phase_runner::UserCursor};

/// How many requests Goose counted under each `label name`.
pub(crate) type RequestCounts = BTreeMap<String, usize>;

/// What an attack gives besides its samples.
#[derive(Default)]
pub(crate) struct GooseResult {
    pub(crate) counts: RequestCounts,
    /// CPU time of this process during the attack.
    pub(crate) cpu: Duration,
}

/// The name under which Goose counts a sample.
fn name(client: &Client, runner: &PhaseRunner, sample: &Sample) -> String {
    format!(
        "{} {}",
        runner.plan.phase.label(),
        client.target.functions[sample.function].name
    )
}

/// Runs a phase with as many Goose users as its plan needs, and returns Goose's own counts. Goose
/// writes its own report to `report`, as HTML, JSON or Markdown by the file's name.
///
/// Iterations mode, because the other modes lose metrics when they reset or stop. Attacks must run
/// one after another, because Goose's killswitch is global to the process.
pub(crate) async fn run(
    client: &Arc<Client>,
    runner: &Arc<PhaseRunner>,
    report: Option<&Path>,
) -> Result<GooseResult, Box<GooseError>> {
    let before = machine::cpu_time();
    let users = runner.plan.users().to_string();
    let users_a_second = runner.plan.users_a_second.to_string();
    let report = report.map(|path| path.display().to_string());
    let mut options = vec![
        "--host",
        "http://localhost",
        "--users",
        &users,
        "--increase-rate",
        &users_a_second,
        "--iterations",
        "1",
        "--no-telnet",
        "--no-print-metrics",
        "--no-transaction-metrics",
        "--no-scenario-metrics",
        "-q",
    ];
    if let Some(report) = &report {
        options.extend(["--report-file", report]);
    }
    let phase = runner.plan.phase.label();
    let transaction = Transaction::new(transaction(client.clone(), runner.clone())).set_name(phase);
    let metrics =
        GooseAttack::initialize_with_config(GooseConfiguration::parse_args_default(&options)?)?
            .register_scenario(Scenario::new(phase).register_transaction(transaction))
            .execute()
            .await?;
    let requests = metrics.requests.iter();
    Ok(GooseResult {
        counts: requests
            .map(|(name, request)| (name.clone(), request.raw_data.counter))
            .collect(),
        cpu: machine::cpu_time().saturating_sub(before),
    })
}

fn transaction(client: Arc<Client>, runner: Arc<PhaseRunner>) -> TransactionFunction {
    Arc::new(move |user: &mut GooseUser| {
        let (client, runner) = (client.clone(), runner.clone());
        Box::pin(async move {
            let mut cursor = UserCursor::new(user.weighted_users_index);
            while let Some(sample) = runner.next(&mut cursor, &client).await {
                let (label, name, ok) = (
                    sample.label(),
                    name(&client, &runner, &sample),
                    sample.answer.is_ok(),
                );
                user.record_custom_request_duration(&label, &name, sample.latency, ok, None, None)
                    .await?;
                runner.record(&cursor, sample);
            }
            Ok(())
        })
    })
}
