//! A simulated server and network, for tests: every exchange takes some time, some are lost, some
//! are executed after their caller has given up, and the server restarts with its cas beginning
//! again.
//!
//! It uses tokio's clock, which is paused, and every choice comes from a seed. It models how a
//! lookup differs between the two protocols, without their bytes.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use tokio::time::{sleep, timeout};

use super::{
    Amend, CacheKeys, Item, ItemState, KeyKind, Lifetime, LookupOptions, LookupReply, StoreError,
    effect::{Effect, Effected},
    many::{Each, Precondition, Write},
    memory::{DEFAULT_MAX, Memory},
};

/// How often something goes wrong, in 1/1000 of the exchanges.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// The command never arrives.
    pub(crate) lost: u32,
    /// It is executed, and the answer never arrives.
    pub(crate) unanswered: u32,
    /// It is executed seconds later.
    pub(crate) late: u32,
    /// It is executed at once, and the answer, or the second half of it, takes up to a second and a
    /// half.
    pub(crate) slow: u32,
    /// Of the exchanges that replace a record: it never arrives.
    pub(crate) unamended: u32,
}

/// What the clients share.
#[derive(Debug)]
pub(crate) struct Network {
    server: Mutex<Arc<Memory>>,
    faults: Mutex<Faults>,
    random: Mutex<SmallRng>,
    /// For tests of the tests: a server that accepts every swap with any cas.
    careless: bool,
}

/// One client's connection to the server.
#[derive(Debug)]
pub(crate) struct Simulated {
    pub(crate) network: Arc<Network>,
    /// Whether a lookup returns cas and may create a placeholder, as with the meta protocol.
    pub(crate) meta: bool,
    /// For tests of the tests: a lookup reads the records of near copies behind the item.
    pub(crate) records_behind: bool,
}

/// What happens to one exchange.
#[derive(Debug, Clone, Copy)]
struct Fate {
    arrives: bool,
    answered: bool,
    there: Duration,
    between: Duration,
    back: Duration,
    /// A lost exchange fails at once.
    closed: bool,
}

impl Network {
    pub(crate) fn new(seed: u64, careless: bool) -> Arc<Self> {
        Arc::new(Self {
            server: Mutex::new(Arc::new(Memory::new(DEFAULT_MAX))),
            faults: Mutex::default(),
            random: Mutex::new(SmallRng::seed_from_u64(seed)),
            careless,
        })
    }

    pub(crate) fn set(&self, faults: Faults) {
        *lock(&self.faults) = faults;
    }

    /// Ends the server with its items and all running exchanges, and starts another one.
    pub(crate) fn restart(&self) {
        *lock(&self.server) = Arc::new(Memory::new(DEFAULT_MAX));
    }

    /// Evicts the item under `key`.
    pub(crate) fn evict(&self, key: &str) {
        lock(&self.server).delete(key);
    }

    fn fate(&self) -> Fate {
        let faults = *lock(&self.faults);
        let mut random = lock(&self.random);
        let mut hop = || Duration::from_micros(random.random_range(100..3000));
        let (there, between, back) = (hop(), hop(), hop());
        let mut strikes = |chance| random.random_ratio(chance, 1000);
        let (lost, unanswered, late, slow, hesitates) = (
            strikes(faults.lost),
            strikes(faults.unanswered),
            strikes(faults.late),
            faults.slow > 0 && strikes(faults.slow),
            faults.slow > 0 && strikes(500),
        );
        Fate {
            arrives: !lost,
            answered: !lost && !unanswered,
            there: if late {
                Duration::from_millis(random.random_range(50..6000))
            } else {
                there
            },
            between: if slow && hesitates {
                Duration::from_millis(random.random_range(20..1500))
            } else {
                between
            },
            back: if slow && !hesitates {
                Duration::from_millis(random.random_range(20..1500))
            } else {
                back
            },
            closed: random.random(),
        }
    }
}

impl Simulated {
    /// Executes `work` on the server, within `limit`; once it is sent, also if its caller is
    /// dropped.
    async fn exchange<R, F>(
        &self,
        limit: Duration,
        work: impl FnOnce(Arc<Memory>, Duration) -> F,
    ) -> Result<R, StoreError>
    where
        R: Send + 'static,
        F: Future<Output = R> + Send + 'static,
    {
        let fate = self.network.fate();
        let server = lock(&self.network.server).clone();
        let done = fate.arrives.then(|| {
            let work = work(server.clone(), fate.between);
            tokio::spawn(async move {
                sleep(fate.there).await;
                let answer = work.await;
                sleep(fate.back).await;
                answer
            })
        });
        let answer = async {
            match done.filter(|_| fate.answered) {
                Some(done) => done.await.map_err(|_| StoreError::Closed),
                None if fate.closed => {
                    sleep(fate.there).await;
                    Err(StoreError::Closed)
                }
                None => std::future::pending().await,
            }
        };
        let answer = timeout(limit, answer)
            .await
            .unwrap_or(Err(StoreError::Timeout))?;
        if Arc::ptr_eq(&server, &lock(&self.network.server)) {
            Ok(answer)
        } else {
            Err(StoreError::Closed)
        }
    }

