//! The keys of a lookup of several items, and the server's answer for each.

use super::super::{Item, ItemState, LookupOptions, LookupReply};
use crate::key::CacheKeys;

/// The keys of a lookup of several items, in the order in which they must be read: the items first
/// and the generations last. Each key is requested once.
#[derive(Debug)]
pub(super) struct LookupKeys<'a> {
    pub(super) keys: Vec<&'a str>,
    /// For each item the positions of its marker, namespace and function among the keys; the item
    /// itself has its own position.
    others: Vec<(Option<usize>, usize, usize)>,
}

/// The item under a key, as either protocol returns it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) item: Item,
    /// The lookup itself has left it there.
    pub(super) won: bool,
}

impl Found {
    pub(super) fn state(self) -> ItemState {
        match self.item.cas {
            Some(cas) if self.won && self.item.bytes.is_empty() => ItemState::Won(cas),
            _ => ItemState::Item(self.item),
        }
    }
}

impl<'a> LookupKeys<'a> {
    pub(super) fn new(all_keys: &'a [CacheKeys], options: LookupOptions) -> Self {
        let mut keys: Vec<&str> = all_keys.iter().map(|keys| keys.item()).collect();
        if options.marker {
            keys.extend(all_keys.iter().map(|keys| keys.marker()));
        }
        // There are few generations, and most are the last ones again: comparing is faster than
        // hashing.
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
        let others = all_keys.iter().enumerate().map(|(place, keys)| {
            let marker = options.marker.then_some(all_keys.len() + place);
            (
                marker,
                generation(keys.namespace()),
                generation(keys.function()),
            )
        });
        let others = others.collect();
        Self { keys, others }
    }

    /// How many of the keys are those of items.
    pub(super) fn items(&self) -> usize {
        self.others.len()
    }

    /// `found` has the item under each key.
    pub(super) fn reply(&self, mut found: Vec<Option<Found>>) -> Vec<LookupReply> {
        let rest = found.split_off(self.items());
        let other = |place: usize| Some(rest[place - self.items()].as_ref()?.item.clone());
        let items = found.into_iter().zip(&self.others);
        items
            .map(|(item, (marker, namespace, function))| LookupReply {
                item: item.map_or(ItemState::Absent, Found::state),
                marker: marker.and_then(other),
                namespace: other(*namespace),
                function: other(*function),
            })
            .collect()
    }
}
