//! Whose an empty lease is: its holder's, who will stamp it within milliseconds, or nobody's.

use std::time::Duration;

use tokio::time::Instant;

use super::{Snapshot, decision::ItemKind};

/// How many seconds a lease that a lookup left stays empty before it is nobody's. Its holder stamps it long before; one whose holder
/// died, or whose answer was lost, ends by itself.
pub(super) const PLACEHOLDER_TTL_S: u32 = 2;

/// An empty item seen for so long is no lease, which would have ended: a stranger put it there. Not sooner, since an origin that works
/// before its first await keeps its holder from stamping it. Taken over by its cas, so that a late holder's fill is refused.
const ORPHANED: Duration = Duration::from_secs(PLACEHOLDER_TTL_S as u64);

/// For how long a call has seen the same empty item.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlaceholderAge {
    since: Instant,
    cas: Option<u64>,
}

impl PlaceholderAge {
    /// What `snapshot` adds to what was seen `before`.
    pub(super) fn after(before: Option<Self>, snapshot: &Snapshot<'_>) -> Option<Self> {
        if snapshot.kind != ItemKind::Placeholder {
            return None;
        }
        let cas = snapshot.item.and_then(|there| there.cas);
        let now = Self {
            since: Instant::now(),
            cas,
        };
        // Another cas is another's lease, which came after one that had ended.
        Some(before.filter(|before| before.cas == cas).unwrap_or(now))
    }

    /// Whether nobody holds it.
    pub(super) fn is_orphaned(&self) -> bool {
        // Without cas values one lease and the next look the same.
        let leases = if self.cas.is_some() { 1 } else { 2 };
        self.since.elapsed() > ORPHANED * leases
    }
}
