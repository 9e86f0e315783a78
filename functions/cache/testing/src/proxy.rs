//! A TCP proxy that delays, stalls, cuts, splits and repeats what a server answers. Every choice
//! comes from a seed.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What happens to answers. Chances are per chunk read from the server, in 1/1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fault {
    /// Delays each connection's first answer: a slow connect, as its user sees it.
    pub connect: Duration,
    /// Delays each answer.
    pub delay: Duration,
    /// Chance that the connection falls silent.
    pub stall: u32,
    /// Chance that half an answer is delivered and the connection closed.
    pub cut: u32,
    /// Chance that the connection is reset in place of an answer.
    pub reset: u32,
    /// Chance that an answer arrives in two pieces with a pause of 1 ms.
    pub split: u32,
    /// Chance that an answer arrives byte by byte.
    pub bytes: u32,
    /// Chance that an answer arrives twice.
    pub twice: u32,
    /// Delays each byte of every answer.
    pub trickle: Duration,
    /// Nothing passes in either direction; connections stay open.
    pub blackhole: bool,
    /// Chunks from a client that begin with one of these words do not reach the server.
    pub swallow: &'static [&'static str],
}

/// Where a round trip is held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// The command does not reach the server.
    Command,
    /// The server acts on the command; its answer does not reach the client.
    Answer,
}

/// Whether a round trip is held up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Open,
    /// The round trip with this number will be.
    Armed(u64, Leg),
    /// It is.
    Holding,
}

/// A running proxy; ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    fault: Mutex<Fault>,
    random: AtomicU64,
    connections: AtomicU64,
    /// The connections up to this number pass nothing on.
    forgotten: AtomicU64,
    exchanges: AtomicU64,
    struck: AtomicU64,
    gate: watch::Sender<Gate>,
}

impl Proxy {
    /// Starts one before `127.0.0.1:port`.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(port: u16, seed: u64, fault: Fault) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            fault: Mutex::new(fault),
            random: AtomicU64::new(seed),
            connections: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
            exchanges: AtomicU64::new(0),
            struck: AtomicU64::new(0),
            gate: watch::Sender::new(Gate::Open),
        });
        let accepting = tokio::spawn(accept(listener, port, shared.clone()));
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// `memcached://127.0.0.1:port`
    #[must_use]
    pub fn url(&self) -> String {
        format!("memcached://{}", self.address)
    }

    /// Faults from now on, also of connections that exist.
    pub fn set(&self, fault: Fault) {
        *self
            .shared
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Passes nothing more on any connection that exists, without closing it, as a NAT gateway does
    /// with connections that it has forgotten. New ones work.
    pub fn forget(&self) {
        let connections = self.connections();
        self.shared.forgotten.store(connections, Ordering::Relaxed);
    }

    /// Round trips so far: how often a client has sent something after an answer, handshakes
    /// included.
    #[must_use]
    pub fn exchanges(&self) -> u64 {
        self.shared.exchanges.load(Ordering::Relaxed)
    }

    /// Holds up the round trip with the number `exchange` (the first is 1), as [`Proxy::exchanges`]
    /// counts, until [`Proxy::release`]. Others pass. Meant for a client that speaks on one
    /// connection at a time.
    pub fn hold(&self, exchange: u64, leg: Leg) {
        self.shared.gate.send_replace(Gate::Armed(exchange, leg));
    }

    /// Waits until the round trip asked for is held up.
    pub async fn held(&self) {
        let mut gate = self.shared.gate.subscribe();
        // The sender is part of the proxy and lives as long.
        let _ = gate.wait_for(|gate| *gate == Gate::Holding).await;
    }

    /// Lets the held round trip pass.
    pub fn release(&self) {
        self.shared.gate.send_replace(Gate::Open);
    }

    /// Random faults so far: a test without any has tested nothing.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.shared.struck.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    /// Waits here if the round trip under way is to be held up on this leg.
    async fn pass(&self, leg: Leg) {
        let armed = Gate::Armed(self.exchanges.load(Ordering::Relaxed), leg);
        let holds = self.gate.send_if_modified(|gate| {
            let holds = *gate == armed;
            if holds {
                *gate = Gate::Holding;
            }
            holds
        });
        if holds {
            let _ = self
                .gate
                .subscribe()
                .wait_for(|gate| *gate == Gate::Open)
                .await;
        }
    }

    fn has_forgotten(&self, connection: u64) -> bool {
        connection <= self.forgotten.load(Ordering::Relaxed)
    }

    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// splitmix64: one sequence for all connections.
    fn strikes(&self, chance: u32) -> bool {
        if chance == 0 {
            return false;
        }
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let mut z = self
            .random
            .fetch_add(step, Ordering::Relaxed)
            .wrapping_add(step);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let strikes = (z ^ (z >> 31)) % 1000 < u64::from(chance);
        if strikes {
            self.struck.fetch_add(1, Ordering::Relaxed);
        }
        strikes
    }
}