    /// In two steps, as on a real server: other clients may write between the item and the
    /// generations.
    async fn lookup_one(
        &self,
        keys: &CacheKeys,
        options: LookupOptions,
        limit: Duration,
        with_cas: bool,
    ) -> Result<LookupReply, StoreError> {
        let (keys, meta, behind) = (keys.clone(), self.meta, self.records_behind);
        self.exchange(limit, move |server, between| async move {
            let read = |key: &str| {
                let item = server.get_with_cas(key);
                item.map(|item| Item {
                    cas: item.cas.filter(|_| with_cas),
                    ..item
                })
            };
            let record = |key: &str| Some(read(key)?.bytes);
            let records = || Box::new(keys.near().map(|scope| record(scope.key())));
            let mut near = (options.near && !behind).then(records);
            if options.near && !behind {
                sleep(between).await;
            }
            let item = match (read(keys.item()), options.lease.filter(|_| meta)) {
                (Some(item), _) => ItemState::Item(item),
                (None, None) => ItemState::Absent,
                (None, Some(lease)) => {
                    let life = Lifetime::seconds(lease);
                    server.write_to(keys.item(), Bytes::new(), life, Precondition::Absent);
                    let cas = server.get_with_cas(keys.item()).and_then(|item| item.cas);
                    cas.map_or(ItemState::Absent, ItemState::Won)
                }
            };
            let marker = if options.marker {
                read(keys.marker())
            } else {
                None
            };
            sleep(between).await;
            if options.near && behind {
                near = Some(records());
            }
            LookupReply {
                near,
                seconds_left: None,
                item,
                marker,
                namespace: read(keys.namespace()),
                function: read(keys.function()),
            }
        })
        .await
    }

    pub(super) async fn lookup(
        &self,
        keys: &CacheKeys,
        options: LookupOptions,
        limit: Duration,
    ) -> Result<LookupReply, StoreError> {
        self.lookup_one(keys, options, limit, self.meta).await
    }

    /// With the cas of every item, on both protocols.
    pub(super) async fn lookup_many(
        &self,
        all_keys: &[&CacheKeys],
        options: LookupOptions,
        limit: Duration,
    ) -> Each<LookupReply> {
        let mut replies = Vec::with_capacity(all_keys.len());
        for keys in all_keys {
            replies.push(self.lookup_one(keys, options, limit, true).await);
        }
        replies
    }

    pub(super) async fn get_with_cas(
        &self,
        wanted: &[(&CacheKeys, KeyKind)],
        limit: Duration,
    ) -> Each<Option<Item>> {
        let mut items = Vec::with_capacity(wanted.len());
        for (keys, kind) in wanted {
            let key = keys.of_kind(*kind).to_owned();
            let get = self.exchange(limit, |server, _| async move { server.get_with_cas(&key) });
            items.push(get.await);
        }
        items
    }

    pub(super) async fn write(&self, writes: &[Write<'_>], limit: Duration) -> Each<bool> {
        let mut written = Vec::with_capacity(writes.len());
        for write in writes {
            let (key, bytes) = (write.key().to_owned(), Bytes::from(write.bytes.clone()));
            let (life, precondition) = (write.life, write.precondition);
            let careless = self.network.careless && precondition != Precondition::Absent;
            let write = self.exchange(limit, move |server, _| async move {
                if careless {
                    server.delete(&key);
                    return server.write_to(&key, bytes, life, Precondition::Absent);
                }
                server.write_to(&key, bytes, life, precondition)
            });
            written.push(write.await);
        }
        written
    }

    pub(super) async fn effect(
        &self,
        keys: &CacheKeys,
        effect: Effect<'_>,
        limit: Duration,
    ) -> Result<Effected, StoreError> {
        let records = keys.near().map(|scope| scope.key().to_owned()).to_vec();
        let Effect::Write(write) = effect else {
            return self.delete(keys.item(), records, limit).await;
        };
        let (key, bytes) = (write.key().to_owned(), Bytes::from(write.bytes.clone()));
        let (life, precondition) = (write.life, write.precondition);
        let careless = self.network.careless && precondition != Precondition::Absent;
        self.exchange(limit, move |server, between| async move {
            let done = if careless {
                server.delete(&key);
                server.write_to(&key, bytes, life, Precondition::Absent)
            } else {
                server.write_to(&key, bytes, life, precondition)
            };
            sleep(between).await;
            let records = read_records(&server, &records);
            Effected { done, records }
        })
        .await
    }

    pub(super) async fn delete(
        &self,
        key: &str,
        records: Vec<String>,
        limit: Duration,
    ) -> Result<Effected, StoreError> {
        let key = key.to_owned();
        self.exchange(limit, move |server, between| async move {
            server.delete(&key);
            sleep(between).await;
            Effected {
                done: true,
                records: read_records(&server, &records),
            }
        })
        .await
    }

    pub(super) async fn amend(
        &self,
        amend: Arc<dyn Amend>,
        limit: Duration,
    ) -> Result<bool, StoreError> {
        let lost = lock(&self.network.faults).unamended;
        if lost > 0 && lock(&self.network.random).random_ratio(lost, 1000) {
            return Err(StoreError::Closed);
        }
        self.exchange(limit, move |server, between| async move {
            let there = server.get_with_cas(amend.key());
            sleep(between).await;
            let Some((precondition, bytes)) = amend.replacing(there) else {
                return false;
            };
            server.write_to(amend.key(), bytes.into(), Lifetime::Forever, precondition)
        })
        .await
    }
}

fn read_records(server: &Memory, records: &[String]) -> Vec<Option<Bytes>> {
    let record = |key: &String| Some(server.get_with_cas(key)?.bytes);
    records.iter().map(record).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
