//! The keys of a lookup of several items, and the server's answer for each.

use bytes::Bytes;

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
pub(super) trait IntoItem {
    fn found(self) -> ItemState;
    fn item(&self) -> Item;
}

impl IntoItem for (Bytes, u64) {
    fn found(self) -> ItemState {
        ItemState::Item(self.item())
    }

    fn item(&self) -> Item {
        let (bytes, cas) = self.clone();
        Item {
            bytes,
            cas: Some(cas),
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

    /// `values` has the item under each key.
    pub(super) fn reply<S: IntoItem>(&self, mut values: Vec<Option<S>>) -> Vec<LookupReply> {
        let rest = values.split_off(self.items());
        let other = |place: usize| rest[place - self.items()].as_ref().map(IntoItem::item);
        let reply = values.into_iter().zip(&self.others);
        reply
            .map(|(item, (marker, namespace, function))| LookupReply {
                item: item.map_or(ItemState::Absent, IntoItem::found),
                marker: marker.and_then(other),
                namespace: other(*namespace),
                function: other(*function),
            })
            .collect()
    }
}
