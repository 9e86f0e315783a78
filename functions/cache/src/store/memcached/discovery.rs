//! The list of servers: a fixed one, or that of an ElastiCache configuration endpoint.
//!
//! Nothing runs in the background on Lambda, so the first call after a minute, or after a failed
//! connect, requests the list again. Only the very first calls wait for it. If no valid list
//! arrives, the last one is still used.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::watch,
    time::Instant,
};

use super::{
    super::StoreError,
    cause::{Causes, ConnectError},
    connect_options::ConnectOptions,
    dialer::Dialer,
    ring::Ring,
    server::Server,
    socket::Endpoint,
    tls::Stream,
};
use crate::random;

mod config;
use config::{Config, read};

/// The interval of AWS's own clients.
const REFRESH_INTERVAL: Duration = Duration::from_secs(60);
/// The shortest interval, after a failed request or a failed connect. It doubles with each request
/// that fails, up to this many times.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const DOUBLINGS: u32 = 4;
/// The limit for one request, independent of its caller's budget.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(1);
/// More than sixty nodes of 250 bytes each.
const MAX_REPLY: usize = 64 << 10;

/// One list of servers, and which keys each of them holds.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) all: Vec<Arc<Server>>,
    ring: Ring,
}

impl Servers {
    /// Servers that were in the old list keep their connections.
    fn new(
        endpoints: &[Endpoint],
        connect_options: &ConnectOptions,
        before: &[Arc<Server>],
    ) -> Self {
        let server = |endpoint: &Endpoint| {
            let name = endpoint.to_string();
            let kept = before.iter().find(|server| server.name == name).cloned();
            kept.unwrap_or_else(|| Arc::new(Server::new(endpoint.clone(), connect_options.clone())))
        };
        Self {
            all: endpoints.iter().map(server).collect(),
            ring: Ring::new(endpoints),
        }
    }

    /// The server that holds `key`. There is at least one.
    pub(super) fn holding(&self, key: &str) -> &Arc<Server> {
        match self.all.as_slice() {
            [only] => only,
            several => &several[self.ring.place(key)],
        }
    }
}

#[derive(Debug)]
pub(super) enum Topology {
    Fixed(Arc<Servers>),
    Discovered(Arc<Discovered>),
}

/// The list of a configuration endpoint.
#[derive(Debug)]
pub(super) struct Discovered {
    dialer: Dialer,
    causes: Causes,
    connect_options: ConnectOptions,
    /// `None` until the first answer.
    servers: watch::Sender<Option<Arc<Servers>>>,
    /// How often another list has come into force.
    changes: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    refreshing: bool,
    /// When to request it again; `None` is at once.
    next_refresh: Option<Instant>,
    refreshed: Option<Instant>,
    /// So many requests in a row have failed.
    failed: u32,
}

impl State {
    /// Requests the list again soon; not all processes at the same moment.
    fn retry(&mut self) {
        let pause = RETRY_AFTER * (1 << self.failed.saturating_sub(1).min(DOUBLINGS));
        let jitter = pause.mul_f64((random::u64() % 1000) as f64 / 2000.0);
        self.next_refresh = self.refreshed.map(|refreshed| refreshed + pause + jitter);
    }
}

impl Topology {
    pub(super) fn fixed(endpoints: &[Endpoint], connect_options: &ConnectOptions) -> Self {
        Self::Fixed(Arc::new(Servers::new(endpoints, connect_options, &[])))
    }

    pub(super) fn discovered(endpoint: Endpoint, connect_options: ConnectOptions) -> Self {
        let servers = watch::Sender::new(None);
        Self::Discovered(Arc::new(Discovered {
            dialer: Dialer::new(endpoint),
            causes: Causes::default(),
            connect_options,
            servers,
            changes: AtomicU64::new(0),
            state: Mutex::default(),
        }))
    }

    /// The servers of the last list; `None` until the first one has arrived.
    pub(super) fn known(&self) -> Option<Arc<Servers>> {
        match self {
            Self::Fixed(servers) => Some(servers.clone()),
            Self::Discovered(discovered) => {
                discovered.refresh_if_due();
                discovered.servers.borrow().clone()
            }
        }
    }

    /// How often the list has changed.
    pub(super) fn changes(&self) -> u64 {
        match self {
            Self::Fixed(_) => 0,
            Self::Discovered(discovered) => discovered.changes.load(Ordering::SeqCst),
        }
    }

    /// The servers of the last list. Only the very first callers wait for one, at most `limit`.
    pub(super) async fn servers(&self, limit: Duration) -> Result<Arc<Servers>, StoreError> {
        if let Some(servers) = self.known() {
            return Ok(servers);
        }
        let Self::Discovered(discovered) = self else {
            return Err(StoreError::Closed);
        };
        let mut first = discovered.servers.subscribe();
        let first = tokio::time::timeout(limit, first.wait_for(Option::is_some)).await;
        let servers = first
            .map_err(|_| StoreError::Timeout)?
            .map_err(|_| StoreError::Closed)?;
        servers.clone().ok_or(StoreError::Closed)
    }

