//! Whether a placeholder still has a holder, which replaces it by a lease record within
//! milliseconds.

use std::time::Duration;

use tokio::time::Instant;

use super::{Snapshot, decision::ItemKind};

/// How many seconds a placeholder lives. Its holder replaces it long before. If the holder has
/// died, or the answer of its lookup was lost, the placeholder expires.
pub(super) const PLACEHOLDER_TTL_S: u32 = 2;

/// An empty item that is older is not a placeholder, which would have expired: another program has
/// stored it. It is not replaced earlier, because an origin that blocks before its first await
/// keeps the holder from writing its lease record. It is replaced by `cas`, so that a late holder's
/// fill is refused.
const ORPHANED: Duration = Duration::from_secs(PLACEHOLDER_TTL_S as u64);

/// For how long a call has seen the same empty item.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlaceholderAge {
    since: Instant,
    cas: Option<u64>,
}

impl PlaceholderAge {
    /// Combines `snapshot` with what was seen `before`.
    pub(super) fn after(before: Option<Self>, snapshot: &Snapshot<'_>) -> Option<Self> {
        if snapshot.kind != ItemKind::Placeholder {
            return None;
        }
        let cas = snapshot.item.and_then(|there| there.cas);
        let now = Self {
            since: Instant::now(),
            cas,
        };
        // Another cas means another placeholder, created after the first one had expired.
        Some(before.filter(|before| before.cas == cas).unwrap_or(now))
    }

    /// Whether no caller holds it any more.
    pub(super) fn is_orphaned(&self) -> bool {
        // Without a cas, one placeholder and the next one look the same.
        let leases = if self.cas.is_some() { 1 } else { 2 };
        self.since.elapsed() > ORPHANED * leases
    }
}
