//! The sums of one phase of one round, and a comparison with Goose's counts.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::analysis::origin_calls::OriginCalls;
use crate::client::sample::Sample;
use crate::load::{
    goose::GooseResult, goose::RequestCounts, littles_law::ClosedLoop, phase_runner::PhaseSamples,
    plan::Phase,
};
use crate::target::{outcome::Failure, outcome::Outcome};

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PhaseSummary {
    pub(crate) phase: Phase,
    pub(crate) round: usize,
    /// Answers that say that they called the origin.
    pub(crate) claimed: u64,
    pub(crate) counted: OriginCalls,
    pub(crate) answers: u64,
    /// Answers that asked the cache, and how many of them were hits.
    pub(crate) lookups: u64,
    pub(crate) hits: u64,
    /// Bytes of all answers.
    pub(crate) bytes: u64,
    /// Bytes of lookups and of hits.
    pub(crate) lookup_bytes: u64,
    pub(crate) hit_bytes: u64,
    /// Answers whose entry had expired.
    pub(crate) expired: u64,
    pub(crate) bypassed: u64,
    /// Misses for which the cache gave a reason, such as a timeout: it reports that it failed.
    pub(crate) cache_failures: u64,
    /// Requests without an outcome.
    pub(crate) failed: u64,
    /// Those of them that had an answer, but not that of their key.
    pub(crate) wrong: u64,
    /// Planned and not sent.
    pub(crate) not_sent: u64,
    /// Those of them that were due while too many requests were in flight for this tool.
    pub(crate) exhausted: u64,
    /// Labels that Goose counted differently: label, Goose's count, this tool's count.
    pub(crate) miscounted: Vec<(String, usize, usize)>,
    /// The 99th percentile of how late the timer woke this tool for a request that was due.
    pub(crate) timer_overshoot: Duration,
    /// One for each segment whose users asked again as soon as they had their answer.
    pub(crate) loops: Vec<ClosedLoop>,
    /// CPU time of this process during the phase.
    pub(crate) cpu: Duration,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
}

impl PhaseSummary {
    /// Adds up a phase. `names` are the target's functions.
    pub(crate) fn new(
        (phase, round): (Phase, usize),
        collected: &PhaseSamples,
        counted: OriginCalls,
        goose_result: &GooseResult,
        names: &[String],
    ) -> Self {
        let samples = &collected.samples;
        let count = |test: fn(Outcome) -> bool| {
            let outcomes = samples.iter().filter_map(Sample::outcome);
            outcomes.filter(|outcome| test(*outcome)).count() as u64
        };
        let bytes = |test: fn(Outcome) -> bool| {
            let answers = samples.iter().filter_map(|s| s.answer.as_ref().ok());
            let tested = answers.filter(|answer| test(answer.outcome));
            tested.map(|answer| answer.bytes as u64).sum()
        };
        let ends = samples.iter().map(|s| s.sent + s.latency);
        let began = samples.first().map_or(Duration::ZERO, |sample| sample.sent);
        Self {
            phase,
            round,
            claimed: count(Outcome::called_origin),
            counted,
            answers: count(|_| true),
            lookups: count(Outcome::is_lookup),
            hits: count(Outcome::is_hit),
            bytes: bytes(|_| true),
            lookup_bytes: bytes(Outcome::is_lookup),
            hit_bytes: bytes(Outcome::is_hit),
            cache_failures: samples.iter().filter(|s| s.cache_failed()).count() as u64,
            expired: count(|outcome| {
                use Outcome::{Expired, Revalidated, StaleOnError};
                matches!(outcome, Expired | Revalidated | StaleOnError)
            }),
            bypassed: count(|outcome| outcome == Outcome::Bypass),
            failed: samples.iter().filter(|s| s.answer.is_err()).count() as u64,
            wrong: samples
                .iter()
                .filter(|s| matches!(s.answer, Err(Failure::WrongBody)))
                .count() as u64,
            not_sent: collected.not_sent as u64,
            exhausted: collected.unsent.iter().filter(|one| one.exhausted).count() as u64,
            miscounted: miscounted(phase, samples, &goose_result.counts, names),
            timer_overshoot: timer_overshoot(samples),
            loops: collected.loops.clone(),
            cpu: goose_result.cpu,
            began,
            ended: ends.max().unwrap_or(began),
        }
    }

    pub(crate) fn place(&self) -> String {
        format!("round {} {}", self.round + 1, self.phase.label())
    }

    /// CPU time of this process as a share of one core; `None` if the phase took no time.
    pub(crate) fn cpu_share(&self) -> Option<f64> {
        let lasted = self.ended.saturating_sub(self.began);
        (!lasted.is_zero()).then(|| self.cpu.as_secs_f64() / lasted.as_secs_f64())
    }

    pub(crate) fn describe(&self) -> String {
        let (answers, hits, claimed) = (self.answers, self.hits, self.claimed);
        let not_sent = match self.not_sent {
            0 => String::new(),
            count => format!(", {count} not sent"),
        };
        format!("{answers} answers, {hits} hits, {claimed} origin calls claimed{not_sent}")
    }
}

fn timer_overshoot(samples: &[Sample]) -> Duration {
    let mut overshoots: Vec<Duration> = samples.iter().map(|s| s.timer_overshoot).collect();
    overshoots.sort_unstable();
    let p99 = overshoots.get(overshoots.len() * 99 / 100);
    p99.copied().unwrap_or_default()
}

fn miscounted(
    phase: Phase,
    samples: &[Sample],
    goose: &RequestCounts,
    names: &[String],
) -> Vec<(String, usize, usize)> {
    let mut ours = RequestCounts::new();
    for sample in samples {
        let (label, name) = (sample.label(), &names[sample.function]);
        *ours
            .entry(format!("{label} {} {name}", phase.label()))
            .or_default() += 1;
    }
    let labels: BTreeSet<&String> = ours.keys().chain(goose.keys()).collect();
    let count = |counts: &RequestCounts, label| counts.get(label).copied().unwrap_or(0);
    let counts = labels.into_iter().map(|label| {
        let (goose, ours) = (count(goose, label), count(&ours, label));
        (label.clone(), goose, ours)
    });
    counts.filter(|(_, goose, ours)| goose != ours).collect()
}
