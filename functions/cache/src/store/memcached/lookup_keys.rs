//! The keys of a lookup of several addresses, and what the server showed under each.

use bytes::Bytes;

use super::super::{Item, ItemState, LookupOptions, LookupReply};
use crate::key::CacheKeys;

/// The keys of a lookup of several addresses, in the order in which they must be read: the items first and the generations last.
/// Each is asked for once.
#[derive(Debug)]
pub(super) struct LookupKeys<'a> {
    pub(super) keys: Vec<&'a str>,
    /// The places of each address's marker, namespace and function among the keys; its item's is its own.
    others: Vec<(Option<usize>, usize, usize)>,
}

/// What stood under a key, as one protocol or the other shows it.
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

    /// How many of the keys are items'.
    pub(super) fn items(&self) -> usize {
        self.others.len()
    }

    /// `values` has what stood under each key.
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
