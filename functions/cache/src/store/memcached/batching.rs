//! Batches the commands of callers that come at the same time: one exchange for all of them.
//!
//! While few exchanges are under way a caller polls its own. Those who come later wait in a queue,
//! and tasks take what is queued, more at a time the longer the queue is. So a caller never waits
//! for company, nor for another caller to be polled, and the more callers there are, the fewer
//! exchanges each costs.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{runtime::Handle, sync::oneshot, time::Instant};

use super::{
    super::{Item, ItemState, LookupOptions, LookupReply, StoreError},
    command::{Answer, Command, Reply},
    exchange::Exchanges,
    limits::{AT_ONCE, TAGS_AT_ONCE},
};
use crate::key::CacheKeys;

/// Exchanges for those in the queue: one that is slow must not hold up the others, and while one is
/// read the server works on the next. Half of what a server may be connected to.
const TASKS: usize = 4;
/// So many commands in one exchange while the queue is short: beyond that the last answer would be
/// read long after the first was there.
const FEW: usize = 16;
/// The commands of one exchange have so many bytes to write, and the last of them may exceed that.
const BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Batcher {
    exchanges: Arc<Exchanges>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tasks: usize,
    queues: Queues,
}

/// A queue for each kind of exchange.
#[derive(Debug, Default)]
struct Queues {
    all: Vec<(Kind, VecDeque<Waiting>)>,
    came: u64,
}

/// Commands of one kind share an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lookups(LookupOptions),
    GetManyWithCas,
    Writes,
}

/// A caller in the queue.
#[derive(Debug)]
struct Waiting {
    command: Command,
    until: Instant,
    came: u64,
    sender: oneshot::Sender<Delivery>,
}

/// An answer on its way to a caller. If the caller has left by then, what it won is given back.
#[derive(Debug)]
pub(super) struct Delivery {
    answer: Option<Answer>,
    won: Option<(Arc<Exchanges>, CacheKeys, u64)>,
}

impl Delivery {
    pub(super) fn take(mut self) -> Answer {
        self.won = None;
        self.answer.take().unwrap_or(Err(StoreError::Closed))
    }
}

impl From<Answer> for Delivery {
    fn from(answer: Answer) -> Self {
        Self {
            answer: Some(answer),
            won: None,
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some((exchanges, keys, cas)) = self.won.take() {
            exchanges.remove(vec![(keys, cas)]);
        }
    }
}

impl Kind {
    /// `None`: an exchange of its own.
    fn of(command: &Command) -> Option<Self> {
        match command {
            Command::Lookup(_, options) => Some(Self::Lookups(*options)),
            Command::GetWithCas(..) => Some(Self::GetManyWithCas),
            Command::Write(_) => Some(Self::Writes),
            _ => None,
        }
    }
}

impl Batcher {
    pub(super) fn new(exchanges: Arc<Exchanges>) -> Arc<Self> {
        Arc::new(Self {
            exchanges,
            state: Mutex::default(),
        })
    }

    /// Queues `command`. One that shares no exchange has a task of its own.
    pub(super) fn wait(
        self: &Arc<Self>,
        command: Command,
        until: Instant,
    ) -> oneshot::Receiver<Delivery> {
        let (sender, receiver) = oneshot::channel();
        let Ok(runtime) = Handle::try_current() else {
            return receiver;
        };
        let Some(kind) = Kind::of(&command) else {
            let exchanges = self.exchanges.clone();
            runtime.spawn(async move {
                let command = Arc::new(command);
                let answer = exchanges.attempt(command.clone(), until).await;
                let won = exchanges.clone();
                if let Err(unsent) = sender.send(answer.into()) {
                    won.give_back(&command, &unsent.take());
                }
            });
            return receiver;
        };
        let mut state = self.state();
        state.queues.push(kind, command, until, sender);
        let more = state.tasks < TASKS;
        state.tasks += usize::from(more);
        drop(state);
        if more {
            let (batcher, over) = (self.clone(), false);
            runtime.spawn(Task { batcher, over }.serve());
        } else {
            self.exchanges.adopt();
        }
        receiver
    }

