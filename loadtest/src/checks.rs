//! The measurement checks itself. Owns each check, what makes it fail and the words for it; knows nothing of reports.
//! One failed check makes the whole measurement invalid, whatever its numbers say.

pub(crate) mod tool;

use crate::analysis::check::{Check, GROUND_TRUTH, Verdict};
use crate::analysis::origin_calls::OriginCalls;
use crate::analysis::phase_summary::PhaseSummary;
use crate::analysis::totals::{FlushProbe, Totals};
use crate::load::plan::Phase;
use crate::target::outcome::Outcome;

/// Fewer rounds than this give no interval worth the name.
const MIN_ROUNDS: usize = 3;

/// All checks over a finished run. `wanted_rounds` were asked for.
pub(crate) fn all(totals: &Totals, flush_probe: &FlushProbe, wanted_rounds: usize) -> Vec<Check> {
    vec![
        ground_truth(&totals.phases),
        purity(totals, Phase::Cold),
        purity(totals, Phase::Warm),
        bypass(totals),
        replay(totals),
        flush(flush_probe),
        failures(totals),
        outcomes(totals),
        values(totals),
        clocks(totals),
        tool::calibration(&totals.calibrated),
        tool::goose(&totals.phases),
        tool::littles_law(&totals.phases),
        tool::generator(&totals.phases),
        completeness(totals, wanted_rounds),
    ]
}

/// Each phase on its own: a hit called a miss in one and a miss called a hit in another would cancel out in a sum.
fn ground_truth(phases: &[PhaseSummary]) -> Check {
    let mut total = 0;
    // A later phase may yet contradict its answers, which weighs more.
    let mut unprovable = None;
    for phase in phases {
        let place = format!("round {} {}", phase.round + 1, phase.phase.label());
        // Where a broken cache made requests fail, nobody knows which of them reached the origin.
        if phase.phase == Phase::Faults && phase.failed > 0 {
            continue;
        }
        match &phase.counted {
            OriginCalls::Counted(counted) if *counted == phase.claimed => total += counted,
            OriginCalls::Counted(counted) => {
                let detail = format!(
                    "{place}: the answers claim {} origin calls, the target counted {counted}",
                    phase.claimed
                );
                return Check::new(GROUND_TRUTH, Verdict::Fail, detail);
            }
            OriginCalls::Contradictory(reason) => {
                return Check::new(
                    GROUND_TRUTH,
                    Verdict::Fail,
                    format!("{place}: instance {reason}"),
                );
            }
            OriginCalls::Unprovable(reason) => {
                unprovable.get_or_insert_with(|| format!("{place}: instance {reason}"));
            }
            OriginCalls::Absent if total > 0 => {
                let detail = format!("{place}: the answers tell their origin calls no more");
                return Check::new(GROUND_TRUTH, Verdict::Fail, detail);
            }
            OriginCalls::Absent => {
                let detail = "the answers carry no X-Instance, X-Invocation and X-Origin-Calls (DIAGNOSTICS=on)";
                return Check::new(GROUND_TRUTH, Verdict::NotCheckable, detail);
            }
        }
    }
    if let Some(detail) = unprovable {
        return Check::new(GROUND_TRUTH, Verdict::NotCheckable, detail);
    }
    Check::holds(
        GROUND_TRUTH,
        !phases.is_empty(),
        format!("{total} = {total}, in each of {} phases", phases.len()),
    )
}

fn purity(totals: &Totals, phase: Phase) -> Check {
    let phases = || totals.phases.iter().filter(|sum| sum.phase == phase);
    let (answers, hits): (u64, u64) = (
        phases().map(|sum| sum.answers).sum(),
        phases().map(|sum| sum.hits).sum(),
    );
    let claimed: u64 = phases().map(|sum| sum.claimed).sum();
    if phase == Phase::Cold {
        let detail = format!(
            "{claimed} of {answers} answers for fresh keys called the origin, {hits} were hits"
        );
        return Check::holds(
            "cold answers are misses",
            answers > 0 && claimed == answers,
            detail,
        );
    }
    // A thousandth may expire or be evicted between its cold and its warm request. Where the cache says that it failed
    // it is believed, as its origin calls are counted; each failure, also to store in the cold phase, explains one miss.
    // But it must not fail more than now and then.
    let rounds = totals
        .phases
        .iter()
        .filter(|sum| matches!(sum.phase, Phase::Cold | Phase::Warm));
    let cache_failures: u64 = rounds.map(|sum| sum.cache_failures).sum();
    let misses = answers - hits;
    let unexplained = misses.saturating_sub(cache_failures);
    let detail = format!(
        "{hits} of {answers} answers for stored keys were hits; {cache_failures} times the cache failed, and said so"
    );
    let pure = answers > 0 && unexplained * 1000 <= answers && misses * 20 <= answers;
    Check::holds("warm answers are hits", pure, detail)
}

fn bypass(totals: &Totals) -> Check {
    let phases = || {
        totals
            .phases
            .iter()
            .filter(|sum| sum.phase == Phase::Bypass)
    };
    let (answers, bypassed): (u64, u64) = (
        phases().map(|s| s.answers).sum(),
        phases().map(|s| s.bypassed).sum(),
    );
    let name = "bypass answers stand aside";
    if answers == 0 {
        return Check::new(name, Verdict::NotCheckable, "the target was not asked to");
    }
    Check::holds(
        name,
        bypassed == answers,
        format!("{bypassed} of {answers} answers were made without the cache"),
    )
}

