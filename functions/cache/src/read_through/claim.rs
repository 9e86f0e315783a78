//! Getting the right to call the origin, keeping it, and giving it back.
//!
//! Every write is an add, or a compare-and-swap with a number that was read while what stood there was exactly what this call
//! had decided upon. So whatever an invalidation, an expiry, an eviction or another caller did in between, the write is refused.

use super::{Call, Next, Release, Seen, Stale, decision::Item as Standing};
use crate::{
    clock::Millis,
    entry::{self, Generation, Lease, Stamp, Token},
    outcome::Alone,
    random,
    store::{Item, Lifetime, Looked, Slot, StoreError, Stored},
    telemetry::metrics::Count,
};

/// The right to call the origin and to fill.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) token: Token,
    /// The generations of the lookup that led here, before the origin read. The fill carries them.
    pub(super) stamp: Stamp,
    pub(super) why: Why,
    pub(super) claim: Claim,
    pub(super) stale: Option<Stale>,
    pub(super) release: Release,
}

/// What the right rests on, and with it how a fill is written.
#[derive(Debug)]
pub(super) enum Claim {
    /// Our lease record stands under the item's key.
    Lease { record: Vec<u8> },
    /// Our empty lease stands there with this number; the record is to be written if the origin takes long.
    Bare { record: Vec<u8>, number: u64 },
    /// Our lease record stands under the marker; the entry has this number, and others are served it until then.
    Marker {
        record: Vec<u8>,
        entry: u64,
        served_until: Millis,
    },
    /// Nothing but the number of the entry that is to be replaced.
    Entry { entry: u64 },
}

/// Why the origin is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Miss,
    Expired,
    Requested,
}

/// What an attempt came to.
#[derive(Debug)]
pub(super) enum Tried {
    Won(Box<Hold>),
    /// Somebody was faster: wait for them.
    Lost,
    /// What was decided upon is no more there: look again at once.
    Again,
}

type Attempt = Result<Tried, StoreError>;

