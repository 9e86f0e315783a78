//! Which servers there are: a fixed list, or the one that an ElastiCache configuration endpoint tells.
//!
//! Lambda has no background, so a told list is asked for again by whoever comes a minute later, or after a connect that failed;
//! nobody waits for that but the very first. A list that does not come or makes no sense leaves the last good one in force.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::watch,
    time::Instant,
};

use super::{
    super::StoreError,
    connect_options::ConnectOptions,
    ring::Ring,
    server::Server,
    socket::{Endpoint, Socket},
    tls::Stream,
};

mod config;
use config::{Config, read};

/// AWS's own clients ask as often.
const REFRESH_INTERVAL: Duration = Duration::from_secs(60);
/// After a failure, and after a connect that failed, no sooner than this.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// One question may take this long, whatever its caller's budget.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(1);
/// Sixty nodes of 250 bytes each are fewer.
const MAX_REPLY: usize = 64 << 10;

/// The servers of one moment, and which keys each holds.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) all: Vec<Arc<Server>>,
    ring: Ring,
}

impl Servers {
    /// Servers that were there before keep their connections.
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

/// A list that a configuration endpoint tells.
#[derive(Debug)]
pub(super) struct Discovered {
    endpoint: Endpoint,
    connect_options: ConnectOptions,
    /// `None` until the first answer.
    servers: watch::Sender<Option<Arc<Servers>>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    refreshing: bool,
    /// When to ask again; `None`: at once.
    next_refresh: Option<Instant>,
    refreshed: Option<Instant>,
}

impl Topology {
    pub(super) fn fixed(endpoints: &[Endpoint], connect_options: &ConnectOptions) -> Self {
        Self::Fixed(Arc::new(Servers::new(endpoints, connect_options, &[])))
    }

    pub(super) fn discovered(endpoint: Endpoint, connect_options: ConnectOptions) -> Self {
        let servers = watch::Sender::new(None);
        Self::Discovered(Arc::new(Discovered {
            endpoint,
            connect_options,
            servers,
            state: Mutex::default(),
        }))
    }

    /// The servers as they are known; `None` until the first list was told.
    pub(super) fn known(&self) -> Option<Arc<Servers>> {
        match self {
            Self::Fixed(servers) => Some(servers.clone()),
            Self::Discovered(discovered) => {
                discovered.refresh_if_due();
                discovered.servers.borrow().clone()
            }
        }
    }

    /// The servers as they are known. Only the very first callers wait for them, `limit` at most.
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

    /// The servers as they are right now: an acknowledgement by yesterday's servers would be none.
    pub(super) async fn current(
        &self,
        limit: Duration,
    ) -> Result<Arc<Servers>, (String, StoreError)> {
        if let Self::Discovered(discovered) = self {
            let failed = |error| (discovered.endpoint.to_string(), error);
            let answer = tokio::time::timeout(limit, discovered.fetch()).await;
            let config = answer.unwrap_or(Err(StoreError::Timeout)).map_err(failed)?;
            discovered.apply(Some(config));
        }
        let servers = self.servers(limit).await;
        servers.map_err(|error| ("the configuration endpoint".to_owned(), error))
    }

    /// A server could not be connected to: the list may be out of date.
    pub(super) fn mark_suspect(&self) {
        if let Self::Discovered(discovered) = self {
            let mut state = discovered.state();
            state.next_refresh = state.refreshed.map(|refreshed| refreshed + RETRY_AFTER);
        }
    }
}

/// A question under way. Dropped unanswered, as with the runtime that asked it, the next caller asks again.
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
        let socket = Socket::connect(&self.endpoint)
            .await
            .map_err(|_| StoreError::Refused)?;
        let stream = Stream::new(self.connect_options.tls.as_ref(), &self.endpoint, socket).await;
        let mut stream = stream.map_err(|_| StoreError::Refused)?;
        let closed = |_| StoreError::Closed;
        stream
            .write_all(b"config get cluster\r\n")
            .await
            .map_err(closed)?;
        stream.flush().await.map_err(closed)?;
        let mut answer = Vec::new();
        loop {
            if let Some(config) = read(&answer)? {
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
            state.next_refresh = state.refreshed.map(|refreshed| refreshed + RETRY_AFTER);
            return;
        };
        state.next_refresh = state
            .refreshed
            .map(|refreshed| refreshed + REFRESH_INTERVAL);
        // Nodes of a cluster learn of a change one after the other: an older list may come after a newer one.
        if config.version < state.version {
            return;
        }
        state.version = config.version;
        // Published under the lock: of two answers the later version stays.
        let endpoints = match config.nodes {
            nodes if nodes.is_empty() => vec![self.endpoint.clone()],
            nodes => nodes,
        };
        self.servers.send_if_modified(|servers| {
            let before = servers.as_ref().map_or(&[][..], |servers| &servers.all);
            let names =
                |list: &[Arc<Server>]| list.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
            let new = Servers::new(&endpoints, &self.connect_options, before);
            let changed = names(before) != names(&new.all);
            if changed {
                *servers = Some(Arc::new(new));
            }
            changed
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
