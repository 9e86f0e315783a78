//! The copies of one process, in shards.
//!
//! Each shard has a lock, a part of the bytes, and an *epoch*, which every verb of this process
//! raises. A lookup notes the epoch before it is sent and makes a copy only if it is still the
//! same: so none brings back what a verb has removed. Epochs are per shard, not per key: nothing is
//! remembered of keys that are absent.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Fault, Moment, Planted, Stored};
use crate::{clock::Millis, key::Tags};

const SHARDS: usize = 64;
/// No copy is made of a larger payload.
pub(crate) const LARGEST: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Copies {
    shards: Box<[Mutex<Shard>]>,
    /// The most bytes of one shard.
    most: usize,
}

#[derive(Debug, Default)]
struct Shard {
    epoch: u64,
    bytes: usize,
    copies: HashMap<Digest, Copy, BuildHasherDefault<Spread>>,
}

/// A value, and all that decides whether it may be served.
#[derive(Debug)]
pub(crate) struct Copy {
    /// When its lookup was sent.
    pub(crate) since: Moment,
    /// For how long it may be served.
    pub(crate) near: Duration,
    /// Which list of servers was in force.
    pub(crate) list: u64,
    /// The id of its entry.
    pub(crate) entry: u64,
    pub(crate) version: u32,
    /// Those of the call that looked it up: one with other tags may not be served it.
    pub(crate) tags: Tags,
    /// The function whose key it was looked up with.
    pub(crate) owner: Option<&'static str>,
    pub(crate) created: Millis,
    pub(crate) fresh_until: Millis,
    /// How long the origin call took, in microseconds.
    pub(crate) cost: u32,
    /// Key and payload as they are on the server.
    pub(crate) bytes: usize,
    pub(crate) value: Stored,
}

/// What a lookup notes before it is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted {
    pub(crate) moment: Moment,
    pub(crate) list: u64,
    epoch: u64,
}

/// A call that may be answered by a copy.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) digest: &'a [u8; 32],
    pub(crate) tags: &'a Tags,
    pub(crate) owner: Option<&'static str>,
    pub(crate) version: u32,
    pub(crate) near: Duration,
    pub(crate) list: u64,
    pub(crate) now: Moment,
}

/// What a copy answers with.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) value: Stored,
    pub(crate) created: Millis,
    pub(crate) fresh_until: Millis,
    pub(crate) cost: u32,
}

impl Copies {
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            most: bytes / SHARDS,
        }
    }

    /// The copy of a key, if it may answer this call.
    pub(crate) fn get(&self, asked: &Asked<'_>, planted: &Planted) -> Option<Held> {
        let shard = self.shard(asked.digest);
        let copy = shard.copies.get(&Digest(*asked.digest))?;
        let same_function = asked.owner.is_none() || copy.owner == asked.owner;
        let same_list = copy.list == asked.list || planted.has(Fault::KeepsAcrossLists);
        (same_function
            && same_list
            && copy.version == asked.version
            && copy.tags == *asked.tags
            && copy.is_alive(&asked.now, asked.near, planted))
        .then(|| Held {
            value: copy.value.clone(),
            created: copy.created,
            fresh_until: copy.fresh_until,
            cost: copy.cost,
        })
    }

    /// To be called before a lookup of the key is sent, and before its server is chosen.
    pub(crate) fn note(&self, digest: &[u8; 32], moment: Moment, list: u64) -> Noted {
        let epoch = self.shard(digest).epoch;
        Noted {
            moment,
            list,
            epoch,
        }
    }

    /// Keeps `copy`, unless a verb of this process came in between, or a later lookup's copy is
    /// there.
    pub(crate) fn insert(
        &self,
        digest: &[u8; 32],
        noted: &Noted,
        copy: Copy,
        now: &Moment,
        planted: &Planted,
    ) {
        if copy.bytes > self.most {
            return;
        }
        let mut shard = self.shard(digest);
        if shard.epoch != noted.epoch && !planted.has(Fault::IgnoresEpoch) {
            return;
        }
        let digest = Digest(*digest);
        let later = |there: &Copy| there.since.monotonic > copy.since.monotonic;
        if shard.copies.get(&digest).is_some_and(later) {
            return;
        }
        // Dropped without the lock, here and below: what a value's own drop does is not known.
        let mut removed: Vec<_> = shard.remove(&digest).into_iter().collect();
        if shard.bytes + copy.bytes > self.most {
            shard.make_room(self.most, copy.bytes, now, planted, &mut removed);
        }
        shard.bytes += copy.bytes;
        shard.copies.insert(digest, copy);
        drop(shard);
        drop(removed);
    }

    /// A lookup has shown this entry, or none: a copy of another one is of no use any more.
    pub(crate) fn seen(&self, digest: &[u8; 32], entry: Option<u64>) {
        let mut shard = self.shard(digest);
        let digest = Digest(*digest);
        let differs = |copy: &Copy| Some(copy.entry) != entry;
        if shard.copies.get(&digest).is_some_and(differs) {
            shard.epoch += 1;
            let removed = shard.remove(&digest);
            drop(shard);
            drop(removed);
        }
    }

    /// Drops the copy of a key; no lookup that was sent before makes one.
    pub(crate) fn forget(&self, digest: &[u8; 32]) {
        let mut shard = self.shard(digest);
        shard.epoch += 1;
        let removed = shard.remove(&Digest(*digest));
        drop(shard);
        drop(removed);
    }

    /// The same for all keys.
    pub(crate) fn forget_all(&self) {
        for shard in &self.shards {
            let mut shard = locked(shard);
            shard.epoch += 1;
            shard.bytes = 0;
            let copies = std::mem::take(&mut shard.copies);
            drop(shard);
            drop(copies);
        }
    }

    fn shard(&self, digest: &[u8; 32]) -> MutexGuard<'_, Shard> {
        // Not the bytes that a shard hashes by.
        locked(&self.shards[usize::from(digest[31]) % SHARDS])
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| locked(shard).bytes).sum()
    }
}

