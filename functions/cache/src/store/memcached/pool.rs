//! A few connections to one server. Each is taken out for a whole exchange and only returned
//! after a clean end.
//!
//! A [`PooledConnection`] that is dropped closes its connection, so that a cancelled caller
//! leaves no bytes that another could read.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, oneshot};

use super::{
    super::StoreError,
    both_clocks::BothClocks,
    cause::{Causes, ConnectError},
    connect_options::ConnectOptions,
    connection::Connection,
    dialer::Dialer,
    handshake::{Keys, Learnt},
    socket::Endpoint,
};
use crate::runtime;

/// The most connections to one server. A Lambda environment needs one; a busy process shares these.
const MAX_CONNECTIONS: usize = 8;
/// The limit for a connect, independent of its caller's budget: otherwise it would be cancelled
/// and begun again for ever.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// A connection that was idle for longer, by either clock, is checked before it is used. One of the
/// clocks does not run while a Lambda environment is frozen.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Pool {
    dialer: Dialer,
    connect_options: ConnectOptions,
    learnt: Learnt,
    causes: Causes,
    state: Mutex<State>,
    /// A connection was returned, or another one may be opened.
    freed: Notify,
}

#[derive(Debug)]
struct State {
    idle: VecDeque<Idle>,
    /// Connections that exist or are being opened.
    open: usize,
    /// No connect has succeeded or failed yet.
    is_new: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            idle: VecDeque::new(),
            open: 0,
            is_new: true,
        }
    }
}

impl State {
    /// An idle connection that can be used, and the time of the check. The newest first, so that
    /// the server can close old ones without harm.
    ///
    /// One of this runtime, while another one may be opened: a connection is only woken while the
    /// runtime that has opened it runs, which may compute or be done.
    fn idle(&mut self, now: BothClocks) -> Option<(Connection, BothClocks)> {
        let here = runtime::last_seen();
        let is_of_here = |idle: &Idle| here.is_none_or(|here| here == idle.connection.runtime());
        loop {
            let newest = self.idle.back()?;
            // The newest one as a rule, and any if no other may be opened.
            let idle = if is_of_here(newest) {
                self.idle.pop_back()?
            } else if let Some(place) = self.idle.iter().rposition(is_of_here) {
                self.idle.remove(place)?
            } else if self.open < MAX_CONNECTIONS {
                return None;
            } else {
                self.idle.pop_back()?
            };
            if idle.is_usable(now) {
                return Some((idle.connection, now));
            }
            self.open -= 1;
        }
    }
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    /// When it was last taken or made, which is not later than it became idle.
    since: BothClocks,
}

impl Idle {
    fn is_usable(&self, now: BothClocks) -> bool {
        now.is_within(TRUSTED_IDLE, self.since) || self.connection.is_idle_and_open()
    }
}

/// A connection taken from the pool.
#[derive(Debug)]
pub(super) struct PooledConnection {
    pool: Arc<Pool>,
    connection: Option<Connection>,
    taken: BothClocks,
}

