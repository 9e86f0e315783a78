//! The end of a verb: it is acknowledged when no process can hold an older copy any more.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;

use super::{Answer, Fault, records::Shown, unsettled, upkeep::latest};
use crate::{budget::VERB_TIMEOUT, shared::Shared};

impl Shared {
    /// Waits until every copy has ended that was made before the effect of a verb. `answers` has
    /// what each of its servers has shown behind it.
    pub(crate) async fn until_final(&self, answers: Vec<Answer>) {
        let bounds = answers.iter().map(|answer| self.near.bound(answer));
        let bound = match self.near.planted().has(Fault::FirstServerOnly) {
            true => bounds.into_iter().next(),
            false => bounds.max(),
        };
        let bound = bound.unwrap_or(Duration::ZERO);
        if !self.near.is_on() && bound.is_zero() {
            return;
        }
        // Boxed: most verbs do not wait.
        Box::pin(self.wait_for(answers, bound)).await;
    }

    async fn wait_for(&self, answers: Vec<Answer>, bound: Duration) {
        let wait = self.near.wait(bound);
        let known: Vec<_> = match self.near.is_on() {
            true => answers
                .iter()
                .map(|answer| self.begin_trials(answer, self.near.bound(answer)))
                .collect(),
            false => Vec::new(),
        };
        if unsettled::is_final_in(wait) {
            return;
        }
        let added = self.add_absent(&answers).await;
        let received = latest(&answers);
        let added_at = added.iter().any(|added| !added.is_empty());
        let since = match added_at {
            true => Some(self.near.clocks().now().monotonic),
            false => received,
        };
        if let Some(since) = since {
            self.near.clocks().sleep_until(since + wait).await;
        }
        // Several keys of a server have shown the same records.
        let mut settled = HashSet::new();
        let mut settling = Vec::new();
        for (answer, (known, added)) in answers.iter().zip(known.iter().zip(&added)) {
            for (place, lineage) in known.iter().chain(added) {
                if settled.insert(*lineage) {
                    let scope = &answer.shown[*place].0;
                    settling.push(self.settle(&answer.server, scope, *lineage, VERB_TIMEOUT));
                }
            }
        }
        join_all(settling).await;
    }

    /// Adds the records that a verb has found absent, on all servers at the same time: the place
    /// and the lineage of each.
    async fn add_absent(&self, answers: &[Answer]) -> Vec<Vec<(usize, u64)>> {
        if !self.near.is_on() {
            return Vec::new();
        }
        let mut asked = HashSet::new();
        let each = answers.iter().map(|answer| {
            let shown = answer.shown.iter().enumerate();
            let absent = shown.filter(|(_, (scope, shown))| {
                matches!(shown, Shown::Absent | Shown::Unreadable)
                    && asked.insert((&*answer.server, scope.near.key()))
            });
            let absent: Vec<_> = absent.map(|(place, (scope, _))| (place, scope)).collect();
            async move {
                let bound = self.near.bound(answer);
                let mut added = Vec::new();
                for (place, scope) in absent {
                    let lineage =
                        self.add_for_verb(&answer.server, place, scope, bound, VERB_TIMEOUT);
                    added.extend(lineage.await.map(|lineage| (place, lineage)));
                }
                added
            }
        });
        let each: Vec<_> = each.collect();
        join_all(each).await
    }
}
