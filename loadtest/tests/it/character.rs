//! The properties of a test server, and the lie that it tells.

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
    /// The flush clears only the users.
    FlushesUsersOnly,
    /// One request in two hundred is answered with 429.
    LimitsNowAndThen,
    FlushRefused,
    /// A hit gives the value of the key that was stored before.
    OtherKeysValue,
    /// A hit gives a value that the origin never computed.
    ChangedValue,
    /// The server's clock claims more time than has passed.
    SlowClock,
    /// A stored value also answers those who want no cache, and there are no diagnostics.
    BypassFromTheCache,
    /// The counters of origin calls never change.
    StuckCounter,
    /// Everything is true, but there are no diagnostics.
    NoDiagnostics,
    NoCacheStatus,
    /// Every request needs a token, a path has moved, and the cache is emptied by PURGE only, which
    /// is answered with 204.
    Guarded,
    /// Answers are compressed, whatever was asked for.
    Compressed,
    /// There is no cache at all, and answers say nothing of one.
    NoCache,
    /// Everything is true, but answers name no lifetime.
    NoTtl,
    GarbledCacheStatus,
    /// Only another cache is named in Cache-Status.
    AnotherCache,
    /// The flush works once.
    FlushesOnce,
    /// After so many requests misses are called hits.
    LiesAfter(u64),
    /// After so many requests Cache-Status is unreadable.
    GarbledAfter(u64),
    /// After so many requests there are no diagnostics.
    SilentAfter(u64),
    /// After so many requests each counter of origin calls restarts under the same name.
    ForgetsCountAfter(u64),
    /// An entry names a lifetime, and lives for ever.
    Immortal,
    /// While the cache is broken, requests fail.
    FailsWhenBroken,
    /// While the cache is broken, requests have no answer; they have it once it is repaired.
    StallsWhenBroken,
    /// After so many requests no answer comes.
    HangsAfter(u64),
    /// After so many requests every answer is a 500.
    FailsAfter(u64),
    /// After so many requests the connection is closed without an answer.
    ResetsAfter(u64),
}

/// The properties of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Character {
    pub(crate) lie: Lie,
    /// How long the origin of `heavy-op` takes.
    pub(crate) origin: Duration,
    /// How much longer it takes on its first call for a key.
    pub(crate) first_touch: Duration,
    /// Whether all its calls share one core: only one of them is computed at a time.
    pub(crate) one_core: bool,
    /// How long a hit takes.
    pub(crate) hit: Duration,
    /// Whether concurrent callers of a key share one origin call.
    pub(crate) collapses: bool,
    /// Whether callers get an expired entry while another refreshes it.
    pub(crate) serves_stale: bool,
    /// How many processes it pretends to be; they answer in turn.
    pub(crate) instances: usize,
    /// How long an entry lives.
    pub(crate) ttl: Duration,
    pub(crate) connections: Connections,
    /// How many connections may wait until they are accepted; more are not answered.
    pub(crate) backlog: u32,
}

/// What happens to a connection after an answer.
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
            first_touch: Duration::ZERO,
            one_core: false,
            hit: Duration::ZERO,
            collapses: true,
            serves_stale: false,
            instances: 3,
            ttl: Duration::from_secs(57),
            connections: Connections::Kept,
            backlog: 1024,
        }
    }
}
