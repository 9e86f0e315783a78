//! How much is measured: the three profiles and their sizes. Owns the numbers and why they are so; knows nothing of targets.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// More requests than this in flight at one target are never made: the local emulator stops for good past about 100.
pub(crate) const MAX_IN_FLIGHT: usize = 64;

/// A named amount of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ProfileName {
    /// A demonstration and a gate for CI: at most 60 s.
    Quick,
    /// About four minutes: ten rounds, which see a change of ten per cent.
    Standard,
    /// About 19 minutes, never more than 30, for drifts.
    Soak,
}

/// The sizes of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Profile {
    /// Paired rounds of flush, cold and warm. Intervals come from rounds: five give them for a gate, ten see 10 %.
    pub(crate) rounds: usize,
    /// Keys a round and function. 5 × 75 = 375 distinct cold keys: the fewest for a p99 with an interval are 368.
    pub(crate) keys: usize,
    /// Warm requests a key.
    pub(crate) repeats: usize,
    /// How long the mixed phase lasts; zero leaves it out.
    pub(crate) mixed: Duration,
    /// Requests a second in the mixed phase.
    pub(crate) rate: f64,
    /// How unequal the keys of the mixed phase are; production caches lie between 0.6 and 1.5.
    pub(crate) zipf: f64,
    /// Bursts of the stampede on cold keys; none leaves it out.
    pub(crate) bursts: usize,
    /// The whole run ends within this, whatever the target does.
    pub(crate) budget: Duration,
    /// Limit of any one request.
    pub(crate) timeout: Duration,
    /// Fixed by default, so that the same command asks the same.
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
