//! What the words of a report mean, for those who see it for the first time.

use std::collections::BTreeSet;

use crate::load::plan::Phase;
use crate::report::model::Report;
use crate::target::outcome::Outcome;

/// The words that this report uses, and their meaning.
pub(crate) fn words(report: &Report) -> Vec<(&'static str, &'static str)> {
    let phases: BTreeSet<Phase> = report.rows.iter().map(|row| row.phase).collect();
    let outcomes: BTreeSet<Outcome> = report.rows.iter().map(|row| row.outcome).collect();
    let phases = phases.into_iter().map(|one| (one.label(), phase(one)));
    let outcomes = outcomes
        .into_iter()
        .filter(|one| *one != Outcome::Bypass)
        .map(|one| (one.label(), outcome(one)));
    let connecting = (!report.connecting.is_empty()).then_some((
        "connecting",
        "the time to open a connection, where none was open",
    ));
    let mut words: Vec<_> = phases.chain(outcomes).chain(connecting).collect();
    words.push((
        "p50, p90, p99",
        "half, nine tenths, 99 in a hundred answers were faster",
    ));
    words.push((
        "p50, server",
        "the median as the server timed it, without the network",
    ));
    words
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Cold => "each key for the first time, by one caller: nothing is stored yet",
        Phase::Warm => "the same keys again, by one caller: now they are stored",
        Phase::Bypass => "the same keys with the cache passed by: what a call costs without it",
        Phase::Mixed => "many callers, popular and rare keys, beginning with an empty cache",
        Phase::Stampede => "all callers ask for one key at the same moment",
        Phase::Faults => "traffic before, while and after the cache is broken",
        Phase::ColdFunction => "the first answers of new processes",
        Phase::Capacity => "rates that rise until the promise on response times is broken",
    }
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Hit => "answered from the cache",
        Outcome::Stale => "answered at once from an entry past its lifetime",
        Outcome::Miss => "not stored: the origin was called",
        Outcome::Expired => "the entry had expired: the origin was called",
        Outcome::Collapsed => "waited for the origin call of another caller",
        Outcome::Revalidated => "the entry had expired, and the origin confirmed it",
        Outcome::StaleOnError => "the origin failed, and an expired entry was served",
        Outcome::Bypass => "answered without the cache",
        Outcome::Unknown => "the answer does not say what the cache did",
    }
}
