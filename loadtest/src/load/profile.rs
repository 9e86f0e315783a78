//! How much is measured: the three profiles, and the reasons for their sizes.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::load::slo::Slo;

/// The most users of a closed loop.
pub(crate) const MAX_USERS: usize = 64;

/// The most requests in flight in an open loop, unless the user allows more: a target that answers
/// nothing for three seconds at 200 requests a second stays below it.
pub(crate) const MAX_IN_FLIGHT: usize = 800;

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
    /// Users of the mixed phase, each of whom asks again as soon as it has its answer, instead of a
    /// rate.
    #[serde(default)]
    pub(crate) users: Option<usize>,
    /// How many of them start a second.
    #[serde(default)]
    pub(crate) users_a_second: f64,
    /// Zipf exponent of the mixed phase; production caches lie between 0.6 and 1.5.
    pub(crate) zipf: f64,
    /// Bursts of the stampede on cold keys; zero leaves it out.
    pub(crate) bursts: usize,
    /// The most requests in flight in an open loop. One that is due beyond it is not sent, and the
    /// run is not valid: it is a safety cap, not a number of users.
    #[serde(default)]
    pub(crate) max_in_flight: usize,
    /// The promise whose capacity is measured.
    #[serde(default)]
    pub(crate) slo: Option<Slo>,
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
            users: None,
            users_a_second: 1.0,
            zipf: 0.99,
            bursts,
            max_in_flight: MAX_IN_FLIGHT,
            slo: None,
            budget,
            timeout,
            seed: 42,
        }
    }
}
