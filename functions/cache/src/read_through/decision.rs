//! The decision of one lookup: serve, compute, take over or wait.
//!
//! A pure table: it sees no clock, no key and no bytes. The page `guide::how_it_works` explains its
//! rows, and lists what an exhaustive search of their interleavings has shown: at most one origin
//! call for a key while leases hold, and never a value from before a flush.

/// The state of the item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemKind {
    /// Nothing.
    Absent,
    /// The placeholder that this lookup itself created (meta protocol).
    Won,
    /// Another caller's placeholder: zero bytes.
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
    /// Past its stale window, so it is not served; only an entry of a policy with such a window.
    Expired,
}

/// The state of the refresh marker, read in the same lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// Another caller refreshes this entry.
    Refreshing,
    /// No caller does: the marker is absent, or names another entry.
    NotRefreshing,
}

/// What a caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A generation is missing: create it and look up again.
    Mint,
    Hit,
    ServeStale,
    /// Try for the marker: the winner refreshes; what the loser does is in the variant.
    Refresh(IfLost),
    /// Try for the absent item's lease: the winner computes, the loser waits.
    Acquire,
    /// The lease is already this caller's.
    Compute,
    /// Replace the item by a lease, if it has not changed.
    TakeOver,
    Wait,
}

/// What the loser of the refresh marker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfLost {
    ServeStale,
    Wait,
}

/// The decision after a lookup. `generations` is `false` if one of the two is missing.
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
