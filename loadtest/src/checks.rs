//! The measurement checks itself. One failed check makes the whole measurement invalid.

pub(crate) mod tool;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::analysis::{
    check::Check, check::GROUND_TRUTH, check::Verdict, format::human_us, origin_calls::OriginCalls,
    phase_summary::PhaseSummary, totals::FlushProbe, totals::Totals,
};
use crate::load::plan::Phase;
use crate::target::{outcome::Failure, outcome::Outcome};

/// With fewer rounds than this, intervals mean nothing.
const MIN_ROUNDS: usize = 3;

/// With fewer hits than one in this many answers for stored keys, nothing is stored.
const MIN_HITS: u64 = 10;

/// More failed requests than one in this many may bias what the others show.
const MAX_FAILED: u64 = 100;

/// All checks of a finished run that was to have `wanted_rounds`.
pub(crate) fn all(totals: &Totals, flush_probe: &FlushProbe, wanted_rounds: usize) -> Vec<Check> {
    vec![
        ground_truth(&totals.phases),
        cold(totals),
        warm(totals),
        bypass(totals),
        replay(totals),
        flush(flush_probe),
        failures(totals),
        outcomes(totals),
        values(totals),
        possible(totals),
        clocks(totals),
        tool::calibration(&totals.calibrated),
        tool::goose(&totals.phases),
        tool::littles_law(&totals.phases),
        tool::generator(&totals.phases),
        completeness(totals, wanted_rounds),
    ]
}

/// Each phase separately: a hit called a miss in one and a miss called a hit in another would
/// cancel out in a sum.
fn ground_truth(phases: &[PhaseSummary]) -> Check {
    let fail = |detail| Check::new(GROUND_TRUTH, Verdict::Fail, detail);
    let mut total = 0;
    // Kept until the end, because a contradiction in a later phase weighs more.
    let mut unprovable = None;
    // Whether a failed request reached the origin is unknown, and also when: an origin call may
    // outlive its phase.
    let mut failed = 0;
    for phase in phases {
        failed += phase.failed;
        // If requests failed on a broken cache, it is unknown which of them reached the origin.
        if matches!(phase.phase, Phase::Faults | Phase::Capacity) && phase.failed > 0 {
            continue;
        }
        let (place, claimed) = (phase.place(), phase.claimed);
        match &phase.counted {
            OriginCalls::Counted(counted) if *counted == claimed => total += counted,
            OriginCalls::Counted(counted) if (claimed..=claimed + failed).contains(counted) => {
                total += counted;
            }
            OriginCalls::Counted(counted) => {
                return fail(format!(
                    "{place}: the answers claim {claimed} origin calls, the target counted {counted}"
                ));
            }
            OriginCalls::Contradictory(reason) => {
                return fail(format!("{place}: instance {reason}"));
            }
            OriginCalls::Unprovable(reason) => {
                unprovable.get_or_insert_with(|| format!("{place}: instance {reason}"));
            }
            OriginCalls::Absent if total > 0 => {
                return fail(format!(
                    "{place}: the answers no longer count their origin calls"
                ));
            }
            OriginCalls::Absent => {
                let detail = "the answers carry no X-Instance, X-Invocation and X-Origin-Calls \
                              (DIAGNOSTICS=on)";
                return Check::not_checkable(GROUND_TRUTH, detail);
            }
        }
    }
    if let Some(detail) = unprovable {
        return Check::not_checkable(GROUND_TRUTH, detail);
    }
    let detail = format!("{total} = {total}, in each of {} phases", phases.len());
    Check::holds(GROUND_TRUTH, !phases.is_empty(), detail)
}

fn sum(totals: &Totals, phases: &[Phase], pick: fn(&PhaseSummary) -> u64) -> u64 {
    let all = totals.phases.iter();
    all.filter(|one| phases.contains(&one.phase))
        .map(pick)
        .sum()
}

