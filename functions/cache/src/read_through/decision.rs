//! The decision of one lookup: serve, compute, take over or wait.
//!
//! A pure table: it sees no clock, no key and no bytes. The rows are those of the algorithm's specification, checked by
//! explicit-state search: at most one origin call a key while leases hold, and never a value from before a flush.

/// What stands under the item's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// Nothing.
    Absent,
    /// A new lease of this very lookup, not yet stamped (meta protocol).
    Won,
    /// Somebody else's new lease, not yet stamped: zero bytes.
    Placeholder,
    /// An entry of the current generations.
    Entry(Age),
    /// A lease of the current generations.
    Lease,
    /// Anything else: other generations, a freed lease, unreadable bytes.
    Obsolete,
}

/// How old an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    Fresh,
    /// Past its ttl, within a stale window.
    Stale,
    /// Past everything: to be replaced, never to be served.
    Expired,
}

/// What stands under the refresh marker, read in the same lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// Somebody refreshes this very entry.
    Refreshing,
    /// Nobody does: nothing stands there, or something about another entry.
    NotRefreshing,
}

/// What a caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A generation is missing: mint it and look again.
    Mint,
    Hit,
    ServeStale,
    /// Try for the marker: the winner refreshes, the loser does `IfLost`.
    Refresh(IfLost),
    /// Try for the absent item's lease: the winner computes, the loser waits.
    Acquire,
    /// The lease is already ours.
    Compute,
    /// Replace what stands there by our lease, if it still stands there.
    TakeOver,
    Wait,
}

/// What the loser of a refresh marker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfLost {
    ServeStale,
    Wait,
}

/// The step after a lookup. `generations` is `false` when one of the two was missing.
pub(crate) fn decide(kind: ItemKind, marker: Marker, generations: bool) -> Decision {
    if !generations {
        return Decision::Mint;
    }
    match (kind, marker) {
        (ItemKind::Entry(Age::Fresh), _) => Decision::Hit,
        (ItemKind::Entry(Age::Stale), Marker::Refreshing) => Decision::ServeStale,
        (ItemKind::Entry(Age::Stale), Marker::NotRefreshing) => {
            Decision::Refresh(IfLost::ServeStale)
        }
        (ItemKind::Entry(Age::Expired), Marker::Refreshing) => Decision::Wait,
        (ItemKind::Entry(Age::Expired), Marker::NotRefreshing) => Decision::Refresh(IfLost::Wait),
        (ItemKind::Absent, _) => Decision::Acquire,
        (ItemKind::Won, _) => Decision::Compute,
        (ItemKind::Placeholder | ItemKind::Lease, _) => Decision::Wait,
        (ItemKind::Obsolete, _) => Decision::TakeOver,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        use {Age::*, ItemKind::*, Marker::*};
        let rows = [
            (Entry(Fresh), NotRefreshing, Decision::Hit),
            (Entry(Fresh), Refreshing, Decision::Hit),
            (Entry(Stale), Refreshing, Decision::ServeStale),
            (
                Entry(Stale),
                NotRefreshing,
                Decision::Refresh(IfLost::ServeStale),
            ),
            (Entry(Expired), Refreshing, Decision::Wait),
            (
                Entry(Expired),
                NotRefreshing,
                Decision::Refresh(IfLost::Wait),
            ),
            (Absent, NotRefreshing, Decision::Acquire),
            (Won, NotRefreshing, Decision::Compute),
            (Placeholder, NotRefreshing, Decision::Wait),
            (Lease, NotRefreshing, Decision::Wait),
            (Obsolete, NotRefreshing, Decision::TakeOver),
            (Obsolete, Refreshing, Decision::TakeOver),
        ];
        for (kind, marker, expected) in rows {
            assert_eq!(decide(kind, marker, true), expected, "{kind:?} {marker:?}");
            assert_eq!(
                decide(kind, marker, false),
                Decision::Mint,
                "{kind:?} {marker:?}"
            );
        }
    }
}
