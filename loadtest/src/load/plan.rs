//! The plan of a phase: its requests, their order, their users and the times that they are due.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::request::RequestSpec;
use crate::load::profile::MAX_IN_FLIGHT;

/// The parts of a measurement.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// Each key for the first time.
    #[default]
    Cold,
    /// The same keys again.
    Warm,
    /// The same keys with the cache bypassed: what a call costs without one.
    Bypass,
    /// Many keys of unequal popularity, at random times.
    Mixed,
    /// All users ask for one key at once.
    Stampede,
    /// Traffic before, while and after the cache is broken.
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

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) phase: Phase,
    /// Run one after another: a segment begins when the one before it has ended.
    pub(crate) segments: Vec<Segment>,
}

/// Requests that share a number of users.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Users; each waits for its answer before it takes the next slot.
    pub(crate) users: usize,
    pub(crate) slots: Vec<Slot>,
}

/// One planned request.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) spec: RequestSpec,
    /// When it is due, since the segment began; `None` in a closed loop.
    pub(crate) due: Option<Duration>,
}

impl Slot {
    /// A request that is due so long after its segment began.
    pub(crate) fn due(spec: RequestSpec, due: Duration) -> Self {
        let due = Some(due);
        Self { spec, due }
    }
}

impl Plan {
    /// An open loop: each slot is sent when it is due, if one of `users` is free.
    pub(crate) fn open(phase: Phase, users: usize, slots: Vec<Slot>) -> Self {
        let segments = vec![Segment { users, slots }];
        Self { phase, segments }
    }

    pub(crate) fn users(&self) -> usize {
        let users = self.segments.iter().map(|segment| segment.users);
        users.max().unwrap_or(1)
    }

    pub(crate) fn len(&self) -> usize {
        let segments = self.segments.iter();
        segments.map(|segment| segment.slots.len()).sum()
    }
}

impl Segment {
    /// Whether none of its requests is scheduled.
    pub(crate) fn is_closed(&self) -> bool {
        self.slots.iter().all(|slot| slot.due.is_none())
    }

    /// A closed loop: each user asks again as soon as it has its answer.
    pub(crate) fn closed(users: usize, specs: impl IntoIterator<Item = RequestSpec>) -> Self {
        let users = users.min(MAX_IN_FLIGHT);
        let slots = specs.into_iter().map(|spec| Slot { spec, due: None });
        let slots = slots.collect();
        Self { users, slots }
    }
}
