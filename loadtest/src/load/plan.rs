//! What a phase will ask, before it asks. Owns the order, the users and the times that requests are due;
//! knows nothing of Goose or HTTP.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::request::RequestSpec;
use crate::load::profile::MAX_IN_FLIGHT;

/// The parts of a measurement.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// Each key for the first time.
    Cold,
    /// The same keys again.
    Warm,
    /// The same keys past the cache: what a call costs without one.
    Bypass,
    /// Many keys of unequal fame, at random times.
    Mixed,
    /// Everyone asks for one cold key at once.
    Stampede,
    /// Traffic while the cache is broken, and after it was mended.
    Faults,
    /// The first requests of functions that were just started.
    ColdFunction,
}

impl Phase {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Warm => "warm",
            Self::Bypass => "bypass",
            Self::Mixed => "mixed",
            Self::Stampede => "stampede",
            Self::Faults => "faults",
            Self::ColdFunction => "cold-function",
        }
    }
}

/// The requests of one phase.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) phase: Phase,
    /// Asked one after another: a segment begins when the one before has ended.
    pub(crate) segments: Vec<Segment>,
}

/// Requests that share a number of users.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// How many users ask, each waiting for its answer before it takes the next slot.
    pub(crate) users: usize,
    pub(crate) slots: Vec<Slot>,
}

/// One request to be made.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) spec: RequestSpec,
    /// Not before this, since the segment began; none in a closed phase.
    pub(crate) due: Option<Duration>,
}

impl Plan {
    /// How many users the phase needs.
    pub(crate) fn users(&self) -> usize {
        self.segments
            .iter()
            .map(|segment| segment.users)
            .max()
            .unwrap_or(1)
    }

    /// How many requests it will make.
    pub(crate) fn len(&self) -> usize {
        self.segments
            .iter()
            .map(|segment| segment.slots.len())
            .sum()
    }
}

impl Segment {
    /// Whether nothing in it waits for its time.
    pub(crate) fn is_closed(&self) -> bool {
        self.slots.iter().all(|slot| slot.due.is_none())
    }

    /// Requests with no schedule: each user asks again as soon as it has its answer.
    pub(crate) fn closed(users: usize, specs: impl IntoIterator<Item = RequestSpec>) -> Self {
        let slots = specs
            .into_iter()
            .map(|spec| Slot { spec, due: None })
            .collect();
        Self {
            users: users.min(MAX_IN_FLIGHT),
            slots,
        }
    }
}
