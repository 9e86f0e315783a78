//! Several items, each on its server: one exchange with each server, all at the same time, and the
//! answers in the order of the requests.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    super::{
        Item, KeyKind, LookupOptions, LookupReply, StoreError,
        many::{Each, Write},
    },
    Memcached,
    command::{Command, Reply},
    limits::{AT_ONCE, TAGS_AT_ONCE},
    server::Server,
};
use crate::key::CacheKeys;

/// The leases that a lookup has won on each server, until its caller has all answers. A caller that
/// leaves before that gives them back.
#[derive(Debug, Default)]
struct Unclaimed(Mutex<Vec<(Arc<Server>, Won)>>);

/// Leases, each with its cas.
type Won = Vec<(CacheKeys, u64)>;

impl Unclaimed {
    fn add(&self, server: &Arc<Server>, won: Won) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.iter_mut().find(|(one, _)| Arc::ptr_eq(one, server)) {
            Some((_, here)) => here.extend(won),
            None => all.push((server.clone(), won)),
        }
    }

    fn claim(mut self) {
        self.0 = Mutex::default();
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let all = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (server, won) in all.drain(..) {
            server.remove(won);
        }
    }
}

impl Memcached {
    pub(in super::super) async fn lookup_many(
        &self,
        all_keys: &[&CacheKeys],
        options: LookupOptions,
        limit: Duration,
    ) -> Each<LookupReply> {
        let unclaimed = Unclaimed::default();
        let lookup = |server: Arc<Server>, some: Vec<usize>, left| {
            let unclaimed = &unclaimed;
            async move {
                let asked = || some.iter().map(|place| all_keys[*place]);
                let command = Command::Lookups(asked().cloned().collect(), options);
                match server.run(command, left).await? {
                    Reply::Lookups(all) => {
                        let won = asked().zip(&all);
                        let won = won.filter_map(|(keys, reply)| reply.won(keys));
                        unclaimed.add(&server, won.collect());
                        Ok(all.into_iter().map(Ok).collect())
                    }
                    _ => Err(StoreError::Protocol),
                }
            }
        };
        let all = self.spread(all_keys, limit, lookup).await;
        unclaimed.claim();
        all
    }

    pub(in super::super) async fn get_with_cas(
        &self,
        wanted: &[(&CacheKeys, KeyKind)],
        limit: Duration,
    ) -> Each<Option<Item>> {
        let all_keys: Vec<_> = wanted.iter().map(|(keys, _)| *keys).collect();
        self.spread(&all_keys, limit, |server, some, left| async move {
            let one = |place: &usize| (wanted[*place].0.clone(), wanted[*place].1);
            if let [place] = &*some {
                // Shares an exchange with those of other callers.
                let (keys, kind) = one(place);
                return match server.run(Command::GetWithCas(keys, kind), left).await? {
                    Reply::Item(item) => Ok(vec![Ok(item)]),
                    _ => Err(StoreError::Protocol),
                };
            }
            let some = some.iter().map(one).collect();
            match server.run(Command::GetManyWithCas(some), left).await? {
                Reply::Items(all) => Ok(all.into_iter().map(Ok).collect()),
                _ => Err(StoreError::Protocol),
            }
        })
        .await
    }

    pub(in super::super) async fn write(
        &self,
        writes: &[Write<'_>],
        limit: Duration,
    ) -> Each<bool> {
        let all_keys: Vec<_> = writes.iter().map(|write| write.keys).collect();
        self.spread(&all_keys, limit, |server, some, left| async move {
            if let [place] = &*some {
                let write = (&writes[*place]).into();
                return match server.run(Command::Write(write), left).await? {
                    Reply::Stored(stored) => Ok(vec![Ok(stored)]),
                    _ => Err(StoreError::Protocol),
                };
            }
            let writes = some.iter().map(|place| (&writes[*place]).into()).collect();
            match server.run(Command::Writes(writes), left).await? {
                Reply::Writes(all) => Ok(all),
                _ => Err(StoreError::Protocol),
            }
        })
        .await
    }

    /// `exchange` gets a server and the positions of the items there. Its error is the answer for
    /// all of them.
    async fn spread<T, F, Fut>(
        &self,
        all_keys: &[&CacheKeys],
        limit: Duration,
        exchange: F,
    ) -> Each<T>
    where
        F: Fn(Arc<Server>, Vec<usize>, Duration) -> Fut,
        Fut: Future<Output = Result<Each<T>, StoreError>>,
    {
        let begun = Instant::now();
        let servers = match self.0.servers(limit).await {
            Ok(servers) => servers,
            Err(error) => return all_keys.iter().map(|_| Err(error)).collect(),
        };
        let mut shares: HashMap<&str, (&Arc<Server>, Vec<usize>)> = HashMap::new();
        for (place, keys) in all_keys.iter().enumerate() {
            let server = servers.holding(keys.item());
            let share = shares.entry(&server.name);
            share.or_insert((server, Vec::new())).1.push(place);
        }
        let exchange = &exchange;
        let exchanges = shares.into_values().map(|(server, share)| async move {
            let mut answers = Vec::with_capacity(share.len());
            let tags = share.iter().map(|place| all_keys[*place].tags().len());
            let most = TAGS_AT_ONCE / tags.max().unwrap_or(0).max(1);
            for some in share.chunks(most.min(AT_ONCE)) {
                let left = limit.saturating_sub(begun.elapsed());
                match exchange(server.clone(), some.to_vec(), left).await {
                    Ok(each) => answers.extend(some.iter().copied().zip(each)),
                    Err(error) => answers.extend(some.iter().map(|place| (*place, Err(error)))),
                }
            }
            answers
        });
        let answers = futures_util::future::join_all(exchanges).await;
        let mut each: Vec<_> = all_keys.iter().map(|_| Err(StoreError::Protocol)).collect();
        for (place, answer) in answers.into_iter().flatten() {
            if answer.as_ref().is_err_and(StoreError::may_be_moved) {
                self.0.mark_suspect();
            }
            each[place] = answer;
        }
        each
    }
}