/// The checks of the mixed phase of several generators, given when each began and ended. The others
/// are of phases that they do not have.
pub(crate) fn of_parts(
    totals: &Totals,
    flush_probe: &FlushProbe,
    times: &[(Duration, Duration)],
) -> Vec<Check> {
    vec![
        ground_truth(&totals.phases),
        flush(flush_probe),
        failures(totals),
        outcomes(totals),
        clocks(totals),
        tool::calibration(&totals.calibrated),
        tool::goose(&totals.phases),
        tool::generator(&totals.phases),
        together(times),
    ]
}

/// The share of the time of all that all parts have to ask at once.
const TOGETHER: f64 = 0.9;

/// Parts one after another are no load of all together.
fn together(times: &[(Duration, Duration)]) -> Check {
    let began = times.iter().map(|(began, _)| *began);
    let ended = times.iter().map(|(_, ended)| *ended);
    let (first, last) = (began.clone().min(), ended.clone().max());
    let all = last
        .unwrap_or_default()
        .saturating_sub(first.unwrap_or_default());
    let (last_begin, first_end) = (began.max(), ended.min());
    let both = first_end
        .unwrap_or_default()
        .saturating_sub(last_begin.unwrap_or_default());
    let detail = format!(
        "all parts asked at once for {:.1} of {:.1} s",
        both.as_secs_f64(),
        all.as_secs_f64()
    );
    let holds = !all.is_zero() && both.as_secs_f64() >= TOGETHER * all.as_secs_f64();
    Check::holds("the parts asked at the same time", holds, detail)
}

fn cold(totals: &Totals) -> Check {
    let sum = |pick| sum(totals, &[Phase::Cold], pick);
    let (answers, hits, claimed) = (sum(|s| s.answers), sum(|s| s.hits), sum(|s| s.claimed));
    let detail = format!(
        "{claimed} of {answers} answers for fresh keys called the origin, {hits} were hits"
    );
    let holds = answers > 0 && claimed == answers;
    Check::holds("cold answers are misses", holds, detail)
}

/// A thousandth may expire or be evicted between its cold and its warm request. Reported cache
/// failures are believed, because their origin calls are counted; each, also of a store in the
/// cold phase, explains one miss. More misses are a finding on the cache: its entries expire, are
/// evicted, or each instance has its own. They are in no speed-up, which is of hits alone. A cache
/// with hardly any hits stores nothing, and there is nothing to compare.
fn warm(totals: &Totals) -> Check {
    let (answers, hits) = (
        sum(totals, &[Phase::Warm], |s| s.answers),
        sum(totals, &[Phase::Warm], |s| s.hits),
    );
    let failures = sum(totals, &[Phase::Cold, Phase::Warm], |s| s.cache_failures);
    let expired = sum(totals, &[Phase::Warm], |s| s.expired);
    let misses = answers - hits;
    let unexplained = misses.saturating_sub(failures);
    let few = unexplained * 1000 <= answers && misses * 20 <= answers;
    let verdict = match answers > 0 && hits * MIN_HITS >= answers {
        false => Verdict::Fail,
        true if few => Verdict::Pass,
        true => Verdict::Finding,
    };
    let why = match verdict {
        Verdict::Finding => {
            "; the others expired, were evicted, or each instance has a cache of its own"
        }
        _ => "",
    };
    let detail = format!(
        "{hits} of {answers} answers for stored keys were hits, {expired} had expired; the cache \
         reported {failures} failures{why}"
    );
    Check::new("warm answers are hits", verdict, detail)
}

fn bypass(totals: &Totals) -> Check {
    let sum = |pick| sum(totals, &[Phase::Bypass], pick);
    let (answers, bypassed) = (sum(|s| s.answers), sum(|s| s.bypassed));
    let name = "bypass answers skip the cache";
    if answers == 0 {
        return Check::not_checkable(name, "there was no bypass phase");
    }
    let detail = format!("{bypassed} of {answers} answers were made without the cache");
    Check::holds(name, bypassed == answers, detail)
}