async fn accept(listener: TcpListener, port: u16, shared: Arc<Shared>) {
    // Dropping the set ends the connections with the proxy.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let number = 1 + shared.connections.fetch_add(1, Ordering::Relaxed);
        connections.spawn(connection(client, number, port, shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(client: TcpStream, number: u64, port: u16, shared: Arc<Shared>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answered = AtomicBool::new(true);
    let up = async {
        let mut chunk = vec![0; 64 << 10];
        loop {
            match from_client.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(_) if shared.fault().blackhole || shared.has_forgotten(number) => {
                    std::future::pending().await
                }
                Ok(n) => {
                    if answered.swap(false, Ordering::Relaxed) {
                        shared.exchanges.fetch_add(1, Ordering::Relaxed);
                    }
                    shared.pass(Leg::Command).await;
                    let swallows = |word: &&str| chunk[..n].starts_with(word.as_bytes());
                    if shared.fault().swallow.iter().any(swallows) {
                        continue;
                    }
                    if to_server.write_all(&chunk[..n]).await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    let down = async {
        let mut chunk = vec![0; 64 << 10];
        let mut first = true;
        loop {
            let n = match from_server.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(n) => n,
            };
            answered.store(true, Ordering::Relaxed);
            shared.pass(Leg::Answer).await;
            let fault = shared.fault();
            if std::mem::take(&mut first) {
                tokio::time::sleep(fault.connect).await;
            }
            if deliver(&mut to_client, &chunk[..n], &fault, &shared)
                .await
                .is_none()
            {
                return;
            }
        }
    };
    tokio::select! {
        () = up => {}
        () = down => {}
    }
}

/// `None`: the connection is over.
async fn deliver(
    to: &mut tokio::net::tcp::OwnedWriteHalf,
    answer: &[u8],
    fault: &Fault,
    shared: &Shared,
) -> Option<()> {
    tokio::time::sleep(fault.delay).await;
    if fault.blackhole || shared.strikes(fault.stall) {
        std::future::pending::<()>().await;
    }
    if shared.strikes(fault.reset) {
        // Closing with a linger of zero sends a reset.
        let _ = socket2::SockRef::from(to.as_ref()).set_linger(Some(Duration::ZERO));
        return None;
    }
    let half = answer.len() / 2;
    if shared.strikes(fault.cut) {
        to.write_all(&answer[..half]).await.ok()?;
        return None;
    }
    if shared.strikes(fault.split) {
        to.write_all(&answer[..half]).await.ok()?;
        tokio::time::sleep(Duration::from_millis(1)).await;
        return to.write_all(&answer[half..]).await.ok();
    }
    if !fault.trickle.is_zero() || shared.strikes(fault.bytes) {
        for byte in answer {
            to.write_all(std::slice::from_ref(byte)).await.ok()?;
            tokio::time::sleep(fault.trickle).await;
        }
        return Some(());
    }
    if shared.strikes(fault.twice) {
        to.write_all(answer).await.ok()?;
    }
    to.write_all(answer).await.ok()
}