impl Pool {
    pub(super) fn new(to: Endpoint, connect_options: ConnectOptions) -> Arc<Self> {
        Arc::new(Self {
            dialer: Dialer::new(to),
            connect_options,
            learnt: Learnt::default(),
            causes: Causes::default(),
            state: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// A connection that can be used at once. As a rule there is one.
    pub(super) fn idle(self: &Arc<Self>, now: tokio::time::Instant) -> Option<PooledConnection> {
        let idle = self.state().idle(BothClocks::at(now));
        idle.map(|(connection, now)| self.check_out(connection, now))
    }

    /// Whether there never was a connection, and the first one may yet come.
    pub(super) fn is_new(&self) -> bool {
        self.state().is_new
    }

    /// A connection, idle or new.
    pub(super) async fn take(self: &Arc<Self>) -> Result<PooledConnection, StoreError> {
        let mut freed = pin!(self.freed.notified());
        loop {
            // Registered before the check, so that a connection returned in between is noticed.
            freed.set(self.freed.notified());
            freed.as_mut().enable();
            match self.idle_or_new() {
                Checkout::Idle(connection, now) => return Ok(self.check_out(connection, now)),
                Checkout::Full => freed.as_mut().await,
                Checkout::MayOpen => {
                    let mut connected = self.connect();
                    loop {
                        tokio::select! {
                            result = &mut connected => {
                                result.unwrap_or(Err(StoreError::Closed))?;
                                break;
                            }
                            () = freed.as_mut() => {
                                freed.set(self.freed.notified());
                                freed.as_mut().enable();
                                // Otherwise its own connect continues: if it were begun again, its
                                // failure would never be reported.
                                if let Some((connection, now)) = self.state().idle(BothClocks::now()) {
                                    return Ok(self.check_out(connection, now));
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Closes the idle connections: one of them was dead, and what closed it has closed the others
    /// too.
    pub(super) fn drain(&self) {
        let mut state = self.state();
        state.open -= state.idle.len();
        let dead = std::mem::take(&mut state.idle);
        drop(state);
        drop(dead);
        self.freed.notify_waiters();
    }

    /// Closes the connections that have lain idle, since one of the server's did not answer: what
    /// has forgotten that one, such as a NAT gateway, has forgotten them too. A new connection
    /// costs less than a call's budget.
    pub(super) fn close_rested(&self) {
        let now = BothClocks::now();
        let mut state = self.state();
        let rested = |idle: &Idle| !now.is_within(TRUSTED_IDLE, idle.since);
        let (rested, fresh): (VecDeque<_>, _) = std::mem::take(&mut state.idle)
            .into_iter()
            .partition(rested);
        state.idle = fresh;
        state.open -= rested.len();
        drop(state);
        if !rested.is_empty() {
            drop(rested);
            self.freed.notify_waiters();
        }
    }

    /// Where the server keeps keys, if that was found out.
    pub(super) fn keys(&self) -> Option<Keys> {
        self.learnt.keys()
    }

    /// Why the last connect has failed, if it has.
    pub(super) fn cause(&self) -> Option<Arc<str>> {
        self.causes.present()
    }

    fn idle_or_new(&self) -> Checkout {
        let mut state = self.state();
        if let Some((connection, now)) = state.idle(BothClocks::now()) {
            return Checkout::Idle(connection, now);
        }
        if state.open == MAX_CONNECTIONS {
            return Checkout::Full;
        }
        state.open += 1;
        Checkout::MayOpen
    }

    fn check_out(self: &Arc<Self>, connection: Connection, taken: BothClocks) -> PooledConnection {
        PooledConnection {
            pool: self.clone(),
            connection: Some(connection),
            taken,
        }
    }

    /// Connects in a task of its own. If the caller gives up, the connection serves the next one.
    fn connect(self: &Arc<Self>) -> oneshot::Receiver<Result<(), StoreError>> {
        let (sender, connected) = oneshot::channel();
        let opening = PendingConnection(Some(self.clone()));
        let pool = self.clone();
        tokio::spawn(async move {
            let opened = tokio::time::timeout(
                CONNECT_TIMEOUT,
                Connection::open(&pool.dialer, &pool.connect_options, &pool.learnt),
            );
            let opened = opened.await;
            pool.state().is_new = false;
            let error = match opened {
                Err(_) => ConnectError::new(StoreError::Timeout, "no greeting within a second"),
                Ok(Err(error)) => error,
                Ok(Ok(connection)) => {
                    pool.causes.forget();
                    let since = BothClocks::now();
                    pool.state().idle.push_back(Idle { connection, since });
                    opening.opened();
                    let _ = sender.send(Ok(()));
                    pool.freed.notify_one();
                    return;
                }
            };
            let error = pool.causes.note(pool.dialer.to(), error);
            let _ = sender.send(Err(error));
            drop(opening);
        });
        connected
    }

    /// One connection fewer. Wakes all that wait, since some wait for an idle one only.
    fn make_room(&self) {
        self.state().open -= 1;
        self.freed.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a connection that is being opened. If it is dropped, the connection has failed,
/// perhaps because its runtime ended and another one follows.
struct PendingConnection(Option<Arc<Pool>>);

impl PendingConnection {
    /// The connection is open and keeps its place.
    fn opened(mut self) {
        self.0 = None;
    }
}

impl Drop for PendingConnection {
    fn drop(&mut self) {
        if let Some(pool) = self.0.take() {
            pool.make_room();
        }
    }
}

enum Checkout {
    Idle(Connection, BothClocks),
    MayOpen,
    Full,
}

impl PooledConnection {
    pub(super) fn connection(&mut self) -> &mut Connection {
        self.connection
            .as_mut()
            .expect("a lent connection is there until it is put back")
    }

    /// Returns the connection if its last exchange ended cleanly; otherwise closes it.
    pub(super) fn put_back(mut self) {
        let clean = self.connection.take_if(|connection| connection.is_clean());
        if let Some(mut connection) = clean {
            connection.mark_used();
            // Not the present time: reading both clocks again would cost more than the check of a
            // connection that served for long.
            let since = self.taken;
            self.pool.state().idle.push_back(Idle { connection, since });
            self.pool.freed.notify_one();
            // `self` is dropped without a connection, so nothing is closed.
        }
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection);
            self.pool.make_room();
        }
    }
}
