//! What the records of a server say: whether a copy may be made, and for how long a verb waits.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use super::{Fault, Near};
use crate::{
    entry::{NearRecord, Trust},
    key::{CacheKeys, Scope, ScopeKeys},
    policy::NEAR_LONGEST,
};

/// A record as an answer shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Absent,
    /// Of a later release, or not a record: as good as an unsettled one.
    Unreadable,
    Record(NearRecord),
}

impl Shown {
    pub(crate) fn read(item: Option<&Bytes>, scope: &Scope) -> Self {
        match item.map(|bytes| NearRecord::read(bytes, scope)) {
            None => Self::Absent,
            Some(Ok(record)) => Self::Record(record),
            Some(Err(_)) => Self::Unreadable,
        }
    }

    fn allows(self, near: Duration) -> bool {
        matches!(self, Self::Record(record) if record.near >= near)
    }

    fn is_settled(self) -> bool {
        matches!(self, Self::Record(record) if record.trust == Trust::Settled)
    }
}

/// What one server's answer has shown of the records of some scopes, the namespace's first.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) server: String,
    pub(crate) shown: Vec<(Arc<ScopeKeys>, Shown)>,
    pub(crate) received: Instant,
}

impl Answer {
    pub(crate) fn new<'a>(
        server: String,
        scopes: impl IntoIterator<Item = &'a Arc<ScopeKeys>>,
        items: &[Option<Bytes>],
        received: Instant,
    ) -> Self {
        let scopes = scopes.into_iter().enumerate();
        let shown = scopes.map(|(place, scope)| {
            let item = items.get(place).and_then(Option::as_ref);
            (scope.clone(), Shown::read(item, &scope.near))
        });
        Self {
            server,
            shown: shown.collect(),
            received,
        }
    }
}

/// What a lookup's records say about a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Permission {
    /// A copy may be made.
    pub(crate) granted: bool,
    /// A record is to be added, raised or settled.
    pub(crate) incomplete: bool,
}

impl Near {
    /// What `items`, the records of the namespace and of the function, say about a copy.
    pub(crate) fn permission(
        &self,
        keys: &CacheKeys,
        items: &[Option<Bytes>],
        near: Duration,
    ) -> Permission {
        let mut shown = [Shown::Absent; 2];
        for ((shown, scope), item) in shown.iter_mut().zip(keys.near()).zip(items) {
            *shown = Shown::read(item.as_ref(), scope);
        }
        let granted = match shown {
            _ if self.planted.has(Fault::WithoutPermission) => true,
            [_, function] if self.planted.has(Fault::OneRecordAllows) => function.allows(near),
            both => both.into_iter().all(|shown| shown.allows(near)),
        };
        let complete = |shown: Shown| shown.allows(near) && shown.is_settled();
        Permission {
            granted,
            incomplete: !shown.into_iter().all(complete),
        }
    }

    /// The longest that a copy may live that was made before the answer's effect.
    pub(crate) fn bound(&self, answer: &Answer) -> Duration {
        let all = || answer.shown.iter().map(|(_, shown)| *shown);
        let none = all().all(|shown| shown == Shown::Absent);
        if self.planted.has(Fault::WaitsItsOwn)
            || none && self.planted.has(Fault::LostIsNone)
            || !self.is_on() && self.planted.has(Fault::OffIgnores)
        {
            return Duration::ZERO;
        }
        let believed = all().filter_map(|shown| match shown {
            Shown::Record(record)
                if record.trust == Trust::Settled
                    || self.planted.has(Fault::UnsettledIsBelieved) =>
            {
                Some(record.near)
            }
            _ => None,
        });
        match believed.min() {
            Some(near) => near,
            // A namespace that never had copies, or one whose record is gone: only the setting
            // tells which.
            None if none && !self.is_on() => Duration::ZERO,
            None => NEAR_LONGEST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Key, Namespace};

    #[test]
    fn a_verb_waits_for_the_least_of_what_is_settled_and_else_for_the_longest() {
        use Trust::{Settled, Unsettled};
        let namespace = Namespace::new("larder").unwrap();
        let keys = CacheKeys::new(&namespace, &Key::new("user", &(7,)).unwrap());
        let record = |(millis, trust)| NearRecord {
            lineage: 1,
            near: Duration::from_millis(millis),
            trust,
        };
        let (on, off) = (Near::on(1 << 20), Near::default());
        for (namespace, function, expected) in [
            (None, None, (2000, 0)),
            (Some((500, Settled)), None, (500, 500)),
            (Some((500, Settled)), Some((50, Settled)), (50, 50)),
            (Some((500, Settled)), Some((50, Unsettled)), (500, 500)),
            (Some((50, Unsettled)), Some((500, Settled)), (500, 500)),
            (Some((50, Unsettled)), Some((50, Unsettled)), (2000, 2000)),
            (None, Some((50, Unsettled)), (2000, 2000)),
            (Some((0, Settled)), Some((0, Unsettled)), (0, 0)),
        ] {
            let both = [namespace, function];
            let scopes = keys.near();
            let items = [0, 1]
                .map(|place| both[place].map(|one| Bytes::from(record(one).write(scopes[place]))));
            let answer = Answer::new("a".to_owned(), keys.both(), &items, Instant::now());
            let told = [&on, &off].map(|near| near.bound(&answer).as_millis());
            assert_eq!(told, [expected.0, expected.1], "{both:?}");
        }
        let odd = [Some(Bytes::from_static(b"another")), None];
        let answer = Answer::new("a".to_owned(), keys.both(), &odd, Instant::now());
        assert_eq!(
            [&on, &off].map(|near| near.bound(&answer)),
            [NEAR_LONGEST; 2]
        );
        let near = |millis| on.wait(Duration::from_millis(millis)).as_millis();
        assert_eq!(
            (near(0), near(50), near(500), near(2000)),
            (0, 162, 725, 2600)
        );
    }
}
