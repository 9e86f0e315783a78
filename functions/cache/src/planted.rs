//! Faults for tests of the tests: each breaks one rule of near copies, or of tags. A program has
//! none of them.

#[cfg(any(test, feature = "fuzzing"))]
use std::sync::atomic::{AtomicU32, Ordering};

/// One rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub))]
pub enum Fault {
    /// A copy's time counts from the receipt of the answer, not from its lookup's sending.
    CountedFromReceipt,
    /// A copy looks at the monotonic clock only.
    MonotonicOnly,
    /// A copy looks at the wall clock only.
    WallOnly,
    /// A copy outlives its entry.
    OutlivesTtl,
    /// Copies are made without a record that allows them.
    WithoutPermission,
    /// One record that allows a copy is enough.
    OneRecordAllows,
    /// A verb does not wait.
    NoWait,
    /// A verb waits without a margin for clocks.
    NoMargin,
    /// A verb waits for its own policy's time: for nothing.
    WaitsItsOwn,
    /// A lost record means that there are no copies.
    LostIsNone,
    /// An unsettled record is believed.
    UnsettledIsBelieved,
    /// A new record is settled at once.
    BornSettled,
    /// A record is settled by a process that has known another one.
    SettlesAnother,
    /// The namespace's record is settled after what a function's record takes.
    SettledByAName,
    /// A process without near copies ignores records.
    OffIgnores,
    /// A verb keeps the copies of its own process.
    KeepsItsOwn,
    /// A verb drops them when it is sent, not when it is answered.
    DropsAtSending,
    /// A lookup from before a verb of this process makes a copy after it.
    IgnoresEpoch,
    /// A flush waits for what the first server's records say.
    FirstServerOnly,
    /// A change of the list of servers leaves the copies alone.
    KeepsAcrossLists,
    /// The generations of tags are read, and are no part of the stamp.
    TagsNotCompared,
    /// A fill carries the generations of the moment when it is written.
    #[cfg(test)]
    StampedAtFill,
    /// A lease counts as one of the present generations.
    LeaseWithoutStamp,
}

impl Fault {
    /// Each of those of near copies.
    #[cfg(any(test, feature = "fuzzing"))]
    pub const NEAR: [Self; 20] = [
        Self::CountedFromReceipt,
        Self::MonotonicOnly,
        Self::WallOnly,
        Self::OutlivesTtl,
        Self::WithoutPermission,
        Self::OneRecordAllows,
        Self::NoWait,
        Self::NoMargin,
        Self::WaitsItsOwn,
        Self::LostIsNone,
        Self::UnsettledIsBelieved,
        Self::BornSettled,
        Self::SettlesAnother,
        Self::SettledByAName,
        Self::OffIgnores,
        Self::KeepsItsOwn,
        Self::DropsAtSending,
        Self::IgnoresEpoch,
        Self::FirstServerOnly,
        Self::KeepsAcrossLists,
    ];
}

/// The faults that a cache has.
#[derive(Debug, Default)]
pub(crate) struct Planted(#[cfg(any(test, feature = "fuzzing"))] AtomicU32);

impl Planted {
    #[cfg(not(any(test, feature = "fuzzing")))]
    #[inline(always)]
    pub(crate) const fn has(&self, _: Fault) -> bool {
        false
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.0.load(Ordering::Relaxed) & 1 << fault as u32 != 0
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn plant(&self, fault: Fault) {
        self.0.fetch_or(1 << fault as u32, Ordering::Relaxed);
    }
}
