//! Everything that was measured, added up phase by phase. Owns the totals that the checks and the report read;
//! knows nothing of how requests are made. Raw samples end here, so that a long run stays small.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::attack::Counts;
use crate::latencies::Latencies;
use crate::outcome::{Failure, Outcome};
use crate::pairs::{self, Pair};
use crate::plan::Phase;
use crate::sample::Sample;
use crate::stage::Drained;
use crate::truth::{OriginCalls, Truth};

/// Points of the timeline kept for the report.
const TIMELINE: usize = 4000;

/// The sums of a run.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) phases: Vec<PhaseSum>,
    pub(crate) latencies: BTreeMap<(Phase, usize, Outcome), Latencies>,
    pub(crate) failures: BTreeMap<(Phase, usize, Failure), u64>,
    /// The cache's own reasons, such as `timeout`, and how often it gave them.
    pub(crate) details: BTreeMap<String, u64>,
    pub(crate) pairs: Vec<Pair>,
    /// Answers that were the first of their process: the start of a function, not of a cache. In no other figure.
    pub(crate) cold_functions: Latencies,
    /// Answers that the client had sooner than the server says it was ready.
    pub(crate) impossibly_fast: u64,
    /// Warm answers whose value was not the cold one of their key.
    pub(crate) changed_values: u64,
    pub(crate) compared_values: u64,
    pub(crate) bytes: u64,
    pub(crate) hit_bytes: u64,
    /// How far past its lifetime the oldest stale answer was, in seconds.
    pub(crate) stalest_s: Option<i64>,
    pub(crate) timeline: Vec<Point>,
    seen: u64,
    stride: u64,
}

/// What one phase of one round came to.
#[derive(Clone, Debug)]
pub(crate) struct PhaseSum {
    pub(crate) phase: Phase,
    pub(crate) round: usize,
    /// Answers that say that they called the origin.
    pub(crate) claimed: u64,
    /// Origin calls that the target counted.
    pub(crate) counted: OriginCalls,
    pub(crate) answers: u64,
    pub(crate) hits: u64,
    pub(crate) cut: u64,
    /// Where Goose's count of a label is not ours: label, Goose, ours.
    pub(crate) miscounted: Vec<(String, usize, usize)>,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
}

/// One request on the timeline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point {
    pub(crate) sent: Duration,
    pub(crate) latency: Duration,
    pub(crate) outcome: Option<Outcome>,
}

impl Ledger {
    /// Adds one phase. `names` are the target's functions.
    pub(crate) fn add_phase(
        &mut self,
        (phase, round): (Phase, usize),
        drained: &Drained,
        goose: &Counts,
        names: &[String],
        truth: &mut Truth,
    ) {
        let samples = &drained.samples;
        let count = |test: fn(Outcome) -> bool| {
            samples
                .iter()
                .filter(|s| s.outcome().is_some_and(test))
                .count() as u64
        };
        let first = samples.first().map_or(Duration::ZERO, |sample| sample.sent);
        self.phases.push(PhaseSum {
            phase,
            round,
            claimed: count(Outcome::called_origin),
            counted: truth.settle(samples),
            answers: count(|_| true),
            hits: count(Outcome::is_hit),
            cut: drained.cut as u64,
            miscounted: miscounted(phase, samples, goose, names),
            began: first,
            ended: samples
                .iter()
                .map(|s| s.sent + s.latency)
                .max()
                .unwrap_or(first),
        });
        samples
            .iter()
            .for_each(|sample| self.add_sample(phase, sample));
    }

    /// Pairs a round's cold samples with its warm ones.
    pub(crate) fn add_pairs(
        &mut self,
        round: usize,
        cold: &[Sample],
        warm: &[Sample],
        names: &[String],
    ) {
        let values: BTreeMap<(usize, usize), u64> = cold
            .iter()
            .filter_map(|s| Some(((s.function, s.key), s.answer.as_ref().ok()?.value)))
            .collect();
        for sample in warm {
            if let (Ok(answer), Some(value)) =
                (&sample.answer, values.get(&(sample.function, sample.key)))
            {
                self.compared_values += 1;
                self.changed_values += u64::from(answer.value != *value);
            }
        }
        for (index, name) in names.iter().enumerate() {
            let cold: Vec<&Sample> = cold
                .iter()
                .filter(|s| s.function == index && !is_first(s))
                .collect();
            let warm: Vec<&Sample> = warm
                .iter()
                .filter(|s| s.function == index && !is_first(s))
                .collect();
            self.pairs.extend(pairs::pair(round, name, &cold, &warm));
        }
    }

    /// The latest phase in a few words.
    pub(crate) fn last_phase(&self) -> String {
        let Some(last) = self.phases.last() else {
            return "nothing yet".into();
        };
        let cut = if last.cut > 0 {
            format!(", {} cut", last.cut)
        } else {
            String::new()
        };
        format!(
            "{} answers, {} hits, {} origin calls claimed{cut}",
            last.answers, last.hits, last.claimed
        )
    }

    fn add_sample(&mut self, phase: Phase, sample: &Sample) {
        self.add_to_timeline(sample);
        let answer = match &sample.answer {
            Ok(answer) => answer,
            Err(failure) => {
                *self
                    .failures
                    .entry((phase, sample.function, failure.clone()))
                    .or_default() += 1;
                return;
            }
        };
        self.bytes += answer.bytes as u64;
        self.hit_bytes += if answer.outcome.is_hit() {
            answer.bytes as u64
        } else {
            0
        };
        self.impossibly_fast += u64::from(
            answer
                .server
                .total
                .is_some_and(|total| sample.latency < total),
        );
        let staleness = answer.ttl_s.filter(|ttl| *ttl < 0).map(i64::saturating_neg);
        self.stalest_s = self.stalest_s.max(staleness);
        if let Some(detail) = &answer.detail {
            *self.details.entry(detail.clone()).or_default() += 1;
        }
        if is_first(sample) {
            self.cold_functions.record(sample.latency);
        } else {
            self.latencies
                .entry((phase, sample.function, answer.outcome))
                .or_default()
                .record(sample.latency);
        }
    }

    /// Keeps every point while there are few, then every second, fourth, …
    fn add_to_timeline(&mut self, sample: &Sample) {
        self.seen += 1;
        if self.seen.is_multiple_of(self.stride.max(1)) {
            let point = Point {
                sent: sample.sent,
                latency: sample.latency,
                outcome: sample.outcome(),
            };
            self.timeline.push(point);
        }
        if self.timeline.len() >= TIMELINE {
            self.stride = self.stride.max(1) * 2;
            let mut odd = false;
            self.timeline.retain(|_| {
                odd = !odd;
                !odd
            });
        }
    }
}

fn is_first(sample: &Sample) -> bool {
    let diagnostics = sample
        .answer
        .as_ref()
        .ok()
        .and_then(|answer| answer.diagnostics.as_ref());
    diagnostics.is_some_and(|diagnostics| diagnostics.invocation == 1)
}

fn miscounted(
    phase: Phase,
    samples: &[Sample],
    goose: &Counts,
    names: &[String],
) -> Vec<(String, usize, usize)> {
    let mut ours = Counts::new();
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
    let labels: std::collections::BTreeSet<&String> = ours.keys().chain(goose.keys()).collect();
    let of = |counts: &Counts, label: &String| counts.get(label).copied().unwrap_or(0);
    let differs = |label: &&String| of(goose, label) != of(&ours, label);
    labels
        .into_iter()
        .filter(differs)
        .map(|label| (label.clone(), of(goose, label), of(&ours, label)))
        .collect()
}
