//! Connects to a server by its name or address.
//!
//! The addresses of a name are tried beside each other, each a moment after the one before, as
//! RFC 8305 has it: an address from which nothing comes back costs that moment and not the whole
//! connect. The address that worked comes first next time, and one that did not comes last. A name
//! is resolved at each connect, since a replaced node keeps its name but not its address.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::{net::TcpStream, sync::watch, time::sleep};

use super::{
    super::StoreError,
    cause::ConnectError,
    socket::{Endpoint, Socket},
};

/// How long an address may take before the next one is tried beside it. RFC 8305 says 250 ms for
/// the internet; a cache is near, and a call's budget is 50 ms.
const STAGGER: Duration = Duration::from_millis(15);

#[derive(Debug)]
pub(super) struct Dialer {
    to: Endpoint,
    resolver: Resolver,
    seen: Mutex<Seen>,
}

/// What the last connects have shown about the addresses.
#[derive(Debug, Default)]
struct Seen {
    worked: Option<SocketAddr>,
    failed: Option<SocketAddr>,
}

impl Dialer {
    pub(super) fn new(to: Endpoint) -> Self {
        Self {
            to,
            resolver: Resolver::default(),
            seen: Mutex::default(),
        }
    }

    pub(super) fn to(&self) -> &Endpoint {
        &self.to
    }

    pub(super) async fn dial(&self) -> Result<Dialled<'_>, ConnectError> {
        self.dial_by(lookup).await
    }

    /// `lookup` finds the addresses of a name.
    async fn dial_by<Fut>(
        &self,
        lookup: impl FnOnce(String, u16) -> Fut,
    ) -> Result<Dialled<'_>, ConnectError>
    where
        Fut: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        let (host, port) = match &self.to {
            #[cfg(unix)]
            Endpoint::Unix(path) => {
                let socket = Socket::unix(path).await;
                let socket = socket.map_err(|error| ConnectError::connect(&error))?;
                return Ok(self.dialled(socket, None));
            }
            Endpoint::Tcp { host, port } => (host, *port),
        };
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => {
                let lookup = lookup(host.clone(), port);
                let found = self.resolver.resolve(lookup).await;
                found.map_err(|error| ConnectError::new(StoreError::Dns, error.to_string()))?
            }
        };
        let (stream, address) = self
            .race(self.in_order(addresses))
            .await
            .map_err(|error| ConnectError::connect(&error))?;
        let socket = Socket::tcp(stream).map_err(|error| ConnectError::connect(&error))?;
        Ok(self.dialled(socket, Some(address)))
    }

    fn dialled(&self, socket: Socket, address: Option<SocketAddr>) -> Dialled<'_> {
        let failed = address;
        Dialled {
            dialer: self,
            socket,
            address,
            failed,
        }
    }

    /// The one that worked first, the one that failed last; in between IPv6 and IPv4 in turn.
    fn in_order(&self, addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
        let Seen { worked, failed } = *self.seen();
        let mut in_order = alternating(addresses);
        in_order.sort_by_key(|address| match Some(*address) {
            one if one == worked => 0,
            one if one == failed => 2,
            _ => 1,
        });
        in_order
    }

    /// Connects to the first of `addresses` that answers. The error is that of the first one.
    async fn race(&self, addresses: Vec<SocketAddr>) -> io::Result<(TcpStream, SocketAddr)> {
        let (mut attempts, mut rest) = (FuturesUnordered::new(), addresses.into_iter());
        let mut failed = None;
        loop {
            let is_last = match rest.next() {
                Some(address) => {
                    attempts.push(async move { (TcpStream::connect(address).await, address) });
                    false
                }
                None => true,
            };
            let ended = tokio::select! {
                biased;
                ended = attempts.next() => ended,
                () = sleep(STAGGER), if !is_last => continue,
            };
            match ended {
                Some((Ok(stream), address)) => return Ok((stream, address)),
                Some((Err(error), address)) => {
                    self.seen().note_failure(address);
                    failed.get_or_insert(error);
                }
                None if is_last => {
                    let none = || io::Error::other("the name has no address");
                    return Err(failed.unwrap_or_else(none));
                }
                None => {}
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn note_failure(&mut self, address: SocketAddr) {
        self.worked = self.worked.filter(|worked| *worked != address);
        self.failed = Some(address);
    }
}

/// A connection to a server that has not greeted yet. If it is dropped before that, its address
/// comes last in the next connect.
#[derive(Debug)]
pub(super) struct Dialled<'a> {
    dialer: &'a Dialer,
    socket: Socket,
    address: Option<SocketAddr>,
    failed: Option<SocketAddr>,
}

impl Dialled<'_> {
    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// The server has greeted.
    pub(super) fn greeted(mut self) {
        self.failed = None;
        if let Some(address) = self.address {
            self.dialer.seen().worked = Some(address);
        }
    }
}

impl Drop for Dialled<'_> {
    fn drop(&mut self) {
        if let Some(address) = self.failed {
            self.dialer.seen().note_failure(address);
        }
    }
}

/// IPv6 and IPv4 addresses in turn, each in its own order.
fn alternating(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first = addresses.first().map(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| Some(address.is_ipv6()) == first);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut mixed = Vec::new();
    loop {
        let pair = [one.next(), other.next()];
        if pair == [None, None] {
            return mixed;
        }
        mixed.extend(pair.into_iter().flatten());
    }
}

