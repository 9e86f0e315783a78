//! Cold starts: the latency of a process's first answer. The keys are stored, so that only the
//! start is slow.

use std::time::Duration;

use crate::client::request::RequestSpec;
use crate::load::{interrupt, plan::Phase, plan::Plan, plan::Segment, shell::ShellCommand};
use crate::phases::{discovery::FunctionTraits, session::Session};

/// Restarts: the fewest that give an interval of the median.
pub(crate) const RESTARTS: u32 = 6;

/// The time that the restarts themselves may take.
pub(crate) const DURATION: Duration = Duration::from_secs(6);

/// Runs the phase.
pub(crate) async fn run(session: &mut Session, restart: &ShellCommand) -> Result<(), String> {
    let before = session.totals.cold_functions.count();
    for function in 0..session.traits.len() {
        let spec = RequestSpec::new(function, 0, session.traits[function].canary.clone());
        let stored = session.client.ask(&spec, session.profile.budget).await;
        session.origin_calls.observe(&stored);
    }
    for number in 0..RESTARTS {
        if interrupt::requested() || session.client.elapsed() >= session.profile.budget {
            break;
        }
        restart.run().await?;
        let plan = plan(session);
        let deadline = session.client.elapsed() + Duration::from_secs(10);
        session
            .phase((Phase::ColdFunction, number as usize), plan, deadline)
            .await?;
    }
    if session.totals.cold_functions.count() == before {
        session.note("no process said that it was new (X-Invocation: 1) after the restarts");
    }
    Ok(())
}

/// Asks each function twice as often as it had processes, so that each new one probably answers.
fn plan(session: &Session) -> Plan {
    let segment = |(function, traits): (usize, &FunctionTraits)| {
        let spec = RequestSpec::new(function, 0, traits.canary.clone());
        Segment::closed(1, vec![spec; 2 * traits.instances.unwrap_or(1).max(1)])
    };
    let segments = session.traits.iter().enumerate().map(segment);
    Plan::closed(Phase::ColdFunction, segments.collect())
}
