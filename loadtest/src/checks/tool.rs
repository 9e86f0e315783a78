//! The checks of this tool: its clock, its counts, its users and its pace.

use std::time::Duration;

use crate::analysis::{
    calibration, calibration::Calibrated, check::Check, check::Verdict, format::human_us,
    format::percent, phase_summary::PhaseSummary,
};
use crate::load::{littles_law::Balance, littles_law::ClosedLoop, plan::Phase};

pub(super) fn calibration(calibrated: &[Calibrated]) -> Check {
    let name = "known delays are timed correctly";
    if calibrated.is_empty() {
        return Check::not_checkable(name, "the clock was not tried");
    }
    let parts: Vec<String> = calibrated
        .iter()
        .filter_map(|one| Some((one.delay, one.p50()?)))
        .map(|(delay, off)| format!("{delay:?} as {}", human_us(off.measured)))
        .collect();
    let (verdict, tolerance) = (
        calibration::verdict(calibrated),
        calibration::TOLERANCE_TEXT,
    );
    let uneven = match verdict {
        Verdict::NotCheckable => "; this machine's timing is too uneven to tell",
        _ => "",
    };
    let parts = parts.join(", ");
    let detail =
        format!("medians of a server in this process: {parts} (tolerance: {tolerance}){uneven}");
    Check::new(name, verdict, detail)
}

pub(super) fn goose(phases: &[PhaseSummary]) -> Check {
    let first = phases.iter().find_map(|phase| phase.miscounted.first());
    let detail = match first {
        None => "equal under every label of every phase".to_owned(),
        Some((label, goose, ours)) => format!("{label:?}: Goose counted {goose}, we {ours}"),
    };
    Check::holds("Goose's count = ours", first.is_none(), detail)
}

/// Whether users that should never pause did not. The median over the segments of all rounds
/// decides, so that one pause of the machine does not.
pub(super) fn littles_law(phases: &[PhaseSummary]) -> Check {
    let name = "throughput × latency = users";
    let mut parts = Vec::new();
    let (mut all_hold, mut any_is_broken) = (true, false);
    for phase in [Phase::Cold, Phase::Warm, Phase::Bypass] {
        let phases = phases.iter().filter(|sum| sum.phase == phase);
        let mut balances: Vec<Balance> = phases.flat_map(balances).collect();
        balances.sort_by(|a, b| a.waiting.total_cmp(&b.waiting));
        if let Some(middle) = balances.get(balances.len() / 2) {
            all_hold &= middle.holds();
            any_is_broken |= middle.is_broken();
            let (label, waiting) = (phase.label(), percent(middle.waiting));
            parts.push(format!(
                "{label} {waiting} (own work up to {})",
                percent(middle.own)
            ));
        }
    }
    if parts.is_empty() {
        let detail = "too few requests of one user after another";
        return Check::not_checkable(name, detail);
    }
    let parts = format!("of the users: {}", parts.join(", "));
    if !all_hold && !any_is_broken {
        let busy = format!("{parts}; something else kept this tool from running between requests");
        return Check::not_checkable(name, busy);
    }
    Check::holds(name, all_hold, parts)
}

/// One per segment; the process's CPU time is divided over them by their requests.
fn balances(sum: &PhaseSummary) -> Vec<Balance> {
    let requests: usize = sum.loops.iter().map(|one| one.requests).sum();
    let balance = |one: &ClosedLoop| {
        let share = one.requests as f64 / requests.max(1) as f64;
        one.balance(sum.cpu.mul_f64(share))
    };
    sum.loops.iter().filter_map(balance).collect()
}

/// Requests that are sent later than this were not sent when they were due.
const MAX_LATE: Duration = Duration::from_millis(250);

