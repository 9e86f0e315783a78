//! Functions that were just started: what the first answer of a process costs. Owns the restarts and the requests after
//! them; knows nothing of how functions are started. The keys are stored, so that nothing but the start is slow.

use std::time::Duration;

use crate::client::request::Question;
use crate::load::interrupt;
use crate::load::plan::{Phase, Plan, Segment};
use crate::load::shell::Shell;
use crate::phases::discovery::Facts;
use crate::phases::session::Course;

/// How often everything is started afresh: the fewest for an interval of the median.
pub(crate) const RESTARTS: u32 = 6;

/// What the restarts themselves may take of a run's time.
pub(crate) const LASTING: Duration = Duration::from_secs(6);

/// Runs the phase. An error is a sentence.
pub(crate) async fn run(course: &mut Course, restart: &Shell) -> Result<(), String> {
    let before = course.ledger.cold_functions.count();
    for function in 0..course.facts.len() {
        let question = Question::new(function, 0, course.facts[function].canary.clone());
        let stored = course.client.ask(&question, course.profile.budget).await;
        course.truth.observe(&stored);
    }
    for number in 0..RESTARTS {
        if interrupt::requested() || course.client.elapsed() >= course.profile.budget {
            break;
        }
        restart.run().await?;
        let plan = plan(course);
        let deadline = course.client.elapsed() + Duration::from_secs(10);
        course
            .phase((Phase::ColdFunction, number as usize), plan, deadline)
            .await?;
    }
    if course.ledger.cold_functions.count() == before {
        course
            .shortfalls
            .push("no process said that it was new (X-Invocation: 1) after the functions were started afresh".into());
    }
    Ok(())
}

/// Each function twice as often as it had processes, so that each new one probably answers.
fn plan(course: &Course) -> Plan {
    let segment = |(function, facts): (usize, &Facts)| {
        let question = Question::new(function, 0, facts.canary.clone());
        Segment::closed(1, vec![question; 2 * facts.instances.unwrap_or(1).max(1)])
    };
    Plan {
        phase: Phase::ColdFunction,
        segments: course.facts.iter().enumerate().map(segment).collect(),
    }
}
