//! Lookups of callers who come together: one exchange for all of them instead of one each.
//!
//! A lookup goes out at once while few are under way. Who comes later waits in line, and the next exchange takes along all who
//! stand there, in a task of its own that reads to the end whoever is dropped meanwhile. So nobody waits for company, and the more
//! there are, the fewer exchanges each costs.

use std::{
    collections::VecDeque,
    iter,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    runtime::Handle,
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    super::{Ask, Found, Item, Looked, StoreError},
    command::{Command, Reply},
    pool::Pool,
};
use crate::key::Address;

/// Exchanges under way at once: one that is slow must not hold up the others, and while one is read the server works on the next.
/// Half of what a server may be connected to, so that fills and verbs always find a connection.
const LANES: usize = 4;
/// So many items in one exchange. Beyond that the last answer would be read long after the first was there.
const MOST: usize = 16;

#[derive(Debug)]
pub(super) struct Gather {
    pool: Arc<Pool>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Exchanges under way.
    lanes: usize,
    line: VecDeque<Waiting>,
}

/// A caller in the line.
#[derive(Debug)]
struct Waiting {
    at: Address,
    ask: Ask,
    until: Instant,
    tell: oneshot::Sender<Answer>,
}

type Answer = Result<Box<Looked>, StoreError>;

/// A caller's right to one exchange. When the caller is done, or was dropped, a task goes on with those in line.
struct Lane<'a>(&'a Arc<Gather>);

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        if self.0.is_left() {
            return;
        }
        let (gather, over) = (self.0.clone(), false);
        let task = Task { gather, over };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(task.serve());
        }
    }
}

/// The right to one exchange after the other, until nobody stands in line. Dropped before that, since its runtime shuts down, those
/// in line are told so.
struct Task {
    gather: Arc<Gather>,
    over: bool,
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.over {
            drop(self.gather.give_up());
        }
    }
}

impl Gather {
    pub(super) fn new(pool: Arc<Pool>) -> Arc<Self> {
        let state = Mutex::default();
        Arc::new(Self { pool, state })
    }

    /// Looks up, alone or in company.
    pub(super) async fn look(
        self: &Arc<Self>,
        at: &Address,
        ask: Ask,
        until: Instant,
    ) -> Result<Reply, StoreError> {
        let told = {
            let mut state = self.state();
            if state.lanes < LANES {
                state.lanes += 1;
                None
            } else {
                let (tell, told) = oneshot::channel();
                state.line.push_back(Waiting {
                    at: at.clone(),
                    ask,
                    until,
                    tell,
                });
                Some(told)
            }
        };
        if let Some(told) = told {
            let answer = told.await.unwrap_or(Err(StoreError::Closed));
            return answer.map(Reply::Looked);
        }
        let _lane = Lane(self);
        // Boxed: who stands in line is not to carry the exchange of who does not.
        Box::pin(self.pool.run(Command::Lookup(at, ask))).await
    }
}

impl Task {
    async fn serve(mut self) {
        loop {
            // Who was just answered may ask again at once, and goes along.
            tokio::task::yield_now().await;
            let Some(together) = self.gather.take() else {
                self.over = true;
                return;
            };
            let (ask, until, ats) = (together.ask, together.until, together.addresses());
            let exchange = self.gather.pool.run(Command::Lookups(&ats, ask));
            let answer = match timeout_at(until, exchange).await {
                Ok(Ok(Reply::Lookups(looked))) => Ok(looked),
                Ok(Ok(_)) => Err(StoreError::Protocol),
                Ok(Err(error)) => Err(error),
                Err(_) => Err(StoreError::Timeout),
            };
            drop(ats);
            together.tell(answer);
        }
    }
}

impl Gather {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a lane up if nobody stands in line.
    fn is_left(&self) -> bool {
        let mut state = self.state();
        let left = state.line.is_empty();
        state.lanes -= usize::from(left);
        left
    }

    /// Gives a lane up, and with it whoever stands in line.
    fn give_up(&self) -> VecDeque<Waiting> {
        let mut state = self.state();
        state.lanes -= 1;
        std::mem::take(&mut state.line)
    }

    /// The first in line, and who asks for the same or for other items in the same way. If nobody is there, gives the lane up.
    fn take(&self) -> Option<Together> {
        let mut state = self.state();
        let mut together: Option<Together> = None;
        for _ in 0..state.line.len() {
            // Who has stopped waiting needs no answer.
            let waiting = state.line.pop_front();
            let Some(waiting) = waiting.filter(|waiting| !waiting.tell.is_closed()) else {
                continue;
            };
            match &mut together {
                None => together = Some(Together::new(waiting)),
                Some(together) => state.line.extend(together.join(waiting)),
            }
        }
        state.lanes -= usize::from(together.is_none());
        together
    }
}

/// Callers who share an exchange.
struct Together {
    ask: Ask,
    /// The last of them waits until then.
    until: Instant,
    items: Vec<Same>,
}

/// Callers who ask for one item, in their order.
struct Same {
    first: Waiting,
    others: Vec<Waiting>,
}

impl Same {
    fn new(first: Waiting) -> Self {
        let others = Vec::new();
        Self { first, others }
    }

    fn all(self) -> impl Iterator<Item = Waiting> {
        iter::once(self.first).chain(self.others)
    }
}

impl Together {
    fn new(first: Waiting) -> Self {
        let (ask, until) = (first.ask, first.until);
        let mut items = Vec::with_capacity(MOST);
        items.push(Same::new(first));
        Self { ask, until, items }
    }

    /// Takes `waiting` along, or gives it back.
    fn join(&mut self, waiting: Waiting) -> Option<Waiting> {
        if waiting.ask != self.ask {
            return Some(waiting);
        }
        let until = self.until.max(waiting.until);
        // So few are compared faster than hashed.
        let mut items = self.items.iter();
        match items.position(|same| same.first.at.digest() == waiting.at.digest()) {
            Some(place) => self.items[place].others.push(waiting),
            None if self.items.len() == MOST => return Some(waiting),
            None => self.items.push(Same::new(waiting)),
        }
        self.until = until;
        None
    }

    fn addresses(&self) -> Vec<&Address> {
        self.items.iter().map(|same| &same.first.at).collect()
    }

    fn tell(self, answer: Result<Vec<Looked>, StoreError>) {
        let looked = match answer {
            Ok(looked) if looked.len() == self.items.len() => looked,
            Ok(_) => return self.fail(StoreError::Protocol),
            Err(error) => return self.fail(error),
        };
        for (same, mut looked) in self.items.into_iter().zip(looked) {
            for waiting in same.all() {
                // Who has left by now needs no answer, and must not be given the lease.
                if !waiting.tell.is_closed() {
                    let answer = looked.clone().into();
                    looked.item = seen_after(looked.item);
                    let _ = waiting.tell.send(Ok(answer));
                }
            }
        }
    }

    fn fail(self, error: StoreError) {
        for waiting in self.items.into_iter().flat_map(Same::all) {
            let _ = waiting.tell.send(Err(error));
        }
    }
}

/// What a lookup right after this one would have found: of several callers one has won the lease, and the others see it there.
fn seen_after(item: Found) -> Found {
    match item {
        Found::Won(number) => Found::Item(Item {
            bytes: bytes::Bytes::new(),
            number: Some(number),
        }),
        other => other,
    }
}
