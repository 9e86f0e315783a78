//! Everything that was measured, summed up phase by phase. Raw samples end here, so that a long run
//! stays small.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::analysis::{
    cache_model, cache_model::Agreement, calibration::Calibrated, histogram::Latencies,
    origin_calls::OriginCalls, paired, paired::Pair, pairs, phase_summary::PhaseSummary,
    timeline::Timeline,
};
use crate::client::{sample::Answer, sample::Sample};
use crate::load::{goose::GooseResult, phase_runner::PhaseSamples, plan::Phase};
use crate::target::{outcome::Failure, outcome::Outcome};

/// The parts of the mixed phase whose quantiles are compared for an interval.
const MIXED_PARTS: usize = 8;

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub(crate) phases: Vec<PhaseSummary>,
    #[serde(with = "pairs")]
    pub(crate) latencies: BTreeMap<(Phase, usize, Outcome), Latencies>,
    /// The same by the server's own clock, if the server reports it.
    #[serde(with = "pairs")]
    pub(crate) servers: BTreeMap<(Phase, usize, Outcome), Latencies>,
    /// Latency including connecting, in the open loop.
    #[serde(with = "pairs")]
    pub(crate) responses: BTreeMap<(Phase, usize, Outcome), Latencies>,
    /// How long it took to connect, where no connection was open.
    #[serde(with = "pairs")]
    pub(crate) connecting: BTreeMap<(Phase, usize), Latencies>,
    #[serde(with = "pairs")]
    pub(crate) failures: BTreeMap<(Phase, usize, Failure), u64>,
    /// The cache's own reasons, such as `timeout`, and how often it gave them.
    pub(crate) details: BTreeMap<String, u64>,
    pub(crate) pairs: Vec<Pair>,
    /// Answers that were the first of their process; they are in no other figure.
    pub(crate) cold_functions: Latencies,
    /// Answers that reached the client before the server says that they were ready.
    pub(crate) impossibly_fast: u64,
    /// Warm answers whose value was not the cold one of their key.
    pub(crate) changed_values: u64,
    pub(crate) compared_values: u64,
    /// How far past its lifetime the oldest stale answer was, in seconds.
    pub(crate) stalest_s: Option<i64>,
    /// The longest lifetime that an answer named, in seconds.
    pub(crate) longest_ttl_s: Option<i64>,
    /// How the mixed phase compares with a model of a cache.
    #[serde(skip)]
    pub(crate) agreement: Option<Agreement>,
    /// The traffic of that phase, by function.
    pub(crate) mixed: BTreeMap<usize, KeyedTraffic>,
    pub(crate) timeline: Timeline,
    /// The calibration before the run.
    pub(crate) calibrated: Vec<Calibrated>,
}

/// The traffic of one function in a phase that began with an empty cache.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct KeyedTraffic {
    pub(crate) lookups: u64,
    pub(crate) hits: u64,
    pub(crate) bytes: u64,
    keys: BTreeSet<usize>,
}

impl KeyedTraffic {
    pub(crate) fn keys(&self) -> u64 {
        self.keys.len() as u64
    }

    /// Adds what another generator sent of it.
    pub(crate) fn merge(&mut self, other: Self) {
        self.lookups += other.lookups;
        self.hits += other.hits;
        self.bytes += other.bytes;
        self.keys.extend(other.keys);
    }
}

/// Whether each flush emptied the cache, checked with a key that was stored before it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct FlushProbe {
    /// How many keys were seen as hits right before a flush, and asked for right after it.
    pub(crate) asked: u64,
    /// Keys that were still hits after the flush.
    pub(crate) survived: u64,
    /// Why a flush after the first one failed.
    pub(crate) failed: Option<String>,
}

