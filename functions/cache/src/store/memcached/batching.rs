//! Batches the lookups of callers that come at the same time: one exchange for all of them.
//!
//! A lookup is sent at once while few exchanges are running. Later ones are queued, and the next
//! exchange takes all that are queued. It runs in a task of its own, which reads to the end even if
//! callers are dropped. So no caller waits for others to come, and the more callers there are, the
//! fewer exchanges each of them costs.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    super::{Item, ItemState, LookupOptions, LookupReply, StoreError},
    command::{Lookup, LookupMany},
    pool::Pool,
};
use crate::key::CacheKeys;

/// The most exchanges at a time. There are several, so that a slow one does not hold up the others
/// and the server works on the next while one is read. Half of the connections to a server, so that
/// fills and verbs always find one.
const MAX_EXCHANGES: usize = 4;
/// The most items in one exchange. With more, the first answer would wait long for the last one.
const MAX_BATCH: usize = 16;

#[derive(Debug)]
pub(super) struct Batcher {
    pool: Arc<Pool>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many exchanges are running.
    exchanges: usize,
    queue: VecDeque<Waiting>,
}

/// A caller in the queue.
#[derive(Debug)]
struct Waiting {
    keys: CacheKeys,
    options: LookupOptions,
    until: Instant,
    sender: oneshot::Sender<Answer>,
}

type Answer = Result<Box<LookupReply>, StoreError>;

/// A caller's right to one exchange. When it is dropped, a task goes on with the queue.
struct Permit<'a>(&'a Arc<Batcher>);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.0.is_left() {
            return;
        }
        let (batcher, over) = (self.0.clone(), false);
        let worker = Worker { batcher, over };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(worker.serve());
        }
    }
}

/// The right to one exchange after the other, until the queue is empty. If it is dropped before
/// that, because its runtime shuts down, the callers in the queue get an error.
struct Worker {
    batcher: Arc<Batcher>,
    over: bool,
}

impl Drop for Worker {
    fn drop(&mut self) {
        if !self.over {
            drop(self.batcher.abandon());
        }
    }
}

impl Batcher {
    pub(super) fn new(pool: Arc<Pool>) -> Arc<Self> {
        let state = Mutex::default();
        Arc::new(Self { pool, state })
    }

    /// Looks up, alone or batched with others.
    pub(super) async fn lookup(
        self: &Arc<Self>,
        keys: &CacheKeys,
        options: LookupOptions,
        until: Instant,
    ) -> Answer {
        let receiver = {
            let mut state = self.state();
            if state.exchanges < MAX_EXCHANGES {
                state.exchanges += 1;
                None
            } else {
                let (sender, receiver) = oneshot::channel();
                state.queue.push_back(Waiting {
                    keys: keys.clone(),
                    options,
                    until,
                    sender,
                });
                Some(receiver)
            }
        };
        if let Some(receiver) = receiver {
            return receiver.await.unwrap_or(Err(StoreError::Closed));
        }
        let _permit = Permit(self);
        // Boxed, so that the future of a queued caller does not include an exchange.
        Box::pin(self.pool.run(&Lookup { keys, options })).await
    }
}

impl Worker {
    async fn serve(mut self) {
        loop {
            // Callers that were just answered may look up again at once and join this batch.
            tokio::task::yield_now().await;
            let Some(batch) = self.batcher.take() else {
                self.over = true;
                return;
            };
            let (options, until, all_keys) = (batch.options, batch.until, batch.all_keys());
            let lookup = LookupMany {
                all_keys: &all_keys,
                options,
            };
            let answer = timeout_at(until, self.batcher.pool.run(&lookup)).await;
            let answer = answer.unwrap_or(Err(StoreError::Timeout));
            drop(all_keys);
            batch.answer(answer);
        }
    }
}

impl Batcher {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends an exchange if the queue is empty.
    fn is_left(&self) -> bool {
        let mut state = self.state();
        let left = state.queue.is_empty();
        state.exchanges -= usize::from(left);
        left
    }

    /// Ends an exchange, and empties the queue.
    fn abandon(&self) -> VecDeque<Waiting> {
        let mut state = self.state();
        state.exchanges -= 1;
        std::mem::take(&mut state.queue)
    }

    /// The first caller in the queue, with all that look up with the same options. If there
    /// is none, ends the exchange.
    fn take(&self) -> Option<Batch> {
        let mut state = self.state();
        let mut batch: Option<Batch> = None;
        for _ in 0..state.queue.len() {
            // A caller that has stopped waiting needs no answer.
            let waiting = state.queue.pop_front();
            let Some(waiting) = waiting.filter(|waiting| !waiting.sender.is_closed()) else {
                continue;
            };
            match &mut batch {
                None => batch = Some(Batch::new(waiting)),
                Some(batch) => state.queue.extend(batch.join(waiting)),
            }
        }
        state.exchanges -= usize::from(batch.is_none());
        batch
    }
}

/// Callers that share an exchange.
struct Batch {
    options: LookupOptions,
    /// The last of them waits until then.
    until: Instant,
    /// For each item the callers that look it up, in their order.
    items: Vec<Vec<Waiting>>,
}

impl Batch {
    fn new(first: Waiting) -> Self {
        let (options, until) = (first.options, first.until);
        let mut items = Vec::with_capacity(MAX_BATCH);
        items.push(vec![first]);
        Self {
            options,
            until,
            items,
        }
    }

    /// Adds `waiting` to the batch, or returns it.
    fn join(&mut self, waiting: Waiting) -> Option<Waiting> {
        if waiting.options != self.options {
            return Some(waiting);
        }
        let until = self.until.max(waiting.until);
        // For so few, comparing is faster than hashing.
        let mut items = self.items.iter();
        match items.position(|same_key| same_key[0].keys.digest() == waiting.keys.digest()) {
            Some(place) => self.items[place].push(waiting),
            None if self.items.len() == MAX_BATCH => return Some(waiting),
            None => self.items.push(vec![waiting]),
        }
        self.until = until;
        None
    }

    fn all_keys(&self) -> Vec<&CacheKeys> {
        self.items
            .iter()
            .map(|same_key| &same_key[0].keys)
            .collect()
    }

    fn answer(self, answer: Result<Vec<LookupReply>, StoreError>) {
        let reply = match answer {
            Ok(reply) if reply.len() == self.items.len() => reply,
            Ok(_) => return self.fail(StoreError::Protocol),
            Err(error) => return self.fail(error),
        };
        for (same_key, mut reply) in self.items.into_iter().zip(reply) {
            for waiting in same_key {
                // A caller that has stopped waiting must not get the lease.
                if !waiting.sender.is_closed() {
                    let answer = reply.clone().into();
                    reply.item = seen_after(reply.item);
                    let _ = waiting.sender.send(Ok(answer));
                }
            }
        }
    }

    fn fail(self, error: StoreError) {
        for waiting in self.items.into_iter().flatten() {
            let _ = waiting.sender.send(Err(error));
        }
    }
}

/// What a lookup right after this one would have found: of several callers one has won the
/// lease, and the others see its placeholder.
fn seen_after(item: ItemState) -> ItemState {
    match item {
        ItemState::Won(cas) => ItemState::Item(Item {
            bytes: bytes::Bytes::new(),
            cas: Some(cas),
        }),
        other => other,
    }
}