impl Copy {
    fn is_alive(&self, now: &Moment, near: Duration, planted: &Planted) -> bool {
        let fresh =
            planted.has(Fault::OutlivesTtl) || now.wall < Duration::from_millis(self.fresh_until);
        fresh
            && now
                .since(&self.since, planted)
                .is_some_and(|passed| passed < self.near.min(near))
    }
}

impl Shard {
    fn remove(&mut self, digest: &Digest) -> Option<Copy> {
        let removed = self.copies.remove(digest)?;
        self.bytes -= removed.bytes;
        Some(removed)
    }

    /// Drops what has ended, then what ends first, down to seven eighths: so that not each of many
    /// copies that are made looks at all that are there.
    fn make_room(
        &mut self,
        most: usize,
        wanted: usize,
        now: &Moment,
        planted: &Planted,
        removed: &mut Vec<Copy>,
    ) {
        let ended = |_: &Digest, copy: &mut Copy| !copy.is_alive(now, copy.near, planted);
        removed.extend(self.copies.extract_if(ended).map(|(_, copy)| copy));
        self.bytes = self.copies.values().map(|copy| copy.bytes).sum();
        if self.bytes + wanted <= most {
            return;
        }
        let ends = |copy: &Copy| copy.since.monotonic + copy.near;
        let mut order: Vec<_> = self.copies.iter().map(|(d, c)| (ends(c), *d)).collect();
        order.sort_unstable_by_key(|(ends, _)| *ends);
        for (_, digest) in order {
            if self.bytes + wanted <= most / 8 * 7 || self.bytes == 0 {
                break;
            }
            removed.extend(self.remove(&digest));
        }
    }
}

fn locked(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The digest of a key. It is spread evenly already: its first bytes are hash enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Digest([u8; 32]);

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        state.write_u64(u64::from_ne_bytes(first));
    }
}

