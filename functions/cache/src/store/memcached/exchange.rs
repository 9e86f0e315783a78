//! Exchanges with one server, and which task finishes them.
//!
//! The caller who began an exchange polls it, which is the cheapest way. It never depends on that
//! caller alone: an exchange that is left, or that is not polled while others wait, goes on in a
//! task. One exchange is one event for the breaker, however many callers share it: its answer, or
//! that there was none in time. An answer that comes later says nothing good about the server.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    time::{Instant, sleep, timeout_at},
};

use super::{
    super::StoreError,
    breaker::Breaker,
    command::{Answer, Command},
    connect_options::ConnectOptions,
    limits::AT_ONCE,
    pool::{Pool, PooledConnection},
    socket::Endpoint,
};
use crate::{key::CacheKeys, runtime};

/// Exchanges that callers poll themselves: half of what a server may be connected to.
const OWN: usize = 4;
/// A caller that has not ended its exchange after so long may not be polled.
const UNPOLLED: Duration = Duration::from_millis(2);
/// What an exchange that its caller has left may still take, until its connection is closed.
const LEFT: Duration = Duration::from_millis(500);

type Running = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// The exchanges with one server.
#[derive(Debug)]
pub(super) struct Exchanges {
    pool: Arc<Pool>,
    breaker: Breaker,
    /// How many exchanges their callers poll: read without the lock.
    count: AtomicUsize,
    polled: Mutex<Vec<Arc<Exchange>>>,
}

impl Exchanges {
    pub(super) fn new(endpoint: Endpoint, connect_options: ConnectOptions) -> Arc<Self> {
        let breaker = Breaker::new(endpoint.to_string(), connect_options.breaker_watch.clone());
        Arc::new(Self {
            pool: Pool::new(endpoint, connect_options),
            breaker,
            count: AtomicUsize::new(0),
            polled: Mutex::default(),
        })
    }

    pub(super) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// A connection for a caller that polls its exchange itself, if there is room for one more.
    pub(super) fn own_connection(&self, now: Instant) -> Option<PooledConnection> {
        if self.count.load(Ordering::Relaxed) < OWN {
            self.pool.idle(now, runtime::last_seen())
        } else {
            None
        }
    }

    /// Begins an exchange that its caller polls. To be polled at once: it has a connection.
    pub(super) fn begin(
        self: &Arc<Self>,
        command: Command,
        begun: Instant,
        until: Instant,
        pooled: PooledConnection,
    ) -> Own {
        let exchange = Arc::new(Exchange {
            exchanges: self.clone(),
            command,
            begun,
            until,
            left: AtomicBool::new(false),
            state: Mutex::new(State::Ended),
        });
        *exchange.state() = State::Polled(Box::pin(exchange.clone().run(pooled)), None);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.polled().push(exchange.clone());
        Own(exchange)
    }

    /// One exchange for a task, on an idle or new connection.
    pub(super) async fn attempt(self: &Arc<Self>, command: Arc<Command>, until: Instant) -> Answer {
        let begun = Instant::now();
        let pooled = match timeout_at(until, self.connection()).await {
            Ok(Ok(pooled)) => pooled,
            Ok(Err(error)) => {
                self.breaker.failure();
                return Err(error);
            }
            Err(_) => {
                // The server was busy with others, or its first connection takes its time.
                if !self.breaker.has_succeeded_since(begun) && !self.pool.is_new() {
                    self.breaker.failure();
                }
                return Err(StoreError::Timeout);
            }
        };
        let (exchanges, asked) = (self.clone(), command.clone());
        let mut running: Running = Box::pin(async move {
            let answer = exchanges.exchange(&asked, pooled).await;
            if Instant::now() <= until {
                exchanges.count(&answer, begun);
            }
            answer
        });
        if let Ok(answer) = timeout_at(until, &mut running).await {
            return answer;
        }
        self.breaker.failure();
        self.pool.close_rested();
        if command.may_win() {
            let exchanges = self.clone();
            spawn(async move {
                if let Ok(answer) = timeout_at(until + LEFT, running).await {
                    exchanges.give_back(&command, &answer);
                }
            });
        }
        Err(StoreError::Timeout)
    }

    /// Runs `command`, and once more on a new connection if the server has closed this one.
    async fn exchange(&self, command: &Command, mut pooled: PooledConnection) -> Answer {
        let used = pooled.connection().used();
        let mut answer = pooled.connection().run(command).await;
        pooled.put_back();
        if used && matches!(answer, Err(StoreError::Closed)) && command.is_repeatable() {
            // Boxed, so that the usual exchange's future does not include this one.
            answer = Box::pin(self.repeat(command)).await;
        }
        answer
    }

