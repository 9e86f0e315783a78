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
    /// A freed lease: the origin failed.
    Failed,
    /// A freed lease: the origin's answer may not be stored.
    NotStored,
    /// Anything else: other generations, a lease whose holder has left, unreadable bytes.
    Obsolete,
}

/// How old an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    Fresh,
    /// Past its ttl, within the window in which it is served while it is refreshed.
    Stale,
    /// Past that window, within the one in which it is served if the origin fails.
    OnError,
    /// Past both, so it is not served; only an entry of a policy with such a window.
    Expired,
}

/// The state of the refresh marker, read in the same lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// Another caller refreshes this entry.
    Refreshing,
    /// The last refresh of this entry has failed, a short while ago.
    Failed,
    /// No caller does: the marker is absent, or names another entry.
    NotRefreshing,
}

/// Whether this call has waited for another caller's lease. It does so once: behind an origin that
/// fails, the callers would otherwise lead one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waited {
    No,
    Yes,
    /// It has, and the lease that this lookup shows is another, taken after a failure.
    Enough,
}

/// What a caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// A generation is missing: create it and look up again.
    Mint,
    Hit,
    ServeStale,
    /// Serve the entry, since its refresh has failed.
    ServeOnError,
    /// Try for the marker: the winner refreshes; what the loser does is in the variant.
    Refresh(IfLost),
    /// Try for the absent item's lease: the winner computes, the loser waits.
    Acquire,
    /// The lease is already this caller's.
    Compute,
    /// Replace the item by a lease, if it has not changed.
    TakeOver,
    Wait,
    /// The name is another function's: go without the cache.
    Bypass,
    /// Call the origin and store nothing: waiting or leading is of no use.
    Pass,
    /// The same, after a wait in vain.
    GoAlone,
}

/// What the loser of the refresh marker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IfLost {
    ServeStale,
    Wait,
}

/// The decision after a lookup. `generations` is `false` if one of them is missing.
pub(crate) fn decide(
    kind: ItemKind,
    marker: Marker,
    generations: bool,
    waited: Waited,
) -> Decision {
    if !generations {
        return Decision::Mint;
    }
    match (kind, marker, waited) {
        (ItemKind::Entry(Age::Fresh), ..) => Decision::Hit,
        (ItemKind::Entry(Age::Stale), Marker::Refreshing | Marker::Failed, _) => {
            Decision::ServeStale
        }
        (ItemKind::Entry(Age::Stale), Marker::NotRefreshing, _) => {
            Decision::Refresh(IfLost::ServeStale)
        }
        (ItemKind::Entry(Age::OnError), Marker::Failed, _)
        | (ItemKind::Entry(Age::OnError), Marker::Refreshing, Waited::Enough) => {
            Decision::ServeOnError
        }
        (ItemKind::Entry(Age::Expired), Marker::Failed, Waited::Yes | Waited::Enough)
        | (ItemKind::Entry(Age::Expired), Marker::Refreshing, Waited::Enough) => Decision::GoAlone,
        (ItemKind::Entry(Age::OnError | Age::Expired), Marker::Refreshing, _) => Decision::Wait,
        (ItemKind::Entry(Age::OnError | Age::Expired), ..) => Decision::Refresh(IfLost::Wait),
        (ItemKind::Absent, ..) => Decision::Acquire,
        (ItemKind::Won, ..) => Decision::Compute,
        (ItemKind::Lease, _, Waited::Enough) => Decision::GoAlone,
        (ItemKind::Placeholder | ItemKind::Lease, ..) => Decision::Wait,
        (ItemKind::NotStored, ..) => Decision::Pass,
        (ItemKind::Failed, _, Waited::Yes | Waited::Enough) => Decision::GoAlone,
        (ItemKind::Failed, _, Waited::No) | (ItemKind::Obsolete, ..) => Decision::TakeOver,
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
            let decide = |generations| decide(kind, marker, generations, Waited::No);
            assert_eq!(decide(true), expected, "{kind:?} {marker:?}");
            assert_eq!(decide(false), Decision::Mint, "{kind:?} {marker:?}");
        }
    }

    #[test]
    fn a_call_waits_once() {
        use {
            Age::*,
            ItemKind::*,
            Marker::{NotRefreshing, Refreshing},
        };
        let wait = Decision::Refresh(IfLost::Wait);
        let rows = [
            // before it has waited, after that, and when it sees one more lease after a failure
            (
                Failed,
                NotRefreshing,
                [Decision::TakeOver, Decision::GoAlone, Decision::GoAlone],
            ),
            (NotStored, NotRefreshing, [Decision::Pass; 3]),
            (
                Lease,
                NotRefreshing,
                [Decision::Wait, Decision::Wait, Decision::GoAlone],
            ),
            (Placeholder, NotRefreshing, [Decision::Wait; 3]),
            (Obsolete, NotRefreshing, [Decision::TakeOver; 3]),
            (Absent, NotRefreshing, [Decision::Acquire; 3]),
            (Entry(Stale), Marker::Failed, [Decision::ServeStale; 3]),
            (Entry(OnError), Marker::Failed, [Decision::ServeOnError; 3]),
            (
                Entry(OnError),
                Refreshing,
                [Decision::Wait, Decision::Wait, Decision::ServeOnError],
            ),
            (Entry(OnError), NotRefreshing, [wait; 3]),
            (
                Entry(Expired),
                Marker::Failed,
                [wait, Decision::GoAlone, Decision::GoAlone],
            ),
            (
                Entry(Expired),
                Refreshing,
                [Decision::Wait, Decision::Wait, Decision::GoAlone],
            ),
            (Entry(Expired), NotRefreshing, [wait; 3]),
        ];
        for (kind, marker, expected) in rows {
            let decided = [Waited::No, Waited::Yes, Waited::Enough]
                .map(|waited| decide(kind, marker, true, waited));
            assert_eq!(decided, expected, "{kind:?} {marker:?}");
        }
    }
}
