//! A proxy that speaks the classic protocol itself and spreads keys over several servers, as
//! twemproxy and mcrouter do: `version` never reaches a server, and the keys of one `get` may come
//! from several.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What it does with commands that are not for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Closes the connection on a command that it does not know, as twemproxy does.
    Twemproxy,
    /// Answers such a command with an error, as mcrouter does.
    Mcrouter,
    /// Ignores such a command.
    Silent,
    /// As [`Manners::Twemproxy`]; and a command with `noreply` reaches no server, as it was with
    /// memcached's own proxy.
    DropsNoreply,
}

/// What of a key decides its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// All of it, as without any setting.
    Key,
    /// What is between its first braces, as with twemproxy's `hash_tag: "{}"`.
    Tag,
}

/// What twemproxy's buffers, and ElastiCache Serverless, take of one line.
const LONGEST_LINE: usize = 16 << 10;

/// A running proxy; ends when dropped.
#[derive(Debug)]
pub struct SplittingProxy {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl SplittingProxy {
    /// Starts one before the servers on these ports of `127.0.0.1`.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(servers: &[u16], manners: Manners) -> Self {
        Self::start_with(servers, manners, Routing::Key).await
    }

    /// The same, with keys routed as `routing` says.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start_with(servers: &[u16], manners: Manners, routing: Routing) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicU64::new(0));
        let (count, servers) = (connections.clone(), servers.to_vec());
        let accepting = tokio::spawn(async move {
            // Dropping the set ends the connections with the proxy.
            let mut clients = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let mut session = Session {
                    servers: servers.clone(),
                    open: HashMap::new(),
                    manners,
                    routing,
                };
                clients.spawn(async move {
                    // A client that leaves is no error.
                    let _ = session.serve(client).await;
                });
                while clients.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            connections,
            accepting,
        }
    }

    /// `memcached://127.0.0.1:port`
    #[must_use]
    pub fn url(&self) -> String {
        format!("memcached://{}", self.address)
    }

    /// Its own port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for SplittingProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One client, and its connections to the servers.
struct Session {
    servers: Vec<u16>,
    open: HashMap<u16, BufReader<TcpStream>>,
    manners: Manners,
    routing: Routing,
}

impl Session {
    async fn serve(&mut self, client: TcpStream) -> std::io::Result<()> {
        client.set_nodelay(true)?;
        let mut client = BufReader::new(client);
        loop {
            let mut line = Vec::new();
            if client.read_until(b'\n', &mut line).await? == 0 {
                return Ok(());
            }
            if line.len() > LONGEST_LINE {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let words: Vec<_> = text.split(' ').collect();
            let quiet = words.last() == Some(&"noreply");
            let answer = match words[..] {
                ["version"] => b"VERSION 0.5.0\r\n".to_vec(),
                [verb @ ("get" | "gets"), ref keys @ ..] => self.get(verb, keys).await,
                ["delete", key, ..] => self.forward(key, &line, quiet).await,
                ["set" | "add" | "replace" | "cas", key, _, _, length, ..] => {
                    let length: usize = length.parse().map_err(std::io::Error::other)?;
                    let mut data = vec![0; length + 2];
                    client.read_exact(&mut data).await?;
                    line.extend_from_slice(&data);
                    self.forward(key, &line, quiet).await
                }
                _ => match self.manners {
                    Manners::Twemproxy | Manners::DropsNoreply => return Ok(()),
                    Manners::Mcrouter => b"CLIENT_ERROR malformed request\r\n".to_vec(),
                    Manners::Silent => Vec::new(),
                },
            };
            client.get_mut().write_all(&answer).await?;
        }
    }

    fn port(&self, key: &str) -> u16 {
        let tag = || key.split_once('{')?.1.split_once('}').map(|(tag, _)| tag);
        let routed = match self.routing {
            Routing::Key => key,
            Routing::Tag => tag().unwrap_or(key),
        };
        let hash = routed
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        self.servers[(hash >> 32) as usize % self.servers.len()]
    }

    /// The server's line, or an error in the proxy's own words.
    async fn forward(&mut self, key: &str, command: &[u8], quiet: bool) -> Vec<u8> {
        if quiet && self.manners == Manners::DropsNoreply {
            return Vec::new();
        }
        let port = self.port(key);
        match self.line(port, command, quiet).await {
            Ok(line) => line,
            Err(error) => {
                self.open.remove(&port);
                format!("SERVER_ERROR {error}\r\n").into_bytes()
            }
        }
    }

    async fn line(&mut self, port: u16, command: &[u8], quiet: bool) -> std::io::Result<Vec<u8>> {
        let server = self.server(port).await?;
        server.get_mut().write_all(command).await?;
        let mut line = Vec::new();
        if !quiet && server.read_until(b'\n', &mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line)
    }

    /// Asks each server for its keys, the servers in their own order and not in that of the keys.
    async fn get(&mut self, verb: &str, keys: &[&str]) -> Vec<u8> {
        let mut answer = Vec::new();
        for port in self.servers.clone() {
            let here: Vec<_> = keys
                .iter()
                .copied()
                .filter(|key| self.port(key) == port)
                .collect();
            if here.is_empty() {
                continue;
            }
            let command = format!("{verb} {}\r\n", here.join(" "));
            match self.values(port, command.as_bytes()).await {
                Ok(values) => answer.extend_from_slice(&values),
                Err(error) => {
                    self.open.remove(&port);
                    return format!("SERVER_ERROR {error}\r\n").into_bytes();
                }
            }
        }
        answer.extend_from_slice(b"END\r\n");
        answer
    }

    /// The values of one server, without the end.
    async fn values(&mut self, port: u16, command: &[u8]) -> std::io::Result<Vec<u8>> {
        let server = self.server(port).await?;
        server.get_mut().write_all(command).await?;
        let mut values = Vec::new();
        loop {
            let mut line = Vec::new();
            if server.read_until(b'\n', &mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line == b"END\r\n" {
                return Ok(values);
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let length = text
                .split(' ')
                .nth(3)
                .and_then(|length| length.parse().ok());
            let length: usize = length.ok_or_else(|| std::io::Error::other(text))?;
            let mut data = vec![0; length + 2];
            server.read_exact(&mut data).await?;
            values.extend_from_slice(&line);
            values.extend_from_slice(&data);
        }
    }

    async fn server(&mut self, port: u16) -> std::io::Result<&mut BufReader<TcpStream>> {
        use std::collections::hash_map::Entry;
        Ok(match self.open.entry(port) {
            Entry::Occupied(open) => open.into_mut(),
            Entry::Vacant(free) => {
                let stream = TcpStream::connect(("127.0.0.1", port)).await?;
                stream.set_nodelay(true)?;
                free.insert(BufReader::new(stream))
            }
        })
    }
}
