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
    connect_options::How,
    ring::Ring,
    server::Server,
    socket::{Endpoint, Socket},
    tls::Stream,
};

mod config;
use config::{Config, read};

/// AWS's own clients ask as often.
const FRESH: Duration = Duration::from_secs(60);
/// After a failure, and after a connect that failed, no sooner than this.
const AGAIN: Duration = Duration::from_secs(1);
/// One question may take this long, whatever its caller's budget.
const PATIENCE: Duration = Duration::from_secs(1);
/// Sixty nodes of 250 bytes each are fewer.
const MOST: usize = 64 << 10;

/// The servers of one moment, and which keys each holds.
#[derive(Debug)]
pub(super) struct Servers {
    pub(super) all: Vec<Arc<Server>>,
    ring: Ring,
}

impl Servers {
    /// Servers that were there before keep their connections.
    fn new(endpoints: &[Endpoint], how: &How, before: &[Arc<Server>]) -> Self {
        let server = |endpoint: &Endpoint| {
            let name = endpoint.to_string();
            let kept = before.iter().find(|server| server.name == name).cloned();
            kept.unwrap_or_else(|| Arc::new(Server::new(endpoint.clone(), how.clone())))
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
    Told(Arc<Told>),
}

/// A list that a configuration endpoint tells.
#[derive(Debug)]
pub(super) struct Told {
    endpoint: Endpoint,
    how: How,
    /// `None` until the first answer.
    servers: watch::Sender<Option<Arc<Servers>>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    asking: bool,
    /// When to ask again; `None`: at once.
    due: Option<Instant>,
    asked: Option<Instant>,
}

impl Topology {
    pub(super) fn fixed(endpoints: &[Endpoint], how: &How) -> Self {
        Self::Fixed(Arc::new(Servers::new(endpoints, how, &[])))
    }

    pub(super) fn told(endpoint: Endpoint, how: How) -> Self {
        let servers = watch::Sender::new(None);
        Self::Told(Arc::new(Told {
            endpoint,
            how,
            servers,
            state: Mutex::default(),
        }))
    }

    /// The servers as they are known; `None` until the first list was told.
    pub(super) fn known(&self) -> Option<Arc<Servers>> {
        match self {
            Self::Fixed(servers) => Some(servers.clone()),
            Self::Told(told) => {
                told.ask_if_due();
                told.servers.borrow().clone()
            }
        }
    }

    /// The servers as they are known. Only the very first callers wait for them, `limit` at most.
    pub(super) async fn servers(&self, limit: Duration) -> Result<Arc<Servers>, StoreError> {
        if let Some(servers) = self.known() {
            return Ok(servers);
        }
        let Self::Told(told) = self else {
            return Err(StoreError::Closed);
        };
        let mut first = told.servers.subscribe();
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
        if let Self::Told(told) = self {
            let failed = |error| (told.endpoint.to_string(), error);
            let answer = tokio::time::timeout(limit, told.ask()).await;
            let config = answer.unwrap_or(Err(StoreError::Timeout)).map_err(failed)?;
            told.learn(Some(config));
        }
        let servers = self.servers(limit).await;
        servers.map_err(|error| ("the configuration endpoint".to_owned(), error))
    }

    /// A server could not be connected to: the list may be out of date.
    pub(super) fn doubt(&self) {
        if let Self::Told(told) = self {
            let mut state = told.state();
            state.due = state.asked.map(|asked| asked + AGAIN);
        }
    }
}

/// A question under way. Dropped unanswered, as with the runtime that asked it, the next caller asks again.
struct Asking(Arc<Told>);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.state().asking = false;
    }
}

impl Told {
    fn ask_if_due(self: &Arc<Self>) {
        let mut state = self.state();
        let now = Instant::now();
        if state.asking || state.due.is_some_and(|due| now < due) {
            return;
        }
        (state.asking, state.asked) = (true, Some(now));
        drop(state);
        let asking = Asking(self.clone());
        tokio::spawn(async move {
            let answer = tokio::time::timeout(PATIENCE, asking.0.ask()).await;
            asking.0.learn(answer.ok().and_then(Result::ok));
        });
    }

    async fn ask(&self) -> Result<Config, StoreError> {
        let socket = Socket::connect(&self.endpoint)
            .await
            .map_err(|_| StoreError::Refused)?;
        let stream = Stream::new(self.how.tls.as_ref(), &self.endpoint, socket).await;
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
            if answer.len() > MOST {
                return Err(StoreError::Protocol);
            }
            if stream.read_buf(&mut answer).await.map_err(closed)? == 0 {
                return Err(StoreError::Closed);
            }
        }
    }

    fn learn(&self, config: Option<Config>) {
        let mut state = self.state();
        let Some(config) = config else {
            state.due = state.asked.map(|asked| asked + AGAIN);
            return;
        };
        state.due = state.asked.map(|asked| asked + FRESH);
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
            let new = Servers::new(&endpoints, &self.how, before);
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