/// One in a hundred may be in a race that the model does not know.
fn replay(totals: &Totals) -> Check {
    let name = "mixed traffic replays";
    let Some(agreement) = &totals.agreement else {
        return Check::not_checkable(name, "there was no mixed phase");
    };
    let (answers, contradicted) = (agreement.answers, agreement.contradicted);
    let wrong = contradicted - agreement.lost;
    let example = agreement.example.iter().map(|text| format!("; {text}"));
    let example: String = example.collect();
    let detail = format!(
        "a cache with these lifetimes contradicts {contradicted} of {answers} outcomes{example}"
    );
    let few = |count: usize| answers > 0 && count * 100 <= answers;
    let verdict = match (few(wrong), few(contradicted)) {
        (true, true) => Verdict::Pass,
        // Entries that are gone early cost hits, and say nothing untrue.
        (true, false) => Verdict::Finding,
        (false, _) => Verdict::Fail,
    };
    Check::new(name, verdict, detail)
}

fn flush(probe: &FlushProbe) -> Check {
    let name = "flush empties the cache";
    let (asked, survived) = (probe.asked, probe.survived);
    if let Some(reason) = &probe.failed {
        return Check::new(name, Verdict::Fail, reason);
    }
    if asked == 0 {
        let detail = "the target has no flush, or no key was seen as a hit before one";
        return Check::not_checkable(name, detail);
    }
    let detail = match survived {
        0 => format!("{asked} keys that were hits right before a flush were gone after it"),
        _ => format!("{survived} of {asked} keys that were hits right before a flush still were"),
    };
    Check::holds(name, survived == 0, detail)
}

/// Whether so many requests failed that the others may be biased. Failures while the cache is
/// broken are a result, and an answer that belongs to another key is one too many.
pub(crate) fn too_many_failed(totals: &Totals) -> bool {
    let phases = || {
        totals
            .phases
            .iter()
            .filter(|sum| sum.phase != Phase::Faults)
    };
    let failed: u64 = phases().map(|sum| sum.failed).sum();
    let all = failed + phases().map(|sum| sum.answers).sum::<u64>();
    failed * MAX_FAILED > all || phases().any(|sum| sum.wrong > 0)
}

/// Failures while the cache is broken are a result, not a flaw of the measurement.
fn failures(totals: &Totals) -> Check {
    let failures = totals.failures.iter();
    let kinds: Vec<String> = failures
        .filter(|((phase, ..), _)| *phase != Phase::Faults)
        .map(|((phase, _, kind), count)| format!("{count} {} ({})", kind.label(), phase.label()))
        .collect();
    let mut detail = match kinds.as_slice() {
        [] => "every request had a complete answer".into(),
        kinds => kinds.join(", "),
    };
    let throttled = |(phase, _, kind): &(Phase, usize, Failure)| {
        *phase != Phase::Faults && matches!(kind, Failure::Throttled(_))
    };
    if totals.failures.keys().any(throttled) {
        detail.push_str("; the target limits its requests: ask for less, or raise its limit");
    }
    let verdict = match (kinds.is_empty(), too_many_failed(totals)) {
        (true, _) => Verdict::Pass,
        (false, true) => Verdict::Fail,
        (false, false) => Verdict::Finding,
    };
    Check::new("no request failed", verdict, detail)
}

/// A thousandth may be unreadable; it is in no figure.
fn outcomes(totals: &Totals) -> Check {
    let (mut unknown, mut all) = (0, 0);
    for ((.., outcome), latencies) in &totals.latencies {
        all += latencies.count();
        unknown += match outcome {
            Outcome::Unknown => latencies.count(),
            _ => 0,
        };
    }
    let detail = format!("{unknown} of {all} answers do not say what the cache did");
    Check::holds(
        "every answer names its outcome",
        unknown * 1000 <= all,
        detail,
    )
}

