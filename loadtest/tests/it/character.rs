//! What a test's server is like, and what is untrue about it.

use std::time::Duration;

/// What is untrue or broken about a server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Lie {
    None,
    /// Every request calls the origin, and repeated ones are called hits.
    MissesCalledHits,
    /// Repeated requests come from the store and are called misses.
    HitsCalledMisses,
    /// The first request of every tenth key is called a hit, and as many hits are called misses.
    EvenedOut,
    /// An entry is dropped after it has been served three times.
    ForgetsWhenBusy,
    FlushDoesNothing,
    FlushRefused,
    /// A hit gives the value of the key that was stored before.
    OtherKeysValue,
    /// A hit gives a value that the origin never computed.
    ChangedValue,
    /// The server's clock claims more time than has passed.
    SlowClock,
    /// Counters of origin calls stand still.
    StuckCounter,
    /// All is true, but no diagnostics tell so.
    NoDiagnostics,
    NoCacheStatus,
    /// All is true, but nobody learns how long an entry has to live.
    NoTtl,
    GarbledCacheStatus,
    /// Another cache speaks, not the one that is asked about.
    AnotherCache,
    /// The flush works once.
    FlushesOnce,
    /// After so many requests misses are called hits.
    LiesAfter(u64),
    /// After so many requests nobody can read Cache-Status.
    GarbledAfter(u64),
    /// After so many requests no diagnostics come.
    SilentAfter(u64),
    /// After so many requests each counter of origin calls begins again, under the same name.
    ForgetsCountAfter(u64),
    /// An entry is told to live for its time, and lives for ever.
    Immortal,
    /// While the cache is broken, requests fail.
    FailsWhenBroken,
    /// After so many requests no answer comes.
    HangsAfter(u64),
    /// After so many requests every answer is a 500.
    FailsAfter(u64),
    /// After so many requests the connection is closed without an answer.
    ResetsAfter(u64),
}

/// How a server is built.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Character {
    pub(crate) lie: Lie,
    /// How long the origin of `heavy-op` takes.
    pub(crate) origin: Duration,
    /// How long a hit takes.
    pub(crate) hit: Duration,
    /// Whether callers that meet share one origin call.
    pub(crate) collapses: bool,
    /// Whether callers get an expired entry while another refreshes it.
    pub(crate) serves_stale: bool,
    /// How many processes it pretends to be; requests go round.
    pub(crate) instances: usize,
    /// How long an entry lives.
    pub(crate) ttl: Duration,
    pub(crate) connections: Connections,
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Connections {
    Kept,
    Closed,
}

impl Default for Character {
    fn default() -> Self {
        Self {
            lie: Lie::None,
            origin: Duration::from_millis(5),
            hit: Duration::ZERO,
            collapses: true,
            serves_stale: false,
            instances: 3,
            ttl: Duration::from_secs(57),
            connections: Connections::Kept,
        }
    }
}
