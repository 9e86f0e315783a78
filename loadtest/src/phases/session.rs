//! A run in progress: what its parts share, and how one phase of any kind is run. Owns the sums while they grow; knows
//! nothing of which phases there are, nor of reports.

use std::sync::Arc;
use std::time::Duration;

use crate::analysis::origin_calls::OriginCallCounter;
use crate::analysis::totals::{FlushProbe, Totals};
use crate::client::Client;
use crate::client::request::RequestSpec;
use crate::load::goose;
use crate::load::keys::Supply;
use crate::load::phase_runner::{PhaseRunner, PhaseSamples};
use crate::load::plan::{Phase, Plan};
use crate::load::profile::Profile;
use crate::load::progress::Progress;
use crate::phases::discovery::FunctionTraits;
use crate::target::Function;

/// The state of a run.
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
    /// Why there is less than was asked for, in sentences.
    pub(crate) limitations: Vec<String>,
}

/// How one function is asked in the paired phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FunctionLoad {
    /// Users of cold and bypass: one where that fits, as there is no queue to hide anything then; never more than its origin serves at once.
    pub(crate) users: usize,
    /// Keys a round: fewer than the profile wants where the origin is slow.
    pub(crate) keys: usize,
}

impl Session {
    /// A run that has not begun. `salt` must never have been used before at this target.
    pub(crate) fn new(
        client: Arc<Client>,
        profile: Profile,
        progress: Progress,
        salt: &str,
    ) -> Self {
        let functions = &client.target().functions;
        let supply = |function: &Function| Supply::new(function, salt, profile.seed);
        Self {
            names: functions.iter().map(|f| f.name.clone()).collect(),
            supplies: functions.iter().map(supply).collect(),
            client,
            profile,
            progress,
            traits: Vec::new(),
            loads: Vec::new(),
            totals: Totals::default(),
            origin_calls: OriginCallCounter::default(),
            flush_probe: FlushProbe::default(),
            limitations: Vec::new(),
        }
    }

    /// Runs one phase and adds it to the sums. Nothing is sent after `deadline` since the start of the run.
    pub(crate) async fn phase(
        &mut self,
        (phase, round): (Phase, usize),
        plan: Plan,
        deadline: Duration,
    ) -> Result<PhaseSamples, String> {
        let runner = Arc::new(PhaseRunner::new(plan, deadline));
        let title = match phase {
            Phase::Mixed | Phase::Faults => phase.label().to_owned(),
            _ => format!("{} {}", phase.label(), round + 1),
        };
        let watch = self
            .progress
            .watch(self.client.clone(), runner.clone(), title.clone());
        let goose_result = goose::run(&self.client, &runner)
            .await
            .map_err(|e| format!("Goose stopped: {e}"))?;
        drop(watch);
        let collected = runner.take();
        self.totals.add_phase(
            (phase, round),
            &collected,
            &goose_result,
            &self.names,
            &mut self.origin_calls,
        );
        self.progress.print(
            &self.client,
            &format!("{title}: {}", self.totals.last_phase()),
        );
        Ok(collected)
    }

    /// Flushes, and looks whether a key that was stored before is gone. An error is a sentence.
    pub(crate) async fn flush(&mut self) -> Result<(), String> {
        let origin = |index: &usize| self.traits[*index].origin;
        let quickest = (0..self.traits.len()).min_by_key(origin).unwrap_or(0);
        let spec = RequestSpec::new(quickest, 0, self.traits[quickest].canary.clone());
        self.origin_calls
            .observe(&self.client.ask(&spec, Duration::MAX).await);
        if self.client.flush().await?.is_none() {
            return Ok(());
        }
        let after = self.client.ask(&spec, Duration::MAX).await;
        self.origin_calls.observe(&after);
        self.flush_probe.asked += 1;
        self.flush_probe.survived +=
            u64::from(after.outcome().is_some_and(|outcome| outcome.is_hit()));
        Ok(())
    }
}
