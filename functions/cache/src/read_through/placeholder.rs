//! Whose an empty lease is: its holder's, who will stamp it within milliseconds, or nobody's.

use std::time::Duration;

use tokio::time::Instant;

use super::{Seen, decision::Item};

/// How many seconds a lease that a lookup left stays empty before it is nobody's. Its holder stamps it long before; one whose holder
/// died, or whose answer was lost, ends by itself.
pub(super) const BARE: u32 = 2;

/// An empty item seen for so long is no lease, which would have ended: a stranger put it there. Not sooner, since an origin that works
/// before its first await keeps its holder from stamping it. Taken over by its number, so that a late holder's fill is refused.
const ORPHANED: Duration = Duration::from_secs(BARE as u64);

/// For how long a call has seen the same empty item.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bare {
    since: Instant,
    number: Option<u64>,
}

impl Bare {
    /// What `seen` adds to what was seen `before`.
    pub(super) fn after(before: Option<Self>, seen: &Seen<'_>) -> Option<Self> {
        if seen.item != Item::Bare {
            return None;
        }
        let number = seen.there.and_then(|there| there.number);
        let now = Self {
            since: Instant::now(),
            number,
        };
        // Another number is another's lease, which came after one that had ended.
        Some(
            before
                .filter(|before| before.number == number)
                .unwrap_or(now),
        )
    }

    /// Whether nobody holds it.
    pub(super) fn is_orphaned(&self) -> bool {
        // Without numbers one lease and the next look the same.
        let leases = if self.number.is_some() { 1 } else { 2 };
        self.since.elapsed() > ORPHANED * leases
    }
}