    /// Requests the list first: a flush acknowledged by an outdated list of servers proves nothing.
    pub(super) async fn current(
        &self,
        limit: Duration,
    ) -> Result<Arc<Servers>, (String, StoreError)> {
        if let Self::Discovered(discovered) = self {
            let failed = |error| (discovered.dialer.to().to_string(), error);
            // Otherwise `servers` below would ask a second time.
            discovered.state().refreshed = Some(Instant::now());
            let answer = tokio::time::timeout(limit, discovered.fetch()).await;
            let config = answer.unwrap_or(Err(StoreError::Timeout)).map_err(failed)?;
            discovered.apply(Some(config));
        }
        let servers = self.servers(limit).await;
        servers.map_err(|error| ("the configuration endpoint".to_owned(), error))
    }

    /// Why the last connect to a server or to the configuration endpoint has failed, if it has.
    pub(super) fn cause(&self, server: &str) -> Option<Arc<str>> {
        let (servers, endpoint) = match self {
            Self::Fixed(servers) => (Some(servers.clone()), None),
            Self::Discovered(discovered) => {
                let is_it = discovered.dialer.to().to_string() == server;
                let endpoint = is_it.then(|| discovered.causes.present());
                (discovered.servers.borrow().clone(), endpoint.flatten())
            }
        };
        let servers = servers.iter().flat_map(|servers| &servers.all);
        let mut named = servers.filter(|one| one.name == server);
        endpoint.or_else(|| named.find_map(|server| server.cause()))
    }

    /// A server could not be connected to: the list may be out of date.
    pub(super) fn mark_suspect(&self) {
        if let Self::Discovered(discovered) = self {
            discovered.state().retry();
        }
    }
}

/// A running request. If it is dropped without an answer, for instance with its runtime, the next
/// caller repeats it.
struct RefreshGuard(Arc<Discovered>);

impl Drop for RefreshGuard {
    fn drop(&mut self) {
        self.0.state().refreshing = false;
    }
}

impl Discovered {
    fn refresh_if_due(self: &Arc<Self>) {
        let mut state = self.state();
        let now = Instant::now();
        if state.refreshing
            || state
                .next_refresh
                .is_some_and(|next_refresh| now < next_refresh)
        {
            return;
        }
        (state.refreshing, state.refreshed) = (true, Some(now));
        drop(state);
        let refreshing = RefreshGuard(self.clone());
        tokio::spawn(async move {
            let answer = tokio::time::timeout(REFRESH_TIMEOUT, refreshing.0.fetch()).await;
            refreshing.0.apply(answer.ok().and_then(Result::ok));
        });
    }

    async fn fetch(&self) -> Result<Config, StoreError> {
        let noted = |error| self.causes.note(self.dialer.to(), error);
        let dialled = self.dialer.dial().await.map_err(noted)?;
        let (tls, socket) = (self.connect_options.tls.as_ref(), dialled.socket().clone());
        let stream = Stream::new(tls, self.dialer.to(), socket).await;
        let mut stream = stream.map_err(|error| noted(ConnectError::tls(&error)))?;
        let closed = |_| StoreError::Closed;
        stream
            .write_all(b"config get cluster\r\n")
            .await
            .map_err(closed)?;
        stream.flush().await.map_err(closed)?;
        let mut answer = Vec::new();
        loop {
            if let Some(config) = read(&answer)? {
                dialled.greeted();
                self.causes.forget();
                return Ok(config);
            }
            if answer.len() > MAX_REPLY {
                return Err(StoreError::Protocol);
            }
            if stream.read_buf(&mut answer).await.map_err(closed)? == 0 {
                return Err(StoreError::Closed);
            }
        }
    }

    fn apply(&self, config: Option<Config>) {
        let mut state = self.state();
        let Some(config) = config else {
            state.failed = state.failed.saturating_add(1);
            state.retry();
            return;
        };
        state.failed = 0;
        state.next_refresh = state
            .refreshed
            .map(|refreshed| refreshed + REFRESH_INTERVAL);
        // The nodes of a cluster learn of a change one after the other, so an older list may arrive
        // after a newer one. But a cluster that was made anew begins again at 1: none of the nodes
        // that are known can be connected to.
        if config.version < state.version && !self.are_all_out_of_reach() {
            return;
        }
        state.version = config.version;
        // Published under the lock, so that of two answers the later version stays.
        let endpoints = match config.nodes {
            nodes if nodes.is_empty() => vec![self.dialer.to().clone()],
            nodes => nodes,
        };
        self.servers.send_if_modified(|servers| {
            let before = servers.as_ref().map_or(&[][..], |servers| &servers.all);
            let names =
                |list: &[Arc<Server>]| list.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
            let new = Servers::new(&endpoints, &self.connect_options, before);
            let changed = names(before) != names(&new.all);
            if changed {
                // Before the new list can be read: who notes the old number and gets the new list
                // makes no copy.
                self.changes.fetch_add(1, Ordering::SeqCst);
                *servers = Some(Arc::new(new));
            }
            changed
        });
    }

    fn are_all_out_of_reach(&self) -> bool {
        let servers = self.servers.borrow();
        let mut all = servers.iter().flat_map(|servers| &servers.all);
        all.all(|server| server.cause().is_some())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