#[derive(Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes
            .iter()
            .fold(self.0, |sum, byte| sum.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use bytes::Bytes;
    use tokio::time::Instant;

    use super::*;
    use crate::near::Clocks;

    fn copy(since: Moment, bytes: usize) -> Copy {
        Copy {
            since,
            near: Duration::from_millis(500),
            list: 0,
            entry: 1,
            version: 0,
            tags: Tags::default(),
            owner: None,
            created: 0,
            fresh_until: u64::MAX,
            cost: 0,
            bytes,
            value: Stored::Plain(Bytes::new()),
        }
    }

    fn asked(digest: &[u8; 32], now: Moment) -> Asked<'_> {
        static NONE: LazyLock<Tags> = LazyLock::new(Tags::default);
        Asked {
            digest,
            tags: &NONE,
            owner: None,
            version: 0,
            near: Duration::from_secs(2),
            list: 0,
            now,
        }
    }

    fn digest(n: u32) -> [u8; 32] {
        let mut digest = [0; 32];
        digest[..4].copy_from_slice(&n.to_ne_bytes());
        digest[31] = (n % 251) as u8;
        digest
    }

    fn now() -> Moment {
        Clocks::default().now()
    }

    #[test]
    fn a_copy_ends_by_whichever_clock_is_ahead() {
        let (copies, planted, at) = (Copies::new(1 << 20), Planted::default(), now());
        let key = digest(7);
        copies.insert(&key, &copies.note(&key, at, 0), copy(at, 10), &at, &planted);
        let near = Duration::from_millis(499);
        let end = Duration::from_millis(500);
        let hour = Duration::from_secs(3600);
        for (monotonic, wall, alive) in [
            (near, near, true),
            (end, near, false),
            (near, end, false),
            (Duration::ZERO, hour, false),
            (hour, Duration::ZERO, false),
        ] {
            let now = Moment {
                monotonic: at.monotonic + monotonic,
                wall: at.wall + wall,
            };
            let found = copies.get(&asked(&key, now), &planted).is_some();
            assert_eq!(found, alive, "{monotonic:?} {wall:?}");
        }
        let back = Moment {
            wall: at.wall - Duration::from_millis(1),
            ..at
        };
        assert!(copies.get(&asked(&key, back), &planted).is_none());
    }

    #[test]
    fn a_lookup_from_before_a_verb_makes_no_copy_after_it() {
        let (copies, planted, at) = (Copies::new(1 << 20), Planted::default(), now());
        let key = digest(7);
        let noted = copies.note(&key, at, 0);
        copies.forget(&key);
        copies.insert(&key, &noted, copy(at, 10), &at, &planted);
        assert!(copies.get(&asked(&key, at), &planted).is_none());
        let noted = copies.note(&key, at, 0);
        copies.forget_all();
        copies.insert(&key, &noted, copy(at, 10), &at, &planted);
        assert!(copies.get(&asked(&key, at), &planted).is_none());
        let noted = copies.note(&key, at, 0);
        copies.insert(&key, &noted, copy(at, 10), &at, &planted);
        assert!(copies.get(&asked(&key, at), &planted).is_some());
        copies.seen(&key, Some(1));
        assert!(copies.get(&asked(&key, at), &planted).is_some());
        copies.seen(&key, None);
        assert!(copies.get(&asked(&key, at), &planted).is_none());
    }

    #[test]
    fn another_function_version_list_of_servers_or_tags_see_no_copy() {
        let (copies, planted, at) = (Copies::new(1 << 20), Planted::default(), now());
        let key = digest(7);
        let mine = Copy {
            owner: Some("a::user"),
            ..copy(at, 10)
        };
        copies.insert(&key, &copies.note(&key, at, 0), mine, &at, &planted);
        let one = || asked(&key, at);
        let found = |asked: Asked<'_>| copies.get(&asked, &planted).is_some();
        assert!(found(one()));
        let owner = Some("a::user");
        assert!(found(Asked { owner, ..one() }));
        let owner = Some("b::user");
        assert!(!found(Asked { owner, ..one() }));
        let version = 1;
        assert!(!found(Asked { version, ..one() }));
        let list = 1;
        assert!(!found(Asked { list, ..one() }));
        let mut tags = Tags::default();
        tags.add("tenant:7").unwrap();
        let tags = &tags;
        assert!(!found(Asked { tags, ..one() }));
        let near = Duration::ZERO;
        assert!(!found(Asked { near, ..one() }));
    }

    #[test]
    fn copies_never_hold_more_than_they_may_and_the_youngest_stay() {
        let (copies, planted) = (Copies::new(64 << 10), Planted::default());
        let began = Instant::now();
        let at = |n: u32| Moment {
            monotonic: began + Duration::from_micros(n.into()),
            wall: now().wall,
        };
        for n in 0..20_000 {
            let key = digest(n);
            let noted = copies.note(&key, at(n), 0);
            copies.insert(&key, &noted, copy(at(n), 100), &at(n), &planted);
            assert!(copies.bytes() <= 64 << 10);
        }
        assert!(copies.bytes() > 32 << 10);
        let found = |n| {
            copies
                .get(&asked(&digest(n), at(20_000)), &planted)
                .is_some()
        };
        assert!((19_900..20_000).all(found));
        assert!(!(0..1000).any(found));
        copies.insert(
            &digest(1),
            &copies.note(&digest(1), at(0), 0),
            copy(at(0), 1025),
            &at(0),
            &planted,
        );
        assert!(!found(1));
    }
}