    /// What is first in a queue, and what shares an exchange with it. If nothing is there, the
    /// task's right ends.
    fn take(&self) -> Option<Batch> {
        let mut state = self.state();
        let mut late = Vec::new();
        let batch = state.queues.take(&mut late);
        state.tasks -= usize::from(batch.is_none());
        drop(state);
        for waiting in late {
            let _ = waiting.sender.send(Err(StoreError::Timeout).into());
        }
        batch
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to one exchange after the other, until the queue is empty. If its runtime shuts down
/// before that, it is dropped, and those in the queue get an error.
struct Task {
    batcher: Arc<Batcher>,
    over: bool,
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.over {
            let mut state = self.batcher.state();
            state.tasks -= 1;
            let queues = std::mem::take(&mut state.queues);
            drop(state);
            drop(queues);
        }
    }
}

impl Task {
    async fn serve(mut self) {
        let exchanges = self.batcher.exchanges.clone();
        loop {
            // A caller that was just answered may ask again at once, and is taken along.
            tokio::task::yield_now().await;
            let Some(batch) = self.batcher.take() else {
                self.over = true;
                return;
            };
            let command = Arc::new(single(batch.command));
            let answer = exchanges.attempt(command.clone(), batch.until).await;
            send_answers(&exchanges, &command, batch.senders, answer);
        }
    }
}

impl Queues {
    fn push(
        &mut self,
        kind: Kind,
        command: Command,
        until: Instant,
        sender: oneshot::Sender<Delivery>,
    ) {
        self.came += 1;
        let waiting = Waiting {
            command,
            until,
            came: self.came,
            sender,
        };
        match self.all.iter_mut().find(|(other, _)| *other == kind) {
            Some((_, queue)) => queue.push_back(waiting),
            None => self.all.push((kind, VecDeque::from([waiting]))),
        }
    }

    /// Looks at no more than it takes out.
    fn take(&mut self, late: &mut Vec<Waiting>) -> Option<Batch> {
        let queues = self.all.iter_mut().filter(|(_, queue)| !queue.is_empty());
        let (kind, queue) = queues.min_by_key(|(_, queue)| queue.front().map(|one| one.came))?;
        let most = queue.len().div_ceil(TASKS).clamp(FEW, AT_ONCE);
        let (now, mut batch) = (Instant::now(), Batch::new(*kind));
        while batch.count < most && batch.bytes < BYTES && batch.tags < TAGS_AT_ONCE {
            let Some(waiting) = queue.pop_front() else {
                break;
            };
            if waiting.sender.is_closed() {
                continue;
            }
            if waiting.until <= now {
                late.push(waiting);
                continue;
            }
            if !batch.takes(&waiting) {
                queue.push_front(waiting);
                break;
            }
            batch.join(waiting);
        }
        if batch.count == 0 {
            // All of this queue have left.
            return self.take(late);
        }
        Some(batch)
    }
}

/// Callers that share an exchange.
struct Batch {
    command: Command,
    /// When the last of them stops waiting.
    until: Instant,
    /// How many items are asked for, and how many bytes are written.
    count: usize,
    bytes: usize,
    /// How many generations of tags are asked for, at most.
    tags: usize,
    /// Whose answer is at which place.
    senders: Vec<(usize, oneshot::Sender<Delivery>)>,
    /// Lookups of the same keys share a place, and so do reads of the same item.
    places: HashMap<[u8; 16], usize, Spread>,
    items: HashMap<String, usize>,
}

impl Batch {
    fn new(kind: Kind) -> Self {
        Self {
            command: match kind {
                Kind::Lookups(options) => Command::Lookups(Vec::with_capacity(FEW), options),
                Kind::GetManyWithCas => Command::GetManyWithCas(Vec::with_capacity(FEW)),
                Kind::Writes => Command::Writes(Vec::with_capacity(FEW)),
            },
            until: Instant::now(),
            count: 0,
            bytes: 0,
            tags: 0,
            senders: Vec::with_capacity(FEW),
            places: HashMap::default(),
            items: HashMap::new(),
        }
    }

    /// Whether it can be answered together with the others: an item is asked for once, so not with
    /// other tags.
    fn takes(&self, waiting: &Waiting) -> bool {
        match (&self.command, &waiting.command) {
            (Command::Lookups(all_keys, _), Command::Lookup(keys, _)) => {
                let place = self.places.get(&keys.digest());
                place.is_none_or(|place| all_keys[*place].has_tags_of(keys))
            }
            _ => true,
        }
    }

