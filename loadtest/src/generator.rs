//! Was the generator measured instead of the target? Owns the signs of a machine or a tool that had too much to do; knows
//! nothing of the target. They are notes: what was measured is right, but may be of this machine.

use std::time::Duration;

use crate::phase_sum::PhaseSum;
use crate::plan::Phase;
use crate::report::numbers::percent;

/// Timers that wake later than this tell of a machine that has other work.
const BUSY: Duration = Duration::from_millis(5);

/// One thread asks: near a whole core, requests begin to wait for it and not for the target.
const MOST_CPU: f64 = 0.8;

/// What speaks against it, in sentences.
pub(crate) fn notes(phases: &[PhaseSum]) -> Vec<String> {
    late_timers(phases)
        .into_iter()
        .chain(client_limited(phases))
        .collect()
}

fn late_timers(phases: &[PhaseSum]) -> Option<String> {
    let slops = phases.iter().map(|sum| (sum.slop, sum.phase.label()));
    let (slop, phase) = slops.max().filter(|(slop, _)| *slop > BUSY)?;
    let ms = slop.as_millis();
    Some(format!(
        "this machine was busy: timers woke {ms} ms late at p99 of {phase} (not counted as the target's time)"
    ))
}

/// Only where requests are due whether or not the tool has time for them: in a closed loop it is idle while it waits.
fn client_limited(phases: &[PhaseSum]) -> Option<String> {
    let mixed = phases.iter().find(|sum| sum.phase == Phase::Mixed)?;
    let share = mixed.cpu_share().filter(|share| *share > MOST_CPU)?;
    Some(format!(
        "client-limited: this tool itself computed for {} of the mixed phase, so its times may be the tool's (ask for a lower --rate)",
        percent(share)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_busy_generator_is_noted() {
        let sum = |phase, cpu, slop| PhaseSum {
            cpu: Duration::from_millis(cpu),
            slop: Duration::from_millis(slop),
            ended: Duration::from_secs(1),
            ..PhaseSum::blank(phase)
        };
        let note = |sum| notes(&[sum]).concat();
        assert_eq!(note(sum(Phase::Mixed, 790, 5)), "");
        let limited = note(sum(Phase::Mixed, 810, 5));
        assert!(
            limited.starts_with("client-limited: this tool itself computed for 81.00 %"),
            "{limited}"
        );
        assert_eq!(note(sum(Phase::Warm, 810, 5)), "", "a closed loop");
        assert!(note(sum(Phase::Mixed, 1, 6)).starts_with("this machine was busy"));
    }
}
