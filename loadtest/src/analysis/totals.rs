//! Everything that was measured, added up phase by phase. Owns the totals that the checks and the report read;
//! knows nothing of how requests are made. Raw samples end here, so that a long run stays small.

use std::collections::BTreeMap;

use crate::analysis::cache_model::{self, Agreement};
use crate::analysis::calibration::Calibrated;
use crate::analysis::histogram::Latencies;
use crate::analysis::origin_calls::OriginCallCounter;
use crate::analysis::paired::{self, Pair};
use crate::analysis::phase_summary::PhaseSummary;
use crate::analysis::timeline::Timeline;
use crate::client::sample::{Answer, Sample};
use crate::load::goose::GooseResult;
use crate::load::phase_runner::PhaseSamples;
use crate::load::plan::Phase;
use crate::target::outcome::{Failure, Outcome};

/// The sums of a run.
#[derive(Default)]
pub(crate) struct Totals {
    pub(crate) phases: Vec<PhaseSummary>,
    pub(crate) latencies: BTreeMap<(Phase, usize, Outcome), Latencies>,
    /// The same by the server's own clock, where it tells it.
    pub(crate) servers: BTreeMap<(Phase, usize, Outcome), Latencies>,
    /// Latency and the time spent due but unsent, of the open loop.
    pub(crate) responses: BTreeMap<(Phase, usize, Outcome), Latencies>,
    pub(crate) failures: BTreeMap<(Phase, usize, Failure), u64>,
    /// The cache's own reasons, such as `timeout`, and how often it gave them.
    pub(crate) details: BTreeMap<String, u64>,
    pub(crate) pairs: Vec<Pair>,
    /// Answers that were the first of their process; in no other figure.
    pub(crate) cold_functions: Latencies,
    /// Answers that the client had sooner than the server says it was ready.
    pub(crate) impossibly_fast: u64,
    /// Warm answers whose value was not the cold one of their key.
    pub(crate) changed_values: u64,
    pub(crate) compared_values: u64,
    /// How far past its lifetime the oldest stale answer was, in seconds.
    pub(crate) stalest_s: Option<i64>,
    /// How the mixed phase compares with a model of a cache.
    pub(crate) agreement: Option<Agreement>,
    pub(crate) timeline: Timeline,
    /// What this tool made of known delays before the run.
    pub(crate) calibrated: Vec<Calibrated>,
}

/// Whether each flush emptied the cache, by a key that was stored before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct FlushProbe {
    pub(crate) asked: u64,
    /// Still hits after the flush.
    pub(crate) survived: u64,
    /// Why a flush after the first failed.
    pub(crate) failed: Option<String>,
}

impl Totals {
    /// Adds one phase. `names` are the target's functions.
    pub(crate) fn add_phase(
        &mut self,
        (phase, round): (Phase, usize),
        collected: &PhaseSamples,
        goose: &GooseResult,
        names: &[String],
        origin_calls: &mut OriginCallCounter,
    ) {
        let counted = origin_calls.close_phase(&collected.samples);
        self.phases.push(PhaseSummary::new(
            (phase, round),
            collected,
            counted,
            goose,
            names,
        ));
        collected
            .samples
            .iter()
            .for_each(|sample| self.add_sample(phase, sample));
    }

    /// Pairs a round's cold samples with its warm and its bypass ones.
    pub(crate) fn add_pairs(
        &mut self,
        round: usize,
        [cold, warm, bypass]: [&[Sample]; 3],
        names: &[String],
    ) {
        let value = |sample: &Sample| Some(sample.answer.as_ref().ok()?.value);
        let key = |sample: &Sample| (sample.function, sample.key);
        let values: BTreeMap<_, u64> = cold
            .iter()
            .filter_map(|sample| Some((key(sample), value(sample)?)))
            .collect();
        for sample in warm {
            if let (Some(warm), Some(cold)) = (value(sample), values.get(&key(sample))) {
                self.compared_values += 1;
                self.changed_values += u64::from(warm != *cold);
            }
        }
        for (index, name) in names.iter().enumerate() {
            let of = |samples| without_first_answers(samples, index);
            let [cold, warm, bypass] = [of(cold), of(warm), of(bypass)];
            self.pairs
                .extend(paired::pair(round, name, [&cold, &warm, &bypass]));
        }
    }

    /// Compares a phase that began with an empty cache with what a cache would have done.
    pub(crate) fn replay(&mut self, samples: &[Sample]) {
        self.agreement = Some(cache_model::replay(samples));
    }

    /// The latest phase in a few words.
    pub(crate) fn last_phase(&self) -> String {
        self.phases
            .last()
            .map_or_else(|| "nothing yet".into(), PhaseSummary::describe)
    }

    fn add_sample(&mut self, phase: Phase, sample: &Sample) {
        self.timeline.add(sample);
        match &sample.answer {
            Ok(answer) => self.add_answer((phase, sample.function, answer.outcome), sample, answer),
            Err(failure) => {
                *self
                    .failures
                    .entry((phase, sample.function, failure.clone()))
                    .or_default() += 1;
            }
        }
    }

    fn add_answer(&mut self, row: (Phase, usize, Outcome), sample: &Sample, answer: &Answer) {
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
        if sample.is_first_of_process() {
            self.cold_functions.record(sample.latency);
            return;
        }
        self.latencies
            .entry(row)
            .or_default()
            .record(sample.latency);
        if let Some(total) = answer.server.total {
            self.servers.entry(row).or_default().record(total);
        }
        if row.0 == Phase::Mixed {
            self.responses
                .entry(row)
                .or_default()
                .record(sample.latency + sample.queued);
        }
    }
}

/// The samples of one function that its speed-up counts.
fn without_first_answers(samples: &[Sample], function: usize) -> Vec<&Sample> {
    samples
        .iter()
        .filter(|sample| sample.function == function && !sample.is_first_of_process())
        .collect()
}