    fn join(&mut self, waiting: Waiting) {
        self.until = self.until.max(waiting.until);
        let next = self.count;
        let place = match (&mut self.command, waiting.command) {
            (Command::Lookups(all_keys, _), Command::Lookup(keys, _)) => {
                let place = *self.places.entry(keys.digest()).or_insert(next);
                if place == next {
                    self.tags += keys.tags().len();
                    all_keys.push(keys);
                }
                place
            }
            (Command::GetManyWithCas(wanted), Command::GetWithCas(keys, kind)) => {
                let key = keys.of_kind(kind).to_owned();
                let place = *self.items.entry(key).or_insert(next);
                if place == next {
                    wanted.push((keys, kind));
                }
                place
            }
            (Command::Writes(writes), Command::Write(write)) => {
                self.bytes += write.bytes.len();
                writes.push(write);
                next
            }
            // Of another kind: not in this queue.
            _ => return,
        };
        self.count += usize::from(place == next);
        self.senders.push((place, waiting.sender));
    }
}

/// The command for one item, which costs less than the one for several.
fn single(command: Command) -> Command {
    match command {
        Command::Lookups(mut all, options) if all.len() == 1 => {
            Command::Lookup(all.remove(0), options)
        }
        Command::GetManyWithCas(mut all) if all.len() == 1 => {
            let (keys, kind) = all.remove(0);
            Command::GetWithCas(keys, kind)
        }
        Command::Writes(mut all) if all.len() == 1 => Command::Write(all.remove(0)),
        command => command,
    }
}

/// Hands each caller its part of the answer.
fn send_answers(
    exchanges: &Arc<Exchanges>,
    command: &Command,
    senders: Vec<(usize, oneshot::Sender<Delivery>)>,
    answer: Answer,
) {
    let each: Vec<Answer> = match (command, answer) {
        (Command::Lookups(all_keys, _), Ok(Reply::Lookups(all))) if all.len() == all_keys.len() => {
            return send_replies(exchanges, all_keys, senders, all);
        }
        (Command::Lookup(keys, _), Ok(Reply::Lookup(reply))) => {
            return send_replies(exchanges, std::slice::from_ref(keys), senders, vec![*reply]);
        }
        (_, Ok(Reply::Item(item))) => vec![Ok(Reply::Item(item))],
        (_, Ok(Reply::Stored(stored))) => vec![Ok(Reply::Stored(stored))],
        (_, Ok(Reply::Items(all))) => all.into_iter().map(|item| Ok(Reply::Item(item))).collect(),
        (_, Ok(Reply::Writes(all))) => {
            let each = all.into_iter();
            each.map(|stored| stored.map(Reply::Stored)).collect()
        }
        (_, Ok(_)) => Vec::new(),
        (_, Err(error)) => vec![Err(error); senders.len()],
    };
    for (place, sender) in senders {
        let answer = each.get(place).cloned();
        let _ = sender.send(answer.unwrap_or(Err(StoreError::Protocol)).into());
    }
}

fn send_replies(
    exchanges: &Arc<Exchanges>,
    all_keys: &[CacheKeys],
    senders: Vec<(usize, oneshot::Sender<Delivery>)>,
    mut all: Vec<LookupReply>,
) {
    for (place, sender) in senders {
        // A caller that has left by now must not get the lease.
        if sender.is_closed() {
            continue;
        }
        let reply = all[place].clone();
        let won = match reply.item {
            ItemState::Won(cas) => Some((exchanges.clone(), all_keys[place].clone(), cas)),
            ItemState::Absent | ItemState::Item(_) => None,
        };
        if let Some((.., cas)) = &won {
            all[place].item = seen_after(*cas);
        }
        let answer = Some(Ok(Reply::Lookup(reply.into())));
        let _ = sender.send(Delivery { answer, won });
    }
    let left = all_keys.iter().zip(&all);
    exchanges.remove(left.filter_map(|(keys, reply)| reply.won(keys)).collect());
}

/// What a lookup right after one that has won a lease would have found: the lease.
fn seen_after(cas: u64) -> ItemState {
    ItemState::Item(Item {
        bytes: bytes::Bytes::new(),
        cas: Some(cas),
    })
}

/// Digests are spread evenly already: their first bytes are hash enough.
#[derive(Debug, Clone, Copy, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks_exact(8) {
            self.0 ^= chunk
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        }
    }
}

impl BuildHasher for Spread {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self::default()
    }
}