/// One in a hundred may fall into a race that the model does not know.
fn replay(totals: &Totals) -> Check {
    let name = "mixed traffic replays";
    let Some(agreement) = &totals.agreement else {
        return Check::new(name, Verdict::NotCheckable, "there was no mixed phase");
    };
    let (answers, contradicted) = (agreement.answers, agreement.contradicted);
    let example = agreement
        .example
        .as_ref()
        .map_or_else(String::new, |example| format!("; {example}"));
    let detail = format!(
        "a cache with these lifetimes contradicts {contradicted} of {answers} outcomes{example}"
    );
    Check::holds(name, answers > 0 && contradicted * 100 <= answers, detail)
}

fn flush(flush_probe: &FlushProbe) -> Check {
    let name = "flush empties the cache";
    let FlushProbe {
        asked,
        survived,
        failed,
    } = flush_probe;
    match (asked, survived, failed) {
        (_, _, Some(reason)) => Check::new(name, Verdict::Fail, reason),
        (0, ..) => Check::new(name, Verdict::NotCheckable, "the target has no flush"),
        (_, 0, _) => Check::new(
            name,
            Verdict::Pass,
            format!("a stored key was gone after each of {asked} flushes"),
        ),
        _ => {
            let detail =
                format!("a stored key was still a hit after {survived} of {asked} flushes");
            Check::new(name, Verdict::Fail, detail)
        }
    }
}

/// Failures while the cache is broken are a finding about the target, not a flaw of the measurement.
fn failures(totals: &Totals) -> Check {
    let failures = || {
        totals
            .failures
            .iter()
            .filter(|((phase, ..), _)| *phase != Phase::Faults)
    };
    let total: u64 = failures().map(|(_, count)| count).sum();
    let kinds: Vec<String> = failures()
        .map(|((phase, _, failure), count)| {
            format!("{count} {} ({})", failure.label(), phase.label())
        })
        .collect();
    let detail = if total == 0 {
        "every request had a complete answer".into()
    } else {
        kinds.join(", ")
    };
    Check::holds("no request failed", total == 0, detail)
}

/// A thousandth may say nothing that can be read, and is in no figure.
fn outcomes(totals: &Totals) -> Check {
    let count = |unknown: bool| -> u64 {
        let rows = totals.latencies.iter();
        rows.filter(|((.., outcome), _)| !unknown || *outcome == Outcome::Unknown)
            .map(|(_, latencies)| latencies.count())
            .sum()
    };
    let (unknown, all) = (count(true), count(false));
    Check::holds(
        "every outcome was told",
        unknown * 1000 <= all,
        format!("{unknown} of {all} answers do not say what the cache did"),
    )
}

fn values(totals: &Totals) -> Check {
    let (changed, compared) = (totals.changed_values, totals.compared_values);
    Check::holds(
        "a warm value is the cold one",
        changed == 0,
        format!("{changed} of {compared} warm values differ"),
    )
}

fn clocks(totals: &Totals) -> Check {
    let count = totals.impossibly_fast;
    Check::holds(
        "client time ≥ server time",
        count == 0,
        format!("{count} answers came before the server had them"),
    )
}

fn completeness(totals: &Totals, wanted: usize) -> Check {
    let complete = totals
        .phases
        .iter()
        .filter(|sum| sum.phase == Phase::Warm && sum.answers > 0)
        .count();
    let enough = complete >= wanted.min(MIN_ROUNDS);
    Check::holds(
        "enough rounds",
        enough,
        format!("{complete} of {wanted} rounds got as far as their warm answers"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(claimed: u64, counted: OriginCalls) -> PhaseSummary {
        PhaseSummary {
            claimed,
            counted,
            ..PhaseSummary::blank(Phase::Cold)
        }
    }

    #[test]
    fn a_phase_that_nobody_can_count_hides_no_lie_of_a_later_one() {
        let unprovable = || phase(1, OriginCalls::Unprovable("a was there before".into()));
        let verdict = |phases: &[PhaseSummary]| ground_truth(phases).verdict;
        let honest = phase(2, OriginCalls::Counted(2));
        assert_eq!(verdict(&[unprovable(), honest]), Verdict::NotCheckable);
        let lie = phase(2, OriginCalls::Counted(3));
        assert_eq!(verdict(&[unprovable(), lie]), Verdict::Fail);
    }

    #[test]
    fn a_round_without_warm_answers_is_no_round() {
        let warm = |answers| PhaseSummary {
            answers,
            ..PhaseSummary::blank(Phase::Warm)
        };
        let verdict = |answers: [u64; 3]| {
            let totals = Totals {
                phases: answers.map(warm).to_vec(),
                ..Totals::default()
            };
            completeness(&totals, 5).verdict
        };
        assert_eq!(verdict([9, 9, 9]), Verdict::Pass);
        assert_eq!(verdict([9, 0, 9]), Verdict::Fail);
    }
}
