//! The keys of a lookup of several addresses, and what the server showed under each.

use bytes::Bytes;

use super::super::{Ask, Found, Item, Looked};
use crate::key::Address;

/// The keys of a lookup of several addresses, in the order in which they must be read: the items first and the generations last.
/// Each is asked for once.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) keys: Vec<&'a str>,
    /// The places of each address's marker, namespace and function among the keys; its item's is its own.
    others: Vec<(Option<usize>, usize, usize)>,
}

/// What stood under a key, as one protocol or the other shows it.
pub(super) trait Shown {
    fn found(self) -> Found;
    fn item(&self) -> Item;
}

impl Shown for (Bytes, u64) {
    fn found(self) -> Found {
        Found::Item(self.item())
    }

    fn item(&self) -> Item {
        let (bytes, number) = self.clone();
        Item {
            bytes,
            number: Some(number),
        }
    }
}

impl<'a> Asked<'a> {
    pub(super) fn new(ats: &'a [Address], ask: Ask) -> Self {
        let mut keys: Vec<&str> = ats.iter().map(|at| at.item()).collect();
        if ask.marker {
            keys.extend(ats.iter().map(|at| at.marker()));
        }
        // Of the few generations most are the last ones again: compared faster than hashed.
        let items = keys.len();
        let mut generation = |key| {
            let known = keys[items..].iter().rposition(|known| *known == key);
            known.map_or_else(
                || {
                    keys.push(key);
                    keys.len() - 1
                },
                |known| items + known,
            )
        };
        let others = ats.iter().enumerate().map(|(place, at)| {
            let marker = ask.marker.then_some(ats.len() + place);
            (
                marker,
                generation(at.namespace()),
                generation(at.function()),
            )
        });
        let others = others.collect();
        Self { keys, others }
    }

    /// How many of the keys are items'.
    pub(super) fn items(&self) -> usize {
        self.others.len()
    }

    /// `shown` has what stood under each key.
    pub(super) fn looked<S: Shown>(&self, mut shown: Vec<Option<S>>) -> Vec<Looked> {
        let rest = shown.split_off(self.items());
        let other = |place: usize| rest[place - self.items()].as_ref().map(Shown::item);
        let looked = shown.into_iter().zip(&self.others);
        looked
            .map(|(item, (marker, namespace, function))| Looked {
                item: item.map_or(Found::Absent, Shown::found),
                marker: marker.and_then(other),
                namespace: other(*namespace),
                function: other(*function),
            })
            .collect()
    }
}
