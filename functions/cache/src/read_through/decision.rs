//! The decision of one lookup: serve, compute, take over or wait.
//!
//! A pure table: it sees no clock, no key and no bytes. The rows are those of the algorithm's specification, checked by
//! explicit-state search: at most one origin call a key while leases hold, and never a value from before a flush.

/// What stands under the item's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    /// Nothing.
    Absent,
    /// A new lease of this very lookup, not yet stamped (meta protocol).
    Won,
    /// Somebody else's new lease, not yet stamped: zero bytes.
    Bare,
    /// An entry of the current generations.
    Entry(Age),
    /// A lease of the current generations.
    Lease,
    /// Anything else: other generations, a freed lease, unreadable bytes.
    Dead,
}

/// How old an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    Fresh,
    /// Past its ttl, within a stale window.
    Stale,
    /// Past everything: to be replaced, never to be served.
    Past,
}

/// What stands under the refresh marker, read in the same lookup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    /// Somebody refreshes this very entry.
    Refreshing,
    /// Nobody does: nothing stands there, or something about another entry.
    Free,
}

/// What a caller does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A generation is missing: mint it and look again.
    Mint,
    Hit,
    ServeStale,
    /// Try for the marker: the winner refreshes, the loser does `Lost`.
    Refresh(Lost),
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
pub(crate) enum Lost {
    ServeStale,
    Wait,
}

/// The step after a lookup. `generations` is `None` when one of the two was missing.
pub(crate) fn step(item: Item, marker: Marker, generations: Option<()>) -> Step {
    if generations.is_none() {
        return Step::Mint;
    }
    match (item, marker) {
        (Item::Entry(Age::Fresh), _) => Step::Hit,
        (Item::Entry(Age::Stale), Marker::Refreshing) => Step::ServeStale,
        (Item::Entry(Age::Stale), Marker::Free) => Step::Refresh(Lost::ServeStale),
        (Item::Entry(Age::Past), Marker::Refreshing) => Step::Wait,
        (Item::Entry(Age::Past), Marker::Free) => Step::Refresh(Lost::Wait),
        (Item::Absent, _) => Step::Acquire,
        (Item::Won, _) => Step::Compute,
        (Item::Bare | Item::Lease, _) => Step::Wait,
        (Item::Dead, _) => Step::TakeOver,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        use {Age::*, Item::*, Marker::*};
        let rows = [
            (Entry(Fresh), Free, Step::Hit),
            (Entry(Fresh), Refreshing, Step::Hit),
            (Entry(Stale), Refreshing, Step::ServeStale),
            (Entry(Stale), Free, Step::Refresh(Lost::ServeStale)),
            (Entry(Past), Refreshing, Step::Wait),
            (Entry(Past), Free, Step::Refresh(Lost::Wait)),
            (Absent, Free, Step::Acquire),
            (Won, Free, Step::Compute),
            (Bare, Free, Step::Wait),
            (Lease, Free, Step::Wait),
            (Dead, Free, Step::TakeOver),
            (Dead, Refreshing, Step::TakeOver),
        ];
        for (item, marker, expected) in rows {
            assert_eq!(
                step(item, marker, Some(())),
                expected,
                "{item:?} {marker:?}"
            );
            assert_eq!(step(item, marker, None), Step::Mint, "{item:?} {marker:?}");
        }
    }
}
