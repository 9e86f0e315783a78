//! A run in progress: what its parts share, and how one phase of any kind is run. Owns the sums while they grow; knows
//! nothing of which phases there are, nor of reports.

use std::sync::Arc;
use std::time::Duration;

use crate::analysis::origin_calls::Truth;
use crate::analysis::totals::{Canaries, Ledger};
use crate::client::Client;
use crate::client::request::Question;
use crate::load::goose;
use crate::load::keys::Supply;
use crate::load::phase_runner::{Drained, Stage};
use crate::load::plan::{Phase, Plan};
use crate::load::profile::Profile;
use crate::load::progress::Progress;
use crate::phases::discovery::Facts;
use crate::target::Function;

/// The state of a run.
pub(crate) struct Course {
    pub(crate) client: Arc<Client>,
    pub(crate) profile: Profile,
    pub(crate) progress: Progress,
    pub(crate) names: Vec<String>,
    pub(crate) supplies: Vec<Supply>,
    pub(crate) facts: Vec<Facts>,
    pub(crate) shares: Vec<Share>,
    pub(crate) ledger: Ledger,
    pub(crate) truth: Truth,
    pub(crate) canaries: Canaries,
    /// Why there is less than was asked for, in sentences.
    pub(crate) shortfalls: Vec<String>,
}

/// How one function is asked in the paired phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    /// Users of cold and bypass: one where that fits, as there is no queue to hide anything then; never more than its origin serves at once.
    pub(crate) users: usize,
    /// Keys a round: fewer than the profile wants where the origin is slow.
    pub(crate) keys: usize,
}

impl Course {
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
            facts: Vec::new(),
            shares: Vec::new(),
            ledger: Ledger::default(),
            truth: Truth::default(),
            canaries: Canaries::default(),
            shortfalls: Vec::new(),
        }
    }

    /// Runs one phase and adds it to the sums. Nothing is sent after `deadline` since the start of the run.
    pub(crate) async fn phase(
        &mut self,
        (phase, round): (Phase, usize),
        plan: Plan,
        deadline: Duration,
    ) -> Result<Drained, String> {
        let stage = Arc::new(Stage::new(plan, deadline));
        let title = match phase {
            Phase::Mixed | Phase::Faults => phase.label().to_owned(),
            _ => format!("{} {}", phase.label(), round + 1),
        };
        let watch = self
            .progress
            .watch(self.client.clone(), stage.clone(), title.clone());
        let attack = goose::run(&self.client, &stage)
            .await
            .map_err(|e| format!("Goose stopped: {e}"))?;
        drop(watch);
        let drained = stage.take();
        self.ledger.add_phase(
            (phase, round),
            &drained,
            &attack,
            &self.names,
            &mut self.truth,
        );
        self.progress.say(
            &self.client,
            &format!("{title}: {}", self.ledger.last_phase()),
        );
        Ok(drained)
    }

    /// Flushes, and looks whether a key that was stored before is gone. An error is a sentence.
    pub(crate) async fn flush(&mut self) -> Result<(), String> {
        let origin = |index: &usize| self.facts[*index].origin;
        let quickest = (0..self.facts.len()).min_by_key(origin).unwrap_or(0);
        let question = Question::new(quickest, 0, self.facts[quickest].canary.clone());
        self.truth
            .observe(&self.client.ask(&question, Duration::MAX).await);
        if self.client.flush().await?.is_none() {
            return Ok(());
        }
        let after = self.client.ask(&question, Duration::MAX).await;
        self.truth.observe(&after);
        self.canaries.asked += 1;
        self.canaries.survived +=
            u64::from(after.outcome().is_some_and(|outcome| outcome.is_hit()));
        Ok(())
    }
}
