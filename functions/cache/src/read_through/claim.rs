//! Trying for the right to call the origin, as a plan says.
//!
//! Every write is an `add`, or a `cas` with a number that was read while the item was exactly the
//! one on which this call decided. If an invalidation, an expiry, an eviction or another caller has
//! changed it in between, the write is refused.

use super::{
    Call, Snapshot,
    exchange::PlannedWrite,
    plan::{ClaimResult, Plan, Progress},
};
use crate::{
    outcome::Uncoordinated,
    store::{LookupReply, StoreError},
    telemetry::metrics::Counter,
};

impl Call<'_> {
    /// Executes the plan for this key alone.
    pub(super) async fn claim<'s>(
        &self,
        progress: &mut Progress,
        plan: Plan<'s>,
        snapshot: &Snapshot<'s>,
        reply: &'s LookupReply,
    ) -> Result<ClaimResult, Uncoordinated> {
        let writes = self.planned_writes(&plan, reply);
        let writes: Vec<_> = writes.iter().map(|write| (&self.keys, write)).collect();
        let written = self.exchanges().write_planned(&writes).await.pop();
        let mut result = self.claimed(progress, plan, written)?;
        if let ClaimResult::Won(lease) = &mut result
            && let Some(entry) = lease.claim.entry()
            && entry.is_none()
        {
            // Read before the origin is called: any later change of the entry refuses the fill.
            *entry = match snapshot.item {
                Some(item) => self.cas_if_unchanged(item).await?,
                None => None,
            };
            if entry.is_none() {
                return Ok(ClaimResult::Again);
            }
        }
        Ok(result)
    }

    /// The result of `plan`, whose last write had this result.
    pub(super) fn claimed(
        &self,
        progress: &mut Progress,
        plan: Plan<'_>,
        written: Option<Result<bool, StoreError>>,
    ) -> Result<ClaimResult, Uncoordinated> {
        Ok(match (plan, written) {
            (Plan::Lead(lease), _) => ClaimResult::Won(lease),
            (Plan::Uncoordinated(why), _) => return Err(why),
            // A lease that may have been written is given back, because its guard is armed.
            (_, Some(Err(error))) => return Err(error.into()),
            (Plan::Try(attempt), Some(Ok(true))) => {
                if attempt.takes_over(progress) {
                    self.counters.increment(Counter::LeaseTakenOver);
                }
                progress.replaced();
                ClaimResult::Won(attempt.lease)
            }
            (Plan::Try(attempt), _) => {
                attempt.lease.release.disarm();
                attempt.if_lost
            }
            (Plan::Mint | Plan::Again, _) => ClaimResult::Again,
            (Plan::Wait, _) => ClaimResult::Wait,
        })
    }

    /// What `plan` writes for this key.
    pub(super) fn planned_writes<'s>(
        &self,
        plan: &Plan<'s>,
        reply: &'s LookupReply,
    ) -> Vec<PlannedWrite<'s>> {
        match plan {
            Plan::Mint => self.minted(reply),
            Plan::Try(attempt) => self.attempted(attempt).into_iter().collect(),
            _ => Vec::new(),
        }
    }
}