/// Whether the open loops kept their schedule: otherwise the generator was measured, not the
/// target.
pub(super) fn generator(phases: &[PhaseSummary]) -> Check {
    let name = "the generator kept up";
    let open = || {
        let open = |sum: &&PhaseSummary| {
            matches!(sum.phase, Phase::Mixed | Phase::Stampede | Phase::Faults)
        };
        phases.iter().filter(open)
    };
    let exhausted: u64 = open().map(|sum| sum.exhausted).sum();
    if exhausted > 0 {
        let detail = format!(
            "generator exhausted: {exhausted} requests were due while as many as allowed were in \
             flight, and were not sent (--max-in-flight, or the limit of open files)"
        );
        return Check::new(name, Verdict::Fail, detail);
    }
    if let Some(late) = open().find(|sum| sum.timer_overshoot > MAX_LATE) {
        let (phase, ms) = (late.phase.label(), late.timer_overshoot.as_millis());
        let detail = format!("{phase}: one in a hundred requests was sent {ms} ms late or later");
        return Check::new(name, Verdict::Fail, detail);
    }
    let Some(mixed) = phases.iter().find(|sum| sum.phase == Phase::Mixed) else {
        return Check::not_checkable(name, "there was no mixed phase");
    };
    let planned = mixed.answers + mixed.not_sent;
    let computed = mixed.cpu_share().map_or_else(|| "n/a".into(), percent);
    let detail = format!(
        "{} of {planned} requests could not be sent in time; this tool computed for {computed} of it",
        mixed.not_sent
    );
    Check::holds(name, mixed.not_sent * 100 <= planned, detail)
}

/// Timers that wake later than this show a machine that has other work.
const LATE_TIMER: Duration = Duration::from_millis(5);

/// One thread sends the requests: near a whole core, they begin to wait for it and not for the
/// target.
const MAX_CPU: f64 = 0.8;

/// Signs of a busy machine or tool, in sentences: what was measured is right, but may be of this
/// machine.
pub(crate) fn generator_notes(phases: &[PhaseSummary]) -> Vec<String> {
    let notes = [late_timers(phases), client_limited(phases)];
    notes.into_iter().flatten().collect()
}

fn late_timers(phases: &[PhaseSummary]) -> Option<String> {
    let overshoots = phases
        .iter()
        .map(|sum| (sum.timer_overshoot, sum.phase.label()));
    let (overshoot, phase) = overshoots.max().filter(|(worst, _)| *worst > LATE_TIMER)?;
    let ms = overshoot.as_millis();
    Some(format!(
        "this machine was busy: timers woke {ms} ms late at p99 of {phase} (not counted as the target's time)"
    ))
}

/// Only in the open loop, whose requests are due on a schedule: in a closed loop the tool idles
/// while it waits.
fn client_limited(phases: &[PhaseSummary]) -> Option<String> {
    let mixed = phases.iter().find(|sum| sum.phase == Phase::Mixed)?;
    let share = mixed.cpu_share().filter(|share| *share > MAX_CPU)?;
    Some(format!(
        "client-limited: this tool itself computed for {} of the mixed phase, so its times may be the tool's (ask for a lower --rate)",
        percent(share)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_that_stand_idle_are_found_and_one_pause_is_not_held_against_them() {
        let ms = Duration::from_millis;
        // Rounds of one user that asks every 100 ms, given the latency of each answer.
        let verdict = |latencies: &[u64]| {
            let round = |latency: &u64| {
                let mut closed = ClosedLoop::default();
                let requests: Vec<_> = (0..10).map(|n| (ms(n * 100), ms(*latency))).collect();
                closed.add_user(&requests);
                PhaseSummary {
                    loops: vec![closed],
                    ..PhaseSummary::default()
                }
            };
            let phases: Vec<PhaseSummary> = latencies.iter().map(round).collect();
            littles_law(&phases).verdict
        };
        assert_eq!(verdict(&[98, 60, 99]), Verdict::Pass);
        assert_eq!(verdict(&[90, 60, 99]), Verdict::NotCheckable);
        assert_eq!(verdict(&[40, 60, 30]), Verdict::Fail);
        assert_eq!(verdict(&[]), Verdict::NotCheckable);
    }

    #[test]
    fn only_a_busy_generator_is_noted() {
        let sum = |phase, cpu, timer_overshoot| PhaseSummary {
            cpu: Duration::from_millis(cpu),
            timer_overshoot: Duration::from_millis(timer_overshoot),
            ended: Duration::from_secs(1),
            phase,
            ..PhaseSummary::default()
        };
        let note = |sum| generator_notes(&[sum]).concat();
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
