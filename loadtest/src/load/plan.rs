//! The plan of a phase: its requests, their order, their users and the times that they are due.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::request::RequestSpec;
use crate::load::profile::MAX_USERS;

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
    /// Rates that rise until a promise on response times is broken.
    Capacity,
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
            Self::Capacity => "capacity",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) phase: Phase,
    /// Run one after another: a segment begins when the one before it has ended.
    pub(crate) segments: Vec<Segment>,
    /// Users ask again from the first slot on, until the phase's time is over.
    pub(crate) endless: bool,
    /// How many users start a second.
    pub(crate) users_a_second: f64,
}

/// All users of a phase start at once.
pub(crate) const AT_ONCE: f64 = 10_000.0;

/// Requests of one loop.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// Users; each waits for its answer before it takes the next slot. One in an open loop, which
    /// waits for no answer.
    pub(crate) users: usize,
    /// Connections that are opened before the first slot is due; more are opened on demand.
    pub(crate) connections: usize,
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
    /// Segments that run one after another, each with users that all start at once.
    pub(crate) fn closed(phase: Phase, segments: Vec<Segment>) -> Self {
        Self {
            phase,
            segments,
            endless: false,
            users_a_second: AT_ONCE,
        }
    }

    /// A closed loop without an end: each user asks again as soon as it has its answer, until the
    /// phase's time is over.
    pub(crate) fn endless(
        phase: Phase,
        (users, users_a_second): (usize, f64),
        specs: impl IntoIterator<Item = RequestSpec>,
    ) -> Self {
        let slots = specs.into_iter().map(|spec| Slot { spec, due: None });
        let segment = Segment {
            users,
            connections: 0,
            slots: slots.collect(),
        };
        Self {
            phase,
            segments: vec![segment],
            endless: true,
            users_a_second,
        }
    }

    /// An open loop: each slot is sent when it is due, however many have no answer yet.
    pub(crate) fn open(phase: Phase, slots: Vec<Slot>) -> Self {
        let (users, connections) = (1, 0);
        let segments = vec![Segment {
            users,
            connections,
            slots,
        }];
        Self::closed(phase, segments)
    }

    /// The same with `connections` that are open before the first slot is due, so that no caller
    /// arrives later than the others because it had to connect.
    pub(crate) fn open_connected(phase: Phase, connections: usize, slots: Vec<Slot>) -> Self {
        let mut plan = Self::open(phase, slots);
        plan.segments[0].connections = connections;
        plan
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
        let users = users.min(MAX_USERS);
        let slots = specs.into_iter().map(|spec| Slot { spec, due: None });
        Self {
            users,
            connections: 0,
            slots: slots.collect(),
        }
    }
}
