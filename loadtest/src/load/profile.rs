//! How much is measured: the three profiles, and the reasons for their sizes.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most requests in flight at one target: the local emulator hangs for good past about 100.
pub(crate) const MAX_IN_FLIGHT: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ProfileName {
    /// A demonstration and a CI gate: at most 60 s.
    Quick,
    /// About four minutes: ten rounds, which detect a change of 10 %.
    Standard,
    /// About 19 minutes, never more than 30, to find drifts.
    Soak,
}

/// The sizes of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Profile {
    /// Paired rounds of flush, cold and warm. Intervals come from rounds: five are enough for a
    /// gate, ten detect a change of 10 %.
    pub(crate) rounds: usize,
    /// Keys per round and function. 5 × 75 = 375 distinct cold keys; a p99 with an interval needs
    /// 368.
    pub(crate) keys: usize,
    /// Warm requests per key.
    pub(crate) repeats: usize,
    /// How long the mixed phase lasts; zero leaves it out.
    pub(crate) mixed: Duration,
    /// Requests per second in the mixed phase.
    pub(crate) rate: f64,
    /// Zipf exponent of the mixed phase; production caches lie between 0.6 and 1.5.
    pub(crate) zipf: f64,
    /// Bursts of the stampede on cold keys; zero leaves it out.
    pub(crate) bursts: usize,
    /// The whole run ends within this time, even if the target hangs.
    pub(crate) budget: Duration,
    /// Timeout of each request.
    pub(crate) timeout: Duration,
    /// Fixed by default, so that the same command sends the same requests.
    pub(crate) seed: u64,
}

impl Profile {
    /// The sizes behind a name.
    pub(crate) fn named(name: ProfileName) -> Self {
        let (rounds, keys, repeats, budget, mixed, bursts) = match name {
            ProfileName::Quick => (5, 75, 8, 55, 8, 3),
            ProfileName::Standard => (10, 75, 20, 240, 60, 10),
            ProfileName::Soak => (30, 100, 40, 1800, 900, 30),
        };
        let (budget, mixed) = (Duration::from_secs(budget), Duration::from_secs(mixed));
        let timeout = Duration::from_secs(10);
        Self {
            rounds,
            keys,
            repeats,
            mixed,
            rate: 100.0,
            zipf: 0.99,
            bursts,
            budget,
            timeout,
            seed: 42,
        }
    }
}
