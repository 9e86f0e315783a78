//! The paired comparison: rounds of flush, cold and warm. Owns their order and their deadlines;
//! knows nothing of statistics or reports.

use std::sync::Arc;
use std::time::Duration;

use crate::attack;
use crate::client::{Client, Question};
use crate::interrupt;
use crate::keys::{self, Supply};
use crate::ledger::Ledger;
use crate::plan::{Phase, Plan, Segment};
use crate::preflight::Facts;
use crate::profile::Profile;
use crate::progress::Progress;
use crate::stage::{Drained, Stage};
use crate::truth::Truth;

/// What the rounds share.
pub(crate) struct Rounds<'a> {
    pub(crate) client: &'a Arc<Client>,
    pub(crate) profile: &'a Profile,
    pub(crate) facts: &'a [Facts],
    pub(crate) names: &'a [String],
    pub(crate) progress: Progress,
}

/// Whether each flush emptied the cache, by a key that was stored before it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Canaries {
    pub(crate) asked: u64,
    /// Still hits after the flush.
    pub(crate) survived: u64,
    /// Why a flush after the first failed.
    pub(crate) failed: Option<String>,
}

/// Why the rounds ended early, for the report.
pub(crate) type Shortfall = Option<String>;

impl Rounds<'_> {
    /// Runs the rounds. An error is a sentence: the target cannot be measured at all.
    pub(crate) async fn run(
        &self,
        supplies: &mut [Supply],
        ledger: &mut Ledger,
        truth: &mut Truth,
    ) -> Result<(Canaries, Shortfall), String> {
        let mut canaries = Canaries::default();
        for round in 0..self.profile.rounds {
            if interrupt::requested() {
                return Ok((
                    canaries,
                    Some(format!("interrupted before round {}", round + 1)),
                ));
            }
            if self.client.elapsed() >= self.profile.budget {
                return Ok((
                    canaries,
                    Some(format!("no time was left for round {}", round + 1)),
                ));
            }
            if let Err(reason) = self.flush(&mut canaries, truth).await {
                // A target that never flushes cannot be measured; one that stops doing so has failed.
                match round {
                    0 => return Err(reason),
                    _ => {
                        return Ok((
                            Canaries {
                                failed: Some(reason.clone()),
                                ..canaries
                            },
                            Some(reason),
                        ));
                    }
                }
            }
            let keys: Vec<Vec<String>> = supplies
                .iter_mut()
                .zip(self.facts)
                .map(|(supply, facts)| supply.take(facts.keys))
                .collect();
            let end = self.end_of(round);
            let cold = self
                .phase(
                    (Phase::Cold, round),
                    &keys,
                    end - (end - self.client.elapsed()).mul_f64(0.15),
                    ledger,
                    truth,
                )
                .await?;
            let warm = match cold.gave_up || interrupt::requested() {
                true => None,
                false => Some(
                    self.phase((Phase::Warm, round), &keys, end, ledger, truth)
                        .await?,
                ),
            };
            if let Some(warm) = &warm {
                ledger.add_pairs(round, &cold.samples, &warm.samples, self.names);
            }
            if cold.gave_up || warm.is_some_and(|warm| warm.gave_up) {
                return Ok((
                    canaries,
                    Some(format!(
                        "the target failed most requests of round {}",
                        round + 1
                    )),
                ));
            }
        }
        Ok((canaries, None))
    }

    /// Flushes, and looks whether a key that was stored before is gone.
    async fn flush(&self, canaries: &mut Canaries, truth: &mut Truth) -> Result<(), String> {
        let quickest = (0..self.facts.len())
            .min_by_key(|index| self.facts[*index].origin)
            .unwrap_or(0);
        let question = Question {
            function: quickest,
            number: 0,
            key: self.facts[quickest].canary.clone(),
        };
        truth.observe(&self.client.ask(&question, Duration::MAX).await);
        if self.client.flush().await?.is_none() {
            return Ok(());
        }
        let after = self.client.ask(&question, Duration::MAX).await;
        truth.observe(&after);
        canaries.asked += 1;
        canaries.survived += u64::from(after.outcome().is_some_and(|outcome| outcome.is_hit()));
        Ok(())
    }

    async fn phase(
        &self,
        (phase, round): (Phase, usize),
        keys: &[Vec<String>],
        deadline: Duration,
        ledger: &mut Ledger,
        truth: &mut Truth,
    ) -> Result<Drained, String> {
        let stage = Arc::new(Stage::new(self.plan(phase, round, keys), deadline));
        let title = format!(
            "round {}/{} {}",
            round + 1,
            self.profile.rounds,
            phase.label()
        );
        let watch = self
            .progress
            .watch(self.client.clone(), stage.clone(), title.clone());
        let counts = attack::run(self.client, &stage)
            .await
            .map_err(|e| format!("Goose stopped: {e}"))?;
        drop(watch);
        let drained = stage.take();
        ledger.add_phase((phase, round), &drained, &counts, self.names, truth);
        self.progress
            .say(self.client, &format!("{title}: {}", ledger.last_phase()));
        Ok(drained)
    }

    /// A round may use what is left of the budget, shared evenly with the rounds to come.
    fn end_of(&self, round: usize) -> Duration {
        let rounds_left = u32::try_from(self.profile.rounds - round)
            .unwrap_or(u32::MAX)
            .max(1);
        let now = self.client.elapsed();
        now + self.profile.budget.saturating_sub(now) / rounds_left
    }

    fn plan(&self, phase: Phase, round: usize, keys: &[Vec<String>]) -> Plan {
        let segments = keys.iter().enumerate().map(|(function, keys)| {
            // As many warm requests as the profile wants, also where a slow origin left few keys.
            let warm = (self.profile.keys * self.profile.repeats).div_ceil(keys.len().max(1));
            let repeats = if phase == Phase::Cold { 1 } else { warm };
            let part = (round * 64 + function * 2 + usize::from(phase == Phase::Warm)) as u64;
            let order = keys::order(keys.len(), repeats, self.profile.seed, part);
            let ask = |number: usize| Question {
                function,
                number,
                key: keys[number].clone(),
            };
            Segment::closed(self.facts[function].users, order.into_iter().map(ask))
        });
        Plan {
            phase,
            segments: segments.collect(),
        }
    }
}