async fn lookup(host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

type Answer = Result<Vec<SocketAddr>, Arc<io::Error>>;

/// Resolves a name in one task at a time: the operating system's resolver blocks a thread for as
/// long as its servers are silent, and all who connect meanwhile wait for the same answer.
#[derive(Debug, Default)]
struct Resolver(Mutex<Option<watch::Receiver<Option<Answer>>>>);

impl Resolver {
    async fn resolve(
        &self,
        lookup: impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    ) -> Answer {
        let ended = || {
            Arc::new(io::Error::other(
                "the runtime that resolves names has ended",
            ))
        };
        let mut running = self.running(lookup);
        let answer = running.wait_for(Option::is_some).await;
        let answer = answer.map_err(|_| ended())?;
        answer.clone().unwrap_or_else(|| Err(ended()))
    }

    /// The lookup that runs, or a new one.
    fn running(
        &self,
        lookup: impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    ) -> watch::Receiver<Option<Answer>> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*last
            && running.borrow().is_none()
            && running.has_changed().is_ok()
        {
            return running.clone();
        }
        let (sender, running) = watch::channel(None);
        tokio::spawn(async move {
            let answer = lookup.await.map_err(Arc::new);
            sender.send_replace(Some(answer));
        });
        *last = Some(running.clone());
        running
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::net::TcpSocket;

    use super::*;

    fn dialer() -> Dialer {
        Dialer::new(Endpoint::Tcp {
            host: "cache".to_owned(),
            port: 1,
        })
    }

    fn listening(backlog: u32) -> (tokio::net::TcpListener, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(backlog).unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// An address that answers no connect: its queue is full, and nothing is taken from it.
    async fn silent() -> (tokio::net::TcpListener, Vec<TcpStream>, SocketAddr) {
        let (listener, address) = listening(1);
        let mut taken = Vec::new();
        let connect = || TcpStream::connect(address);
        while let Ok(stream) = tokio::time::timeout(Duration::from_millis(300), connect()).await {
            taken.push(stream.unwrap());
        }
        (listener, taken, address)
    }

    #[tokio::test]
    async fn a_silent_address_holds_no_connect_up_and_comes_last_next_time() {
        let (_silent, _taken, silent) = silent().await;
        let (_live, live) = listening(16);
        let dialer = dialer();
        let all = || dialer.in_order(vec![silent, live]);
        assert_eq!(all(), [silent, live]);
        let raced = tokio::time::timeout(Duration::from_secs(20), dialer.race(all()));
        let (stream, address) = raced.await.expect("no wait for the silent one").unwrap();
        assert_eq!(address, live);
        dialer
            .dialled(Socket::tcp(stream).unwrap(), Some(address))
            .greeted();
        assert_eq!(all(), [live, silent], "the one that worked comes first");
        let (stream, address) = dialer.race(all()).await.unwrap();
        drop(dialer.dialled(Socket::tcp(stream).unwrap(), Some(address)));
        assert_eq!(all(), [silent, live], "without a greeting it comes last");
    }

    #[tokio::test]
    async fn an_address_that_refuses_is_followed_at_once_by_the_next() {
        let (gone, refusing) = listening(1);
        drop(gone);
        let (_live, live) = listening(16);
        let (_, address) = dialer().race(vec![refusing, live]).await.unwrap();
        assert_eq!(address, live);
        let refused = dialer().race(vec![refusing]).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    /// As `names.rs` shows it with the system's own resolver, which not every system lets it.
    #[tokio::test]
    async fn a_name_with_dead_addresses_is_reached_by_the_one_that_lives() {
        let (_silent, _taken, silent) = silent().await;
        let (gone, refusing) = listening(1);
        drop(gone);
        let (_live, live) = listening(64);
        for addresses in [
            vec![silent, refusing, live],
            vec![refusing, silent, live],
            vec![live, silent],
        ] {
            let dialer = dialer();
            for _ in 0..5 {
                let found = addresses.clone();
                let dialled = dialer.dial_by(|host, port| {
                    assert_eq!((host.as_str(), port), ("cache", 1));
                    async { Ok(found) }
                });
                let dialled = tokio::time::timeout(Duration::from_secs(20), dialled).await;
                let dialled = dialled.expect("no wait for the silent one").unwrap();
                assert_eq!(dialled.address, Some(live), "{addresses:?}");
                dialled.greeted();
                assert_eq!(dialer.seen().worked, Some(live), "it comes first next time");
            }
        }
        let dialer = dialer();
        let unknown = dialer.dial_by(|_, _| async { Err(io::Error::other("no such name")) });
        assert_eq!(unknown.await.unwrap_err().kind, StoreError::Dns);
    }

    #[test]
    fn the_families_take_turns() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let [six, seven] = ["[::1]:6", "[::1]:7"].map(address);
        let [four, five] = ["127.0.0.1:4", "127.0.0.1:5"].map(address);
        let mixed = alternating(vec![six, seven, four, five]);
        assert_eq!(mixed, [six, four, seven, five]);
        assert_eq!(alternating(vec![four, five]), [four, five]);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_connect_at_once_resolve_a_name_once() {
        let (resolver, asked) = (Resolver::default(), Arc::new(AtomicUsize::new(0)));
        let resolve = || {
            let asked = asked.clone();
            resolver.resolve(async move {
                asked.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_secs(5)).await;
                Ok(Vec::new())
            })
        };
        let impatient = tokio::time::timeout(Duration::from_secs(1), resolve()).await;
        assert!(impatient.is_err());
        let all = futures_util::future::join_all((0..8).map(|_| resolve())).await;
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(
            asked.load(Ordering::Relaxed),
            1,
            "all have joined the first"
        );
        resolve().await.unwrap();
        assert_eq!(
            asked.load(Ordering::Relaxed),
            2,
            "and nothing is remembered"
        );
    }
}