fn values(totals: &Totals) -> Check {
    let (changed, compared) = (totals.changed_values, totals.compared_values);
    let name = "a warm value is the cold one";
    if compared == 0 {
        let detail = "no values were compared: the target file names none (`value`)";
        return Check::not_checkable(name, detail);
    }
    let detail = format!("{changed} of {compared} warm values differ");
    Check::holds(name, changed == 0, detail)
}

/// How much longer than a hit an answer without the cache may take, at most, to be as fast as one.
const AS_FAST: f64 = 1.5;

/// How much longer than without the cache a miss may take: far more than any lookup and store.
const MAX_OVERHEAD: f64 = 5.0;

/// A call without the cache costs an origin call, and a miss costs one, too: it cannot be as fast
/// as a hit while a miss takes many times as long. Only keys count whose origin was called before,
/// on both sides: an origin may be slower at first.
fn possible(totals: &Totals) -> Check {
    let name = "an answer without the cache is no hit";
    let mut compared = 0;
    let mut impossible: BTreeMap<&str, (usize, [f64; 3])> = BTreeMap::new();
    for pair in &totals.pairs {
        if let (Some(cold), Some(bypass)) = (pair.second_cold_us, pair.second_bypass_us) {
            compared += 1;
            if bypass <= AS_FAST * pair.warm_us && cold > MAX_OVERHEAD * bypass {
                let (count, times) = impossible.entry(&pair.function).or_default();
                (*count, *times) = (*count + 1, [bypass, pair.warm_us, cold]);
            }
        }
    }
    if compared == 0 {
        return Check::not_checkable(name, "there was no bypass phase");
    }
    // One round may be an accident.
    let found = impossible.iter().find(|(_, (count, _))| *count > 1);
    let detail = match found {
        None => "it takes longer than a hit, or about as long as a miss".to_owned(),
        Some((function, (_, [bypass, warm, cold]))) => {
            let [bypass, warm, cold] = [bypass, warm, cold].map(|us| human_us(*us));
            format!(
                "{function}: without its cache an answer takes {bypass}, about as long as a hit \
                 ({warm}), but a miss takes {cold}: those answers came from the cache"
            )
        }
    };
    Check::holds(name, found.is_none(), detail)
}

/// Whether a check of what they are computed from failed: then no speed-up is given.
pub(crate) fn doubt_speed_ups(checks: &[Check]) -> bool {
    const PREMISES: [&str; 6] = [
        "cold answers are misses",
        "warm answers are hits",
        "a warm value is the cold one",
        "an answer without the cache is no hit",
        "client time ≥ server time",
        GROUND_TRUTH,
    ];
    let failed = |check: &Check| check.verdict == Verdict::Fail;
    checks
        .iter()
        .any(|check| failed(check) && PREMISES.contains(&check.name.as_str()))
}

fn clocks(totals: &Totals) -> Check {
    let (name, count) = ("client time ≥ server time", totals.impossibly_fast);
    if totals.servers.is_empty() {
        return Check::not_checkable(name, "the answers carry no Server-Timing with a total");
    }
    let detail = format!("{count} answers came before the server had them");
    Check::holds(name, count == 0, detail)
}

fn completeness(totals: &Totals, wanted: usize) -> Check {
    let phases = totals.phases.iter();
    let complete = phases.filter(|sum| sum.phase == Phase::Warm && sum.answers > 0);
    let complete = complete.count();
    let detail = format!("{complete} of {wanted} rounds got warm answers");
    Check::holds("enough rounds", complete >= wanted.min(MIN_ROUNDS), detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(claimed: u64, counted: OriginCalls) -> PhaseSummary {
        PhaseSummary {
            claimed,
            counted,
            ..PhaseSummary::default()
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
            phase: Phase::Warm,
            ..PhaseSummary::default()
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