impl Totals {
    /// Adds one phase. `names` are the target's functions.
    pub(crate) fn add_phase(
        &mut self,
        (phase, round): (Phase, usize),
        collected: &PhaseSamples,
        counted: OriginCalls,
        goose: &GooseResult,
        names: &[String],
    ) {
        let summary = PhaseSummary::new((phase, round), collected, counted, goose, names);
        self.phases.push(summary);
        // It overloads the target on purpose: its times and failures describe the load.
        if phase == Phase::Capacity {
            return;
        }
        let samples = collected.samples.iter().enumerate();
        for (number, sample) in samples {
            let part = match phase {
                // Its parts are the rounds: one after another, with different requests.
                Phase::Mixed => number * MIXED_PARTS / collected.samples.len(),
                // What it does before and after the outage has nothing in common.
                Phase::Faults => 0,
                _ => round,
            };
            self.add_sample((phase, part), sample);
        }
    }

    /// Pairs a round's cold samples with its warm and bypass ones.
    pub(crate) fn add_pairs(
        &mut self,
        round: usize,
        [cold, warm, bypass]: [&[Sample]; 3],
        names: &[String],
    ) {
        let value = |sample: &Sample| sample.answer.as_ref().ok()?.value;
        let key = |sample: &Sample| (sample.function, sample.key_index);
        let values = cold
            .iter()
            .filter_map(|sample| Some((key(sample), value(sample)?)));
        let values: BTreeMap<_, u64> = values.collect();
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

    /// Counts the mixed phase by function.
    pub(crate) fn count_mixed(&mut self, samples: &[Sample]) {
        for sample in samples {
            if let Some(outcome) = sample.outcome().filter(|outcome| outcome.is_lookup()) {
                let traffic = self.mixed.entry(sample.function).or_default();
                traffic.lookups += 1;
                traffic.hits += u64::from(outcome.is_hit());
                traffic.keys.insert(sample.key_index);
                let answer = sample.answer.as_ref();
                traffic.bytes += answer.map_or(0, |answer| answer.bytes as u64);
            }
        }
    }

    pub(crate) fn last_phase(&self) -> String {
        self.phases
            .last()
            .map_or_else(|| "nothing yet".into(), PhaseSummary::describe)
    }

    /// Adds a sample of one round, or of another part of its phase.
    fn add_sample(&mut self, (phase, round): (Phase, usize), sample: &Sample) {
        self.timeline.add(sample);
        if let Some(connecting) = sample.connecting {
            let row = (phase, sample.function);
            let all = self.connecting.entry(row).or_default();
            all.record_in(round, connecting);
        }
        match &sample.answer {
            Ok(answer) => {
                let row = (phase, sample.function, answer.outcome);
                self.add_answer((row, round), sample, answer);
            }
            Err(failure) => {
                let row = (phase, sample.function, failure.clone());
                *self.failures.entry(row).or_default() += 1;
            }
        }
    }

    fn add_answer(
        &mut self,
        (row, round): ((Phase, usize, Outcome), usize),
        sample: &Sample,
        answer: &Answer,
    ) {
        let server = answer.server.total;
        self.impossibly_fast += u64::from(server.is_some_and(|total| sample.latency < total));
        let staleness = answer.ttl_s.filter(|ttl| *ttl < 0).map(i64::saturating_neg);
        self.stalest_s = self.stalest_s.max(staleness);
        self.longest_ttl_s = self.longest_ttl_s.max(answer.ttl_s);
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
            .record_in(round, sample.latency);
        if let Some(total) = server {
            let servers = self.servers.entry(row).or_default();
            servers.record_in(round, total);
        }
        if sample.due.is_some() {
            let responses = self.responses.entry(row).or_default();
            responses.record_in(round, sample.response());
        }
    }
}

/// The samples of one function that count in its speed-up.
fn without_first_answers(samples: &[Sample], function: usize) -> Vec<&Sample> {
    let samples = samples.iter().filter(|sample| sample.function == function);
    samples
        .filter(|sample| !sample.is_first_of_process())
        .collect()
}