    /// Counts an answer that came in time.
    fn count(&self, answer: &Answer, begun: Instant) {
        match answer {
            Ok(_) | Err(StoreError::Oversize) => self.breaker.success(begun),
            // About one item, and nothing about the server.
            Err(StoreError::Full | StoreError::Rejected) => {}
            Err(_) => self.breaker.failure(),
        }
    }

    /// The server has closed the idle connection, or has restarted.
    async fn repeat(&self, command: &Command) -> Answer {
        self.pool.drain();
        let mut pooled = self.connection().await?;
        let answer = pooled.connection().run(command).await;
        pooled.put_back();
        answer
    }

    /// A connection, idle or new. While none comes, those that unpolled callers hold are freed.
    async fn connection(&self) -> Result<PooledConnection, StoreError> {
        if let Some(pooled) = self.pool.idle(Instant::now(), runtime::present()) {
            return Ok(pooled);
        }
        let mut taken = pin!(self.pool.take());
        loop {
            tokio::select! {
                biased;
                pooled = &mut taken => return pooled,
                () = sleep(UNPOLLED) => self.adopt(),
            }
        }
    }

    /// Has tasks go on with exchanges that their callers have not ended for a while.
    pub(super) fn adopt(&self) {
        let mut adopted = Vec::new();
        self.polled().retain(|exchange| match exchange.adopt() {
            Some(running) => {
                adopted.push((Ends(exchange.clone()), running));
                false
            }
            None => true,
        });
        self.count.fetch_sub(adopted.len(), Ordering::Relaxed);
        // No lock is held: a runtime that shuts down drops the task here, which ends the exchange.
        for (ends, running) in adopted {
            spawn(ends.of(running));
        }
    }

    fn leave(&self, exchange: &Arc<Exchange>) {
        let mut polled = self.polled();
        if let Some(place) = polled.iter().position(|one| Arc::ptr_eq(one, exchange)) {
            let one = polled.swap_remove(place);
            drop(polled);
            self.count.fetch_sub(1, Ordering::Relaxed);
            drop(one);
        }
    }

    /// No caller is left to use what `answer` has won.
    pub(super) fn give_back(self: &Arc<Self>, command: &Command, answer: &Answer) {
        if let Ok(reply) = answer {
            self.remove(command.won(reply));
        }
    }

    /// Removes leases that no caller holds, in one task.
    pub(super) fn remove(self: &Arc<Self>, won: Vec<(CacheKeys, u64)>) {
        if won.is_empty() {
            return;
        }
        let exchanges = self.clone();
        spawn(async move {
            for some in won.chunks(AT_ONCE) {
                let command = Command::Remove(some.to_vec()).into();
                // No answer: the leases end by themselves.
                let _ = exchanges.attempt(command, Instant::now() + LEFT).await;
            }
        });
    }

    fn polled(&self) -> MutexGuard<'_, Vec<Arc<Exchange>>> {
        self.polled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Outside a runtime nothing goes on: connections are closed.
fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(task);
    }
}

/// An exchange that its caller has begun.
struct Exchange {
    exchanges: Arc<Exchanges>,
    command: Command,
    begun: Instant,
    /// Until then its caller waits.
    until: Instant,
    /// Whether its caller has left it, to a task or for good: then its answer may be a late one.
    left: AtomicBool,
    state: Mutex<State>,
}

enum State {
    /// Its caller polls it, and is woken where it was last polled.
    Polled(Running, Option<Waker>),
    /// A task polls it. The caller is to be woken.
    Adopted(Option<Waker>),
    Answered(Answer),
    /// The caller has its answer, or has left.
    Ended,
}

impl Exchange {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self: Arc<Self>, pooled: PooledConnection) -> Answer {
        let exchanges = &self.exchanges;
        let answer = exchanges.exchange(&self.command, pooled).await;
        // Most exchanges are not left, and do without this reading of the clock.
        if !self.left.load(Ordering::Relaxed) || Instant::now() <= self.until {
            exchanges.count(&answer, self.begun);
        }
        answer
    }

    /// What a task goes on with. Nothing if its caller polls it right now, or has just begun.
    fn adopt(&self) -> Option<Running> {
        let mut state = self.state.try_lock().ok()?;
        if self.begun.elapsed() < UNPOLLED || Handle::try_current().is_err() {
            return None;
        }
        match std::mem::replace(&mut *state, State::Ended) {
            State::Polled(running, waker) => {
                self.left.store(true, Ordering::Relaxed);
                *state = State::Adopted(waker);
                Some(running)
            }
            other => {
                *state = other;
                None
            }
        }
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("command", &self.command)
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}

