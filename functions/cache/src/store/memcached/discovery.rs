//! The list of servers: a fixed one, or that of an ElastiCache configuration endpoint.
//!
//! Nothing runs in the background on Lambda, so the first call after a minute, or after a failed
//! connect, requests the list again. Of the calls only the very first wait for it. If no valid list
//! arrives, the last one is still used.
//!
//! A verb waits for a list that is not older than a minute: what an outdated list of servers
//! acknowledges proves nothing. For a minute after a change it also asks the servers before it.

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
    both_clocks::BothClocks,
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
/// A request that is older than this does not run: its runtime is not driven, or the process was
/// frozen.
const ABANDONED_AFTER: Duration = Duration::from_secs(2);
/// For so long after a change another client may still read by the list before: it requests the
/// list a minute after it has last begun to, and waits a second for its answer.
const OVERLAP: Duration = Duration::from_secs(62);
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

/// The servers that have to acknowledge a verb.
#[derive(Debug)]
pub(super) struct Lists {
    present: Arc<Servers>,
    /// Those before it, by which other clients may still read.
    former: Vec<Arc<Servers>>,
    /// The configuration endpoint and its error, if the present list may be out of date.
    pub(super) outdated: Option<(String, StoreError)>,
}

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) server: Arc<Server>,
    /// Whether it is still in the list.
    listed: Listed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    Present,
    Formerly,
}

impl Lists {
    fn of(present: Arc<Servers>) -> Self {
        Self {
            present,
            former: Vec::new(),
            outdated: None,
        }
    }

    /// The servers that hold `key`, that of the present list first.
    pub(super) fn holding(&self, key: &str) -> Vec<Member> {
        let former = self.former.iter().map(|servers| servers.holding(key));
        self.members(std::iter::once(self.present.holding(key)).chain(former))
    }

    /// All servers.
    pub(super) fn all(&self) -> Vec<Member> {
        let former = self.former.iter().flat_map(|servers| &servers.all);
        self.members(self.present.all.iter().chain(former))
    }

    /// The servers of the present list.
    pub(super) fn present(&self) -> Vec<Member> {
        self.members(self.present.all.iter())
    }

    /// Each of `servers` once.
    fn members<'a>(&self, servers: impl Iterator<Item = &'a Arc<Server>>) -> Vec<Member> {
        let mut members: Vec<Member> = Vec::new();
        for server in servers {
            if members.iter().any(|known| known.server.name == server.name) {
                continue;
            }
            let mut present = self.present.all.iter();
            members.push(Member {
                server: server.clone(),
                listed: match present.any(|listed| listed.name == server.name) {
                    true => Listed::Present,
                    false => Listed::Formerly,
                },
            });
        }
        members
    }
}

impl Member {
    /// Whether `error` says that no client can read here: the server has left the list, and its
    /// machine refuses the connection. Any other error may be this process's own.
    pub(super) fn is_gone(&self, error: &StoreError) -> bool {
        self.listed == Listed::Formerly && *error == StoreError::Refused
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
    /// How many requests have ended.
    ended: watch::Sender<u64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    version: u64,
    /// When the request began that runs and that all wait for.
    refreshing: Option<BothClocks>,
    /// When the last request began that has ended.
    refreshed: Option<BothClocks>,
    /// For so long after that it is not requested again.
    pause: Duration,
    /// When the last request began that was answered.
    answered: Option<BothClocks>,
    /// So many requests in a row have failed, and why the last one has.
    failed: u32,
    error: Option<StoreError>,
    /// The lists before the present one, and when each of them was replaced: by the clock that is
    /// never ahead of the time that has passed.
    former: Vec<(Instant, Arc<Servers>)>,
}

impl State {
    /// Requests the list again soon; not all processes at the same moment.
    fn retry(&mut self) {
        let pause = RETRY_AFTER * (1 << self.failed.saturating_sub(1).min(DOUBLINGS));
        self.pause = pause + pause.mul_f64((random::u64() % 1000) as f64 / 2000.0);
    }

    fn is_refreshing(&self, now: BothClocks) -> bool {
        let refreshing = self.refreshing;
        refreshing.is_some_and(|begun| now.is_within(ABANDONED_AFTER, begun))
    }

    fn is_due(&self, now: BothClocks) -> bool {
        let refreshed = self.refreshed;
        !refreshed.is_some_and(|refreshed| now.is_within(self.pause, refreshed))
    }

