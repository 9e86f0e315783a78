//! The keys of a lookup of several items, and the server's answer for each.

use super::super::{Item, ItemState, LookupOptions, LookupReply};
use crate::key::CacheKeys;

/// The keys of a lookup of several items, in the order in which they must be read: the records that
/// bound near copies first, then the items, and the generations last. Each key is requested once.
#[derive(Debug)]
pub(super) struct LookupKeys<'a> {
    pub(super) keys: Vec<&'a str>,
    /// The place of the first item.
    first: usize,
    /// How many items and markers there are.
    items: usize,
    /// For each item the places of the other keys.
    others: Vec<Others>,
}

#[derive(Debug)]
struct Others {
    marker: Option<usize>,
    namespace: usize,
    function: usize,
    near: Option<[usize; 2]>,
}

/// What is under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Item,
    Marker,
    /// A generation, or what bounds near copies.
    Record,
}

/// The item under a key, as either protocol returns it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) item: Item,
    /// As in [`LookupReply`].
    pub(super) seconds_left: Option<u32>,
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
        let mut keys: Vec<&str> = Vec::with_capacity(all_keys.len() + 4);
        let near: Vec<_> = match options.near {
            true => all_keys
                .iter()
                .map(|one| Some(one.near().map(|scope| once(&mut keys, 0, scope.key()))))
                .collect(),
            false => Vec::new(),
        };
        let first = keys.len();
        keys.extend(all_keys.iter().map(|keys| keys.item()));
        if options.marker {
            keys.extend(all_keys.iter().map(|keys| keys.marker()));
        }
        let items = keys.len();
        let others = all_keys.iter().enumerate().map(|(place, one)| Others {
            marker: options.marker.then_some(first + all_keys.len() + place),
            namespace: once(&mut keys, items, one.namespace()),
            function: once(&mut keys, items, one.function()),
            near: near.get(place).copied().flatten(),
        });
        let others = others.collect();
        Self {
            keys,
            first,
            items: items - first,
            others,
        }
    }

    /// What is under the key at `place`.
    pub(super) fn kind(&self, place: usize) -> Kind {
        match place.checked_sub(self.first) {
            Some(place) if place < self.others.len() => Kind::Item,
            Some(place) if place < self.items => Kind::Marker,
            _ => Kind::Record,
        }
    }

    /// `found` has the item under each key.
    pub(super) fn reply(&self, mut found: Vec<Option<Found>>) -> Vec<LookupReply> {
        let mut replies = Vec::with_capacity(self.others.len());
        for (place, others) in self.others.iter().enumerate() {
            let item = found[self.first + place].take();
            let other = |place: usize| Some(found[place].as_ref()?.item.clone());
            let record = |place: usize| Some(found[place].as_ref()?.item.bytes.clone());
            replies.push(LookupReply {
                seconds_left: item.as_ref().and_then(|item| item.seconds_left),
                item: item.map_or(ItemState::Absent, Found::state),
                marker: others.marker.and_then(other),
                namespace: other(others.namespace),
                function: other(others.function),
                near: others.near.map(|both| Box::new(both.map(record))),
            });
        }
        replies
    }
}

/// The place of `key` behind the first `before`, where it is added unless it is there. There are
/// few such keys, and most are the last ones again: comparing is faster than hashing.
fn once<'a>(keys: &mut Vec<&'a str>, before: usize, key: &'a str) -> usize {
    match keys[before..].iter().rposition(|known| *known == key) {
        Some(known) => before + known,
        None => {
            keys.push(key);
            keys.len() - 1
        }
    }
}
