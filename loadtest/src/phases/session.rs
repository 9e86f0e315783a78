//! The state of a run, and how one phase of any kind is run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::analysis::{
    origin_calls::OriginCallCounter, origin_calls::Readings, totals::FlushProbe, totals::Totals,
};
use crate::client::{Client, request::RequestSpec};
use crate::load::{
    generators::Start, goose, keys::Supply, phase_runner::PhaseRunner, phase_runner::PhaseSamples,
    plan::Phase, plan::Plan, profile::Profile, progress::Progress, sample_file::SampleFile,
    traffic::OwnTraffic, traffic::Replay,
};
use crate::phases::{
    discovery::FunctionTraits, discovery::SLOW, minimum_latency::MinimumLatencies,
};
use crate::target::Function;

pub(crate) struct Session {
    pub(crate) client: Arc<Client>,
    pub(crate) profile: Profile,
    pub(crate) progress: Progress,
    pub(crate) names: Vec<String>,
    pub(crate) supplies: Vec<Supply>,
    pub(crate) traits: Vec<FunctionTraits>,
    pub(crate) loads: Vec<FunctionLoad>,
    pub(crate) totals: Totals,
    pub(crate) origin_calls: OriginCallCounter,
    pub(crate) flush_probe: FlushProbe,
    pub(crate) minimum: MinimumLatencies,
    /// Where Goose writes its own report of the mixed phase.
    pub(crate) goose_report: Option<PathBuf>,
    /// Where every request is written.
    pub(crate) samples: Option<SampleFile>,
    /// The user's own traffic, and how it is sent.
    pub(crate) own_traffic: Option<(OwnTraffic, Replay)>,
    /// Where this is one of several generators: which one, and when all begin.
    pub(crate) start: Option<Start>,
    /// What it then read of the target's counters.
    pub(crate) readings: Readings,
    /// What was left out, in sentences.
    pub(crate) limitations: Vec<String>,
}

/// How one function is loaded in the paired phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FunctionLoad {
    /// Keys per round; fewer than the profile asks for if the origin is slow.
    pub(crate) keys: usize,
}

fn supplies(functions: &[Function], salt: &str, seed: u64) -> Vec<Supply> {
    let supply = |function| Supply::new(function, salt, seed);
    functions.iter().map(supply).collect()
}

impl Session {
    /// A new run. `salt` must never have been used before at this target.
    pub(crate) fn new(
        client: Arc<Client>,
        profile: Profile,
        progress: Progress,
        salt: &str,
    ) -> Self {
        let functions = &client.target.functions;
        Self {
            names: functions.iter().map(|f| f.name.clone()).collect(),
            supplies: supplies(functions, salt, profile.seed),
            client,
            profile,
            progress,
            traits: Vec::new(),
            loads: Vec::new(),
            totals: Totals::default(),
            origin_calls: OriginCallCounter::default(),
            flush_probe: FlushProbe::default(),
            minimum: MinimumLatencies::default(),
            goose_report: None,
            samples: None,
            own_traffic: None,
            start: None,
            readings: Readings::default(),
            limitations: Vec::new(),
        }
    }

    /// Keys from the beginning, with another salt.
    pub(crate) fn new_supplies(&self, salt: &str) -> Vec<Supply> {
        supplies(&self.client.target.functions, salt, self.profile.seed)
    }

    /// Runs one phase and adds it to the totals. Nothing is sent after `deadline`, counted from the
    /// start of the run.
    pub(crate) async fn phase(
        &mut self,
        (phase, round): (Phase, usize),
        plan: Plan,
        deadline: Duration,
    ) -> Result<PhaseSamples, String> {
        let runner = Arc::new(PhaseRunner::new(plan, deadline, self.profile.max_in_flight));
        let title = match phase {
            Phase::Mixed | Phase::Faults => phase.label().to_owned(),
            _ => format!("{} {}", phase.label(), round + 1),
        };
        let watch = self.progress.watch(
            self.client.clone(),
            runner.clone(),
            (title.clone(), self.profile.budget),
        );
        // The phase that other load tests have.
        let report = self.goose_report.as_deref();
        let report = report.filter(|_| phase == Phase::Mixed);
        let goose_result = goose::run(&self.client, &runner, report)
            .await
            .map_err(|e| format!("Goose stopped: {e}"))?;
        drop(watch);
        let collected = runner.take();
        if let Some(file) = &mut self.samples {
            file.write((phase, round), &collected.samples, &self.names)?;
        }
        let counted = self.origin_calls.close_phase(&collected.samples);
        let place = (phase, round);
        self.totals
            .add_phase(place, &collected, counted, &goose_result, &self.names);
        let text = format!("{title}: {}", self.totals.last_phase());
        self.progress.print(&self.client, &text);
        Ok(collected)
    }

    /// What is left of the run's time.
    pub(crate) fn time_left(&self) -> Duration {
        self.profile.budget.saturating_sub(self.client.elapsed())
    }

    /// Notes in a sentence what was left out.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.limitations.push(text.into());
    }

    /// Flushes, and checks that keys that were hits before are gone.
    pub(crate) async fn flush(&mut self) -> Result<(), String> {
        let mut stored = Vec::new();
        for canary in self.canaries() {
            // The first request may be the one that stores it.
            if self.is_hit(&canary).await || self.is_hit(&canary).await {
                stored.push(canary);
            }
        }
        if self.client.flush().await?.is_none() {
            return Ok(());
        }
        for canary in stored {
            self.flush_probe.asked += 1;
            self.flush_probe.survived += u64::from(self.is_hit(&canary).await);
        }
        Ok(())
    }

    /// One key of each function: a flush may clear only some of them. A slow origin would take most
    /// of the round for its own, so that it is left out unless it is the only one.
    fn canaries(&self) -> Vec<RequestSpec> {
        let origin = |index: &usize| self.traits[*index].origin;
        let quickest = (0..self.traits.len()).min_by_key(origin);
        let asked =
            (0..self.traits.len()).filter(|index| origin(index) < SLOW || Some(*index) == quickest);
        asked
            .map(|index| RequestSpec::new(index, 0, self.traits[index].canary.clone()))
            .collect()
    }

    async fn is_hit(&mut self, spec: &RequestSpec) -> bool {
        let sample = self.client.ask(spec, Duration::MAX).await;
        self.origin_calls.observe(&sample);
        sample.outcome().is_some_and(|outcome| outcome.is_hit())
    }
}