    /// Whether the list is young enough for an acknowledgement.
    fn is_recent(&self, now: BothClocks) -> bool {
        let answered = self.answered;
        answered.is_some_and(|answered| now.is_within(REFRESH_INTERVAL, answered))
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
            ended: watch::Sender::new(0),
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

    /// The lists for a verb of one key. Requests the present one if it is older than the interval,
    /// also if the process was frozen since: at most `limit`.
    pub(super) async fn recent(&self, limit: Duration) -> Result<Lists, (String, StoreError)> {
        self.lists(|discovered| async move {
            let recent = tokio::time::timeout(limit, discovered.until_recent()).await;
            recent.unwrap_or(Err(StoreError::Timeout))
        })
        .await
    }

    /// The lists for a flush, which always requests the present one: it is rare, and concerns every
    /// server.
    pub(super) async fn current(&self, limit: Duration) -> Result<Lists, (String, StoreError)> {
        self.lists(|discovered| discovered.request(limit)).await
    }

    async fn lists<'a, Fut>(
        &'a self,
        refresh: impl FnOnce(&'a Arc<Discovered>) -> Fut,
    ) -> Result<Lists, (String, StoreError)>
    where
        Fut: Future<Output = Result<(), StoreError>>,
    {
        match self {
            Self::Fixed(servers) => Ok(Lists::of(servers.clone())),
            Self::Discovered(discovered) => discovered.lists(refresh(discovered).await),
        }
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
        self.0.state().refreshing = None;
        self.0.ended.send_modify(|ended| *ended += 1);
    }
}

impl Discovered {
    fn refresh_if_due(self: &Arc<Self>) {
        let mut state = self.state();
        let now = BothClocks::at(Instant::now());
        if state.is_refreshing(now) || !state.is_due(now) {
            return;
        }
        state.refreshing = Some(now);
        drop(state);
        let refreshing = RefreshGuard(self.clone());
        tokio::spawn(async move {
            // The error is kept for the verbs.
            let _ = refreshing.0.request(REFRESH_TIMEOUT).await;
        });
    }

    /// One request. If it is dropped, it leaves nothing behind.
    async fn request(&self, limit: Duration) -> Result<(), StoreError> {
        let begun = BothClocks::at(Instant::now());
        let answer = tokio::time::timeout(limit, self.fetch()).await;
        let applied = self.apply(begun, answer.unwrap_or(Err(StoreError::Timeout)));
        self.ended.send_modify(|ended| *ended += 1);
        applied
    }

    /// Waits for a list that is younger than the interval. An endpoint that has just failed is not
    /// asked again before its pause is over.
    async fn until_recent(self: &Arc<Self>) -> Result<(), StoreError> {
        let mut ended = self.ended.subscribe();
        loop {
            ended.borrow_and_update();
            let verdict = {
                let (state, now) = (self.state(), BothClocks::at(Instant::now()));
                match state.error {
                    _ if state.is_recent(now) => Some(Ok(())),
                    Some(error) if !state.is_refreshing(now) && !state.is_due(now) => {
                        Some(Err(error))
                    }
                    _ => None,
                }
            };
            if let Some(verdict) = verdict {
                return verdict;
            }
            self.refresh_if_due();
            ended.changed().await.map_err(|_| StoreError::Closed)?;
        }
    }

    /// The lists that are known, after a request that ended so.
    fn lists(&self, refreshed: Result<(), StoreError>) -> Result<Lists, (String, StoreError)> {
        let mut state = self.state();
        let outdated = refreshed
            .err()
            .map(|error| (self.dialer.to().to_string(), error));
        let Some(present) = self.servers.borrow().clone() else {
            let none = || (self.dialer.to().to_string(), StoreError::Closed);
            return Err(outdated.unwrap_or_else(none));
        };
        state
            .former
            .retain(|(replaced, _)| replaced.elapsed() < OVERLAP);
        let former = state.former.iter().map(|(_, servers)| servers.clone());
        Ok(Lists {
            present,
            former: former.collect(),
            outdated,
        })
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

    /// Takes over the answer to a request that has begun at `begun`.
    fn apply(
        &self,
        begun: BothClocks,
        answer: Result<Config, StoreError>,
    ) -> Result<(), StoreError> {
        let mut state = self.state();
        state.refreshed = later(state.refreshed, begun);
        state.error = answer.as_ref().err().copied();
        let Ok(config) = answer else {
            state.failed = state.failed.saturating_add(1);
            state.retry();
            return answer.map(drop);
        };
        state.failed = 0;
        state.pause = REFRESH_INTERVAL;
        state.answered = later(state.answered, begun);
        // The nodes of a cluster learn of a change one after the other, so an older list may arrive
        // after a newer one. But a cluster that was made anew begins again at 1: none of the nodes
        // that are known can be connected to.
        if config.version < state.version && !self.are_all_out_of_reach() {
            return Ok(());
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
                let former = servers.replace(Arc::new(new));
                state
                    .former
                    .extend(former.map(|former| (Instant::now(), former)));
            }
            changed
        });
        Ok(())
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

/// Of two requests, the time of the one that began last: it may have been answered first.
fn later(known: Option<BothClocks>, begun: BothClocks) -> Option<BothClocks> {
    let both = known.into_iter().chain([begun]);
    both.max_by_key(|time| time.running)
}

#[cfg(test)]
mod tests {
    use std::{io, time::SystemTime};

