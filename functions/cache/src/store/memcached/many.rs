//! Several items, each on its server: one exchange a server, all servers at once, and the answers in the order of the questions.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    super::{
        Ask, Item, Looked, Slot, StoreError, Stored,
        many::{Each, Write},
    },
    Memcached,
    command::{Command, Reply},
    server::Server,
};
use crate::key::Address;

/// So many in one exchange. Beyond that a server's answers could fill both sockets while we still write.
const AT_ONCE: usize = 128;

impl Memcached {
    pub(in super::super) async fn lookup_many(
        &self,
        ats: &[&Address],
        ask: Ask,
        limit: Duration,
    ) -> Each<Looked> {
        self.spread(ats, limit, |server, some, left| async move {
            let ats = some.iter().map(|at| ats[*at].clone()).collect();
            match server.run(Command::Lookups(ats, ask), left).await? {
                Reply::Lookups(all) => Ok(all.into_iter().map(Ok).collect()),
                _ => Err(StoreError::Protocol),
            }
        })
        .await
    }

    pub(in super::super) async fn numbered_many(
        &self,
        slots: &[(&Address, Slot)],
        limit: Duration,
    ) -> Each<Option<Item>> {
        let ats: Vec<_> = slots.iter().map(|(at, _)| *at).collect();
        self.spread(&ats, limit, |server, some, left| async move {
            let slot = |at: &usize| (slots[*at].0.clone(), slots[*at].1);
            let slots = some.iter().map(slot).collect();
            match server.run(Command::Numbers(slots), left).await? {
                Reply::Items(all) => Ok(all.into_iter().map(Ok).collect()),
                _ => Err(StoreError::Protocol),
            }
        })
        .await
    }

    pub(in super::super) async fn write_many(
        &self,
        writes: &[Write<'_>],
        limit: Duration,
    ) -> Each<Stored> {
        let ats: Vec<_> = writes.iter().map(|write| write.at).collect();
        self.spread(&ats, limit, |server, some, left| async move {
            let writes = some.iter().map(|at| (&writes[*at]).into()).collect();
            match server.run(Command::Writes(writes), left).await? {
                Reply::Writes(all) => Ok(all),
                _ => Err(StoreError::Protocol),
            }
        })
        .await
    }

    /// `exchange` is given a server and the places of what belongs there. Its error is the answer to all of these.
    async fn spread<T, F, Fut>(&self, ats: &[&Address], limit: Duration, exchange: F) -> Each<T>
    where
        F: Fn(Arc<Server>, Vec<usize>, Duration) -> Fut,
        Fut: Future<Output = Result<Each<T>, StoreError>>,
    {
        let begun = Instant::now();
        let servers = match self.0.servers(limit).await {
            Ok(servers) => servers,
            Err(error) => return ats.iter().map(|_| Err(error)).collect(),
        };
        let mut shares: HashMap<&str, (&Arc<Server>, Vec<usize>)> = HashMap::new();
        for (place, at) in ats.iter().enumerate() {
            let server = servers.holding(at.item());
            let share = shares.entry(&server.name);
            share.or_insert((server, Vec::new())).1.push(place);
        }
        let exchange = &exchange;
        let asked = shares.into_values().map(|(server, share)| async move {
            let mut answers = Vec::with_capacity(share.len());
            for some in share.chunks(AT_ONCE) {
                let left = limit.saturating_sub(begun.elapsed());
                match exchange(server.clone(), some.to_vec(), left).await {
                    Ok(each) => answers.extend(some.iter().copied().zip(each)),
                    Err(error) => answers.extend(some.iter().map(|place| (*place, Err(error)))),
                }
            }
            answers
        });
        let answers = futures_util::future::join_all(asked).await;
        let mut each: Vec<_> = ats.iter().map(|_| Err(StoreError::Protocol)).collect();
        for (place, answer) in answers.into_iter().flatten() {
            if matches!(answer, Err(StoreError::Refused)) {
                self.0.doubt();
            }
            each[place] = answer;
        }
        each
    }
}
