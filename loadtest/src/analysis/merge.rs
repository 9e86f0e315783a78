//! Adds up what several generators measured in the same phase of the same target.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use crate::analysis::{
    histogram::Latencies, phase_summary::PhaseSummary, totals::FlushProbe, totals::KeyedTraffic,
    totals::Totals,
};

impl Totals {
    /// Counts the times of a part from the moment when all parts began, and not from the start of
    /// its process.
    pub(crate) fn count_from(&mut self, began: Duration) {
        for phase in &mut self.phases {
            phase.began = phase.began.saturating_sub(began);
            phase.ended = phase.ended.saturating_sub(began);
        }
        for point in &mut self.timeline.points {
            point.at_s -= began.as_secs_f64();
        }
    }

    /// Adds another part. What compares single requests of all parts in their order, the replay of
    /// the mixed phase, is not there in parts.
    pub(crate) fn merge(&mut self, other: Self) {
        for phase in other.phases {
            let place = (phase.phase, phase.round);
            match self
                .phases
                .iter_mut()
                .find(|own| (own.phase, own.round) == place)
            {
                Some(own) => own.merge(phase),
                None => self.phases.push(phase),
            }
        }
        merge_maps(&mut self.latencies, other.latencies, Latencies::merge);
        merge_maps(&mut self.servers, other.servers, Latencies::merge);
        merge_maps(&mut self.responses, other.responses, Latencies::merge);
        merge_maps(&mut self.connecting, other.connecting, Latencies::merge);
        merge_maps(&mut self.failures, other.failures, |own, more| *own += more);
        merge_maps(&mut self.details, other.details, |own, more| *own += more);
        merge_maps(&mut self.mixed, other.mixed, KeyedTraffic::merge);
        self.pairs.extend(other.pairs);
        self.cold_functions.merge(other.cold_functions);
        self.impossibly_fast += other.impossibly_fast;
        self.changed_values += other.changed_values;
        self.compared_values += other.compared_values;
        self.stalest_s = self.stalest_s.max(other.stalest_s);
        self.longest_ttl_s = self.longest_ttl_s.max(other.longest_ttl_s);
        self.timeline.merge(other.timeline);
        self.calibrated.extend(other.calibrated);
    }
}

impl PhaseSummary {
    /// Its origin calls are not added: each part sees the target's counts of all parts.
    fn merge(&mut self, other: Self) {
        self.claimed += other.claimed;
        self.answers += other.answers;
        self.lookups += other.lookups;
        self.hits += other.hits;
        self.bytes += other.bytes;
        self.lookup_bytes += other.lookup_bytes;
        self.hit_bytes += other.hit_bytes;
        self.expired += other.expired;
        self.bypassed += other.bypassed;
        self.cache_failures += other.cache_failures;
        self.failed += other.failed;
        self.wrong += other.wrong;
        self.not_sent += other.not_sent;
        self.exhausted += other.exhausted;
        self.miscounted.extend(other.miscounted);
        self.loops.extend(other.loops);
        // Of each generator by itself, the worst counts.
        self.timer_overshoot = self.timer_overshoot.max(other.timer_overshoot);
        self.cpu = self.cpu.max(other.cpu);
        self.began = self.began.min(other.began);
        self.ended = self.ended.max(other.ended);
    }
}

impl FlushProbe {
    pub(crate) fn merge(&mut self, other: Self) {
        self.asked += other.asked;
        self.survived += other.survived;
        self.failed = self.failed.take().or(other.failed);
    }
}

fn merge_maps<K: Ord, V>(
    own: &mut BTreeMap<K, V>,
    other: BTreeMap<K, V>,
    merge: impl Fn(&mut V, V),
) {
    for (key, more) in other {
        match own.entry(key) {
            Entry::Occupied(mut entry) => merge(entry.get_mut(), more),
            Entry::Vacant(entry) => _ = entry.insert(more),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::origin_calls::OriginCalls;
    use crate::client::sample::{Answer, Sample};
    use crate::load::{goose::GooseResult, phase_runner::PhaseSamples, plan::Phase};
    use crate::target::outcome::Outcome;

    fn of(samples: Vec<Sample>) -> Totals {
        let mut totals = Totals::default();
        let collected = PhaseSamples {
            samples,
            not_sent: 0,
            unsent: Vec::new(),
            aborted: false,
            loops: Vec::new(),
        };
        totals.add_phase(
            (Phase::Mixed, 0),
            &collected,
            OriginCalls::Absent,
            &GooseResult::default(),
            &["f".to_owned()],
        );
        totals.count_mixed(&collected.samples);
        totals
    }

    fn samples() -> Vec<Sample> {
        let sample = |n: u64| {
            let outcome = match n % 7 {
                0 => Outcome::Miss,
                _ => Outcome::Hit,
            };
            let answer = Answer {
                outcome,
                bytes: n as usize,
                ..Answer::default()
            };
            let mut sample = Sample::test((n % 40) as usize, [n, 1 + n * n % 97], Ok(answer));
            sample.due = Some(sample.sent);
            sample
        };
        (0..4800).map(sample).collect()
    }

    /// Through the form of a part's file.
    fn through_json(totals: &Totals) -> Totals {
        serde_json::from_str(&serde_json::to_string(totals).unwrap()).unwrap()
    }

    #[test]
    fn parts_add_up_to_what_one_generator_would_have_measured() {
        let all = samples();
        let part = |number: usize| {
            let own = all.iter().enumerate().filter(|(n, _)| n % 3 == number);
            of(own.map(|(_, sample)| sample.clone()).collect())
        };
        let mut merged = through_json(&part(0));
        merged.merge(through_json(&part(1)));
        merged.merge(through_json(&part(2)));
        let whole = of(all.clone());
        assert_eq!(merged.latencies.len(), whole.latencies.len());
        for (row, latencies) in &whole.latencies {
            assert_eq!(
                merged.latencies[row].summary(),
                latencies.summary(),
                "{row:?}"
            );
            assert_eq!(
                merged.responses[row].summary(),
                whole.responses[row].summary()
            );
        }
        let (own, one) = (&merged.phases[0], &whole.phases[0]);
        assert_eq!(
            (
                own.answers,
                own.hits,
                own.bytes,
                own.claimed,
                own.began,
                own.ended
            ),
            (
                one.answers,
                one.hits,
                one.bytes,
                one.claimed,
                one.began,
                one.ended
            )
        );
        assert_eq!(merged.mixed[&0].keys(), whole.mixed[&0].keys());
        assert_eq!(merged.mixed[&0].lookups, whole.mixed[&0].lookups);
    }
}