    use super::*;

    #[test]
    fn a_server_is_gone_if_it_has_left_the_list_and_refuses_connections() {
        let at = Endpoint::Tcp {
            host: "cache".to_owned(),
            port: 1,
        };
        let member = |listed| Member {
            server: Arc::new(Server::new(at.clone(), ConnectOptions::default())),
            listed,
        };
        let connect = |kind: io::ErrorKind| ConnectError::connect(&kind.into()).kind;
        let refused = connect(io::ErrorKind::ConnectionRefused);
        assert!(member(Listed::Formerly).is_gone(&refused));
        assert!(!member(Listed::Present).is_gone(&refused));
        // EMFILE has no kind of its own.
        for error in [
            connect(io::ErrorKind::HostUnreachable),
            connect(io::ErrorKind::Other),
            StoreError::Dns,
            StoreError::Tls,
            StoreError::Timeout,
        ] {
            assert!(!member(Listed::Formerly).is_gone(&error), "{error:?}");
        }
        assert!(connect(io::ErrorKind::HostUnreachable).may_be_moved());
    }

    #[test]
    fn an_answer_that_comes_late_makes_no_list_older() {
        let first = BothClocks::now();
        let second = BothClocks {
            running: first.running + Duration::from_secs(1),
            wall: first.wall - Duration::from_secs(9),
        };
        for (known, begun) in [(first, second), (second, first)] {
            let latest = later(Some(known), begun).map(|time| time.running);
            assert_eq!(latest, Some(second.running));
        }
    }

    /// A process that was frozen has one clock that stood still.
    #[test]
    fn a_list_is_as_old_as_either_clock_says() {
        let then = BothClocks {
            running: std::time::Instant::now(),
            wall: SystemTime::now(),
        };
        let state = State {
            refreshing: Some(then),
            refreshed: Some(then),
            pause: REFRESH_INTERVAL,
            answered: Some(then),
            ..State::default()
        };
        let after = |running, wall| BothClocks {
            running: then.running + Duration::from_secs(running),
            wall: then.wall + Duration::from_secs(wall),
        };
        for (running, wall, recent) in [(59, 59, true), (60, 0, false), (0, 60, false)] {
            let now = after(running, wall);
            assert_eq!(state.is_recent(now), recent, "{running} s and {wall} s");
            assert_eq!(state.is_due(now), !recent, "{running} s and {wall} s");
        }
        for (running, wall, runs) in [(1, 1, true), (2, 0, false), (0, 2, false)] {
            let now = after(running, wall);
            assert_eq!(state.is_refreshing(now), runs, "{running} s and {wall} s");
        }
        let set_back = BothClocks {
            wall: then.wall - Duration::from_secs(1),
            ..then
        };
        assert!(
            !state.is_recent(set_back),
            "nobody knows how much later it is"
        );
    }

    #[test]
    fn requests_that_fail_are_repeated_ever_later_and_not_all_at_once() {
        let pause = |failed| {
            let mut state = State {
                failed,
                ..State::default()
            };
            state.retry();
            state.pause.as_secs_f64()
        };
        for (failed, least) in [
            (0, 1.0),
            (1, 1.0),
            (2, 2.0),
            (3, 4.0),
            (5, 16.0),
            (99, 16.0),
        ] {
            let pauses: Vec<_> = (0..100).map(|_| pause(failed)).collect();
            assert!(
                pauses
                    .iter()
                    .all(|pause| (least..least * 1.5).contains(pause))
            );
            assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
        }
    }
}