impl Call<'_> {
    /// Mints the missing generations. They count only once they are read back, by the next lookup.
    pub(super) async fn mint(&self, looked: &Looked) -> Attempt {
        let [namespace, function] = self.at.scopes();
        let scopes = [
            (Slot::Namespace, &looked.namespace, namespace),
            (Slot::Function, &looked.function, function),
        ];
        for (slot, there, scope) in scopes {
            let record = Generation::mint(self.cache.clock().now(), random::u64()).write(scope);
            match there {
                None => {
                    self.add(slot, record, Lifetime::Forever).await?;
                }
                Some(item) if Generation::read(&item.bytes, scope).is_ok() => {}
                // Not a generation of ours: replaced, or every entry would stay invisible for ever.
                Some(item) => {
                    if let Some(number) = self.number(slot, item).await? {
                        self.swap(slot, record, Lifetime::Forever, number).await?;
                    }
                }
            }
        }
        Ok(Tried::Again)
    }

    /// Tries for the lease of an absent item.
    pub(super) async fn acquire(&self, seen: &Seen<'_>, why: Why) -> Attempt {
        let Some(mine) = self.lease(seen, 0) else {
            return Ok(Tried::Again);
        };
        let record = mine.write(self.at.item(), self.at.digest());
        let release = Release::armed(self, Slot::Item, &record, None);
        let life = self.lease_life();
        match self.add(Slot::Item, record.clone(), life).await? {
            Stored::Yes => Ok(won(&mine, why, Claim::Lease { record }, release)),
            Stored::No => {
                release.disarm();
                Ok(Tried::Lost)
            }
        }
    }

    /// The lookup itself left a lease there, empty as yet: its number is known, and that is enough to fill.
    pub(super) fn won_bare(&self, seen: &Seen<'_>, why: Why) -> Tried {
        let Some((mine, number)) = self.lease(seen, 0).zip(seen.won) else {
            return Tried::Again;
        };
        let record = mine.write(self.at.item(), self.at.digest());
        let release = Release::armed(self, Slot::Item, &record, Some(number));
        won(&mine, why, Claim::Bare { record, number }, release)
    }

    /// Mints, with an empty lease of ours already there. It must be stamped before the origin is called: the server may have
    /// restarted in between and given the same number to somebody else's lease.
    pub(super) async fn mint_for(&self, looked: &Looked, bare: Option<u64>) -> Attempt {
        let minted = self.mint(looked).await?;
        let Some(number) = bare else {
            return Ok(minted);
        };
        let looked = self.lookup(None).await?;
        self.lease_over(&Seen::new(self, &looked), number, Why::Miss)
            .await
    }

    /// Replaces what stands under the item's key by our lease, if it still is what the lookup saw.
    pub(super) async fn take_over(&self, seen: &Seen<'_>, why: Why) -> Attempt {
        let Some(there) = seen.there else {
            return Ok(Tried::Again);
        };
        let Some(number) = self.number(Slot::Item, there).await? else {
            return Ok(Tried::Again);
        };
        let tried = self.lease_over(seen, number, why).await?;
        if matches!(tried, Tried::Won(_)) {
            self.counters.one(Count::LeaseTakenOver);
        }
        Ok(tried)
    }

    async fn lease_over(&self, seen: &Seen<'_>, number: u64, why: Why) -> Attempt {
        let Some(mine) = self.lease(seen, 0) else {
            return Ok(Tried::Again);
        };
        let record = mine.write(self.at.item(), self.at.digest());
        let release = Release::armed(self, Slot::Item, &record, None);
        let life = self.lease_life();
        match self.swap(Slot::Item, record.clone(), life, number).await? {
            Stored::Yes => Ok(won(&mine, why, Claim::Lease { record }, release)),
            Stored::No => {
                release.disarm();
                Ok(Tried::Again)
            }
        }
    }

    /// Tries for the marker of a stale entry. Safety is the entry's number; the marker only saves origin calls.
    pub(super) async fn claim_refresh(&self, seen: &Seen<'_>) -> Attempt {
        let Some((entry, there)) = seen.entry.as_ref().zip(seen.there) else {
            return Ok(Tried::Again);
        };
        let Some(mine) = self.lease(seen, entry.id) else {
            return Ok(Tried::Again);
        };
        let served_until = self.served_until(entry);
        let record = mine.write(self.at.marker(), self.at.digest());
        let release = Release::armed(self, Slot::Marker, &record, None);
        let stored = match seen.marked {
            None => {
                self.add(Slot::Marker, record.clone(), self.lease_life())
                    .await?
            }
            Some(dead) => match self.number(Slot::Marker, dead).await? {
                None => Stored::No,
                Some(number) => {
                    self.swap(Slot::Marker, record.clone(), self.lease_life(), number)
                        .await?
                }
            },
        };
        if stored == Stored::No {
            release.disarm();
            return Ok(Tried::Lost);
        }
        // Before the origin is read: what changes the entry from here on refuses the fill.
        let Some(entry) = self.number(Slot::Item, there).await? else {
            return Ok(Tried::Again);
        };
        let claim = Claim::Marker {
            record,
            entry,
            served_until,
        };
        let (Lease { token, stamp, .. }, stale) = (mine, seen.stale(self));
        Ok(Tried::Won(Box::new(Hold {
            token,
            stamp,
            why: Why::Expired,
            claim,
            stale,
            release,
        })))
    }

    /// For a refresh on request: whatever stands there, the right to replace it.
    pub(super) async fn claim_anything<T>(&self) -> Next<T> {
        // As often as the verbs try: each round lost means that somebody else has just written.
        for _ in 0..4 {
            let tried = match self.lookup(None).await {
                Ok(looked) => self.claim_whatever(&looked).await,
                Err(error) => Err(error),
            };
            match tried {
                Ok(Tried::Won(hold)) => return Next::Lead(hold),
                Ok(Tried::Lost | Tried::Again) => {}
                Err(error) => return Next::Alone(error.into()),
            }
        }
        Next::Alone(Alone::Waited)
    }

    async fn claim_whatever(&self, looked: &Looked) -> Attempt {
        let seen = Seen::new(self, looked);
        if seen.stamp.is_none() {
            return self.mint(looked).await;
        }
        match (seen.item, seen.there) {
            (Standing::Absent, _) => self.acquire(&seen, Why::Requested).await,
            (Standing::Won, _) => Ok(self.won_bare(&seen, Why::Requested)),
            (Standing::Entry(_), Some(there)) => {
                let number = self.number(Slot::Item, there).await?;
                let Some((mine, entry)) = self.lease(&seen, 0).zip(number) else {
                    return Ok(Tried::Again);
                };
                Ok(won(
                    &mine,
                    Why::Requested,
                    Claim::Entry { entry },
                    Release::nothing(),
                ))
            }
            _ => self.take_over(&seen, Why::Requested).await,
        }
    }

    /// Leaves the origin to others: it failed. A stale entry stays, and while others are served it so does its marker: the pause
    /// between two attempts to refresh. Once they wait for the refresh, one of them is to lead.
    pub(super) async fn give_back(&self, hold: &Hold, number: Option<u64>) {
        let (slot, record) = match &hold.claim {
            Claim::Lease { record } | Claim::Bare { record, .. } => (Slot::Item, record),
            Claim::Marker {
                record,
                served_until,
                ..
            } if *served_until <= self.cache.clock().now() => (Slot::Marker, record),
            Claim::Marker { .. } | Claim::Entry { .. } => return,
        };
        let number = match number {
            Some(number) => Some(number),
            None => self.learn(slot, record).await.unwrap_or(None),
        };
        self.free(slot, number).await;
    }

    /// The origin's answer is not to be stored, so nothing older may stay either.
    pub(super) async fn leave_empty(&self, hold: &Hold, number: Option<u64>) {
        match &hold.claim {
            Claim::Lease { .. } | Claim::Bare { .. } => self.give_back(hold, number).await,
            Claim::Marker { entry, .. } | Claim::Entry { entry } => {
                self.free(Slot::Item, Some(*entry)).await
            }
        }
    }

    async fn free(&self, slot: Slot, number: Option<u64>) {
        if let Some(number) = number {
            let freed = entry::freed(&self.at);
            // Refused: it is no more ours. No answer: a lease ends by itself.
            let _ = self.swap(slot, freed, Lifetime::seconds(2), number).await;
        }
    }

    /// The number of our own record; `None` if it is no more there.
    pub(super) async fn learn(&self, slot: Slot, record: &[u8]) -> Result<Option<u64>, StoreError> {
        let exchange = self
            .cache
            .store()
            .numbered(&self.at, slot, self.budget.left());
        let there = self.budget.spend(exchange).await?;
        Ok(there
            .filter(|item| item.bytes == record)
            .and_then(|item| item.number))
    }

    /// The number of what a lookup saw, if it is still there byte for byte.
    pub(super) async fn number(&self, slot: Slot, saw: &Item) -> Result<Option<u64>, StoreError> {
        match saw.number {
            Some(number) => Ok(Some(number)),
            None => self.learn(slot, &saw.bytes).await,
        }
    }

    pub(super) fn lease(&self, seen: &Seen<'_>, subject: u64) -> Option<Lease> {
        Some(Lease {
            token: Token(random::bytes()),
            stamp: seen.stamp?,
            subject,
        })
    }

    pub(super) fn lease_seconds(&self) -> u32 {
        // The policy ends a lease at an hour.
        u32::try_from(self.policy.lease.as_millis().div_ceil(1000)).unwrap_or(u32::MAX)
    }

    pub(super) fn lease_life(&self) -> Lifetime {
        Lifetime::seconds(self.lease_seconds())
    }

    pub(super) async fn add(
        &self,
        slot: Slot,
        record: Vec<u8>,
        life: Lifetime,
    ) -> Result<Stored, StoreError> {
        let left = self.budget.left();
        self.budget
            .spend(self.cache.store().add(&self.at, slot, record, life, left))
            .await
    }

    pub(super) async fn swap(
        &self,
        slot: Slot,
        record: Vec<u8>,
        life: Lifetime,
        number: u64,
    ) -> Result<Stored, StoreError> {
        let left = self.budget.left();
        let exchange = self
            .cache
            .store()
            .swap(&self.at, slot, record, life, number, left);
        self.budget.spend(exchange).await
    }
}

fn won(mine: &Lease, why: Why, claim: Claim, release: Release) -> Tried {
    let Lease { token, stamp, .. } = *mine;
    Tried::Won(Box::new(Hold {
        token,
        stamp,
        why,
        claim,
        stale: None,
        release,
    }))
}