/// A task's duty to hand over how an exchange ended: also if the task's runtime shuts down.
struct Ends(Arc<Exchange>);

impl Ends {
    async fn of(self, running: Running) {
        if let Ok(answer) = timeout_at(self.0.until + LEFT, running).await {
            self.with(answer);
        }
    }

    fn with(&self, answer: Answer) {
        let mut state = self.0.state();
        match &mut *state {
            State::Adopted(waker) => {
                let waker = waker.take();
                *state = State::Answered(answer);
                drop(state);
                waker.inspect(Waker::wake_by_ref);
            }
            State::Ended => {
                drop(state);
                self.0.exchanges.give_back(&self.0.command, &answer);
            }
            State::Polled(..) | State::Answered(_) => {}
        }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.with(Err(StoreError::Closed));
    }
}

/// A caller's own exchange.
pub(super) struct Own(Arc<Exchange>);

impl Own {
    /// The caller's time is over, and the server has not answered. A late answer that may be a
    /// lease is read; otherwise the exchange ends here, unless a task has it already.
    pub(super) fn time_out(&mut self) {
        self.0.left.store(true, Ordering::Relaxed);
        self.0.exchanges.breaker.failure();
        self.0.exchanges.pool.close_rested();
        if !self.0.command.may_win() {
            *self.0.state() = State::Ended;
        }
    }
}

impl Future for Own {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let mut state = self.0.state();
        match &mut *state {
            State::Polled(running, waker) => {
                let polled = running.as_mut().poll(cx);
                if polled.is_pending() {
                    keep(waker, cx);
                    return polled;
                }
                let ended = std::mem::replace(&mut *state, State::Ended);
                drop(state);
                drop(ended);
                polled
            }
            State::Adopted(waker) => {
                keep(waker, cx);
                Poll::Pending
            }
            State::Answered(_) | State::Ended => {
                match std::mem::replace(&mut *state, State::Ended) {
                    State::Answered(answer) => Poll::Ready(answer),
                    _ => Poll::Ready(Err(StoreError::Closed)),
                }
            }
        }
    }
}

fn keep(waker: &mut Option<Waker>, cx: &Context<'_>) {
    match waker {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *waker = Some(cx.waker().clone()),
    }
}

impl Drop for Own {
    /// A task reads an exchange that its caller leaves to its end, and gives back what it wins.
    fn drop(&mut self) {
        let exchange = &self.0;
        exchange.exchanges.leave(exchange);
        let mut state = exchange.state();
        if let State::Ended = *state {
            return;
        }
        exchange.left.store(true, Ordering::Relaxed);
        let left = std::mem::replace(&mut *state, State::Ended);
        drop(state);
        match left {
            State::Ended | State::Adopted(_) => {}
            State::Answered(answer) => exchange.exchanges.give_back(&exchange.command, &answer),
            State::Polled(running, _) => spawn(Ends(exchange.clone()).of(running)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, F>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    /// A multi-thread runtime drops what is spawned while it shuts down at once, on the thread that
    /// spawns it.
    #[test]
    fn an_exchange_that_a_closed_runtime_adopts_ends() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let handle = runtime.handle().clone();
        drop(runtime);
        let (sender, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let _context = handle.enter();
            let endpoint = Endpoint::Tcp {
                host: "127.0.0.1".into(),
                port: 1,
            };
            let exchanges = Exchanges::new(endpoint, ConnectOptions::default());
            let begun = Instant::now() - 2 * UNPOLLED;
            let exchange = Arc::new(Exchange {
                exchanges: exchanges.clone(),
                command: Command::Ping,
                begun,
                until: begun + LEFT,
                left: AtomicBool::new(false),
                state: Mutex::new(State::Polled(Box::pin(std::future::pending()), None)),
            });
            exchanges.polled().push(exchange.clone());
            exchanges.count.fetch_add(1, Ordering::Relaxed);
            exchanges.adopt();
            let answered = matches!(*exchange.state(), State::Answered(Err(StoreError::Closed)));
            sender.send(answered).unwrap();
        });
        let answered = ended.recv_timeout(Duration::from_secs(30));
        assert_eq!(
            answered,
            Ok(true),
            "it neither ended nor let go of its locks"
        );
    }

    /// glibc keeps quick lists up to 1,032 bytes.
    #[test]
    fn an_exchange_is_small() {
        let run = |(exchange, pooled): (Arc<Exchange>, PooledConnection)| exchange.run(pooled);
        assert!(size(run) <= 1032, "{}", size(run));
    }
}
