//! What one phase of one round came to. Owns its sums and the comparison with Goose's counts; knows nothing of
//! latencies.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::analysis::origin_calls::OriginCalls;
use crate::client::sample::Sample;
use crate::load::goose::{GooseResult, RequestCounts};
use crate::load::littles_law::ClosedLoop;
use crate::load::phase_runner::PhaseSamples;
use crate::load::plan::Phase;
use crate::target::outcome::Outcome;

/// The sums of one phase.
#[derive(Clone, Debug)]
pub(crate) struct PhaseSummary {
    pub(crate) phase: Phase,
    pub(crate) round: usize,
    /// Answers that say that they called the origin.
    pub(crate) claimed: u64,
    /// Origin calls that the target counted.
    pub(crate) counted: OriginCalls,
    pub(crate) answers: u64,
    /// Answers that asked the cache, and how many of them were hits.
    pub(crate) lookups: u64,
    pub(crate) hits: u64,
    /// Bytes of both.
    pub(crate) lookup_bytes: u64,
    pub(crate) hit_bytes: u64,
    pub(crate) bypassed: u64,
    /// Misses for which the cache itself gave a reason, such as a timeout: it failed, and said so.
    pub(crate) cache_failures: u64,
    /// Requests without an outcome.
    pub(crate) failed: u64,
    /// Planned and not sent.
    pub(crate) not_sent: u64,
    /// Where Goose's count of a label is not ours: label, Goose, ours.
    pub(crate) miscounted: Vec<(String, usize, usize)>,
    /// The 99th percentile of how late the timer woke a user that was free.
    pub(crate) timer_overshoot: Duration,
    /// Users that asked again as soon as they had their answer, of each segment.
    pub(crate) loops: Vec<ClosedLoop>,
    /// How long this process computed for it.
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
            samples
                .iter()
                .filter(|s| s.outcome().is_some_and(test))
                .count() as u64
        };
        let bytes = |test: fn(Outcome) -> bool| {
            let answers = samples.iter().filter_map(|s| s.answer.as_ref().ok());
            let tested = answers.filter(|answer| test(answer.outcome));
            tested.map(|answer| answer.bytes as u64).sum()
        };
        let began = samples.first().map_or(Duration::ZERO, |sample| sample.sent);
        Self {
            phase,
            round,
            claimed: count(Outcome::called_origin),
            counted,
            answers: count(|_| true),
            lookups: count(Outcome::is_lookup),
            hits: count(Outcome::is_hit),
            lookup_bytes: bytes(Outcome::is_lookup),
            hit_bytes: bytes(Outcome::is_hit),
            cache_failures: samples
                .iter()
                .filter(|sample| sample.cache_failed())
                .count() as u64,
            bypassed: count(|outcome| outcome == Outcome::Bypass),
            failed: samples.iter().filter(|s| s.answer.is_err()).count() as u64,
            not_sent: collected.not_sent as u64,
            miscounted: miscounted(phase, samples, &goose_result.counts, names),
            timer_overshoot: timer_overshoot(samples),
            loops: collected.loops.clone(),
            cpu: goose_result.cpu,
            began,
            ended: samples
                .iter()
                .map(|s| s.sent + s.latency)
                .max()
                .unwrap_or(began),
        }
    }

    #[cfg(test)]
    pub(crate) fn blank(phase: Phase) -> Self {
        Self {
            phase,
            round: 0,
            claimed: 0,
            counted: OriginCalls::Counted(0),
            answers: 0,
            lookups: 0,
            hits: 0,
            lookup_bytes: 0,
            hit_bytes: 0,
            bypassed: 0,
            cache_failures: 0,
            failed: 0,
            not_sent: 0,
            miscounted: Vec::new(),
            timer_overshoot: Duration::ZERO,
            loops: Vec::new(),
            cpu: Duration::ZERO,
            began: Duration::ZERO,
            ended: Duration::ZERO,
        }
    }

    /// How much of its time this process computed, in cores; none where it took no time.
    pub(crate) fn cpu_share(&self) -> Option<f64> {
        let lasted = self.ended.saturating_sub(self.began);
        (!lasted.is_zero()).then(|| self.cpu.as_secs_f64() / lasted.as_secs_f64())
    }

    /// In a few words.
    pub(crate) fn describe(&self) -> String {
        let Self {
            answers,
            hits,
            claimed,
            not_sent,
            ..
        } = self;
        let not_sent = if *not_sent > 0 {
            format!(", {not_sent} not sent")
        } else {
            String::new()
        };
        format!("{answers} answers, {hits} hits, {claimed} origin calls claimed{not_sent}")
    }
}

fn timer_overshoot(samples: &[Sample]) -> Duration {
    let mut overshoots: Vec<Duration> = samples
        .iter()
        .map(|sample| sample.timer_overshoot)
        .collect();
    overshoots.sort_unstable();
    overshoots
        .get(overshoots.len() * 99 / 100)
        .copied()
        .unwrap_or_default()
}

fn miscounted(
    phase: Phase,
    samples: &[Sample],
    goose: &RequestCounts,
    names: &[String],
) -> Vec<(String, usize, usize)> {
    let mut ours = RequestCounts::new();
    for sample in samples {
        *ours
            .entry(format!(
                "{} {} {}",
                sample.label(),
                phase.label(),
                names[sample.function]
            ))
            .or_default() += 1;
    }
    let labels: BTreeSet<&String> = ours.keys().chain(goose.keys()).collect();
    let of = |counts: &RequestCounts, label: &String| counts.get(label).copied().unwrap_or(0);
    let differs = |label: &&String| of(goose, label) != of(&ours, label);
    labels
        .into_iter()
        .filter(differs)
        .map(|label| (label.clone(), of(goose, label), of(&ours, label)))
        .collect()
}
