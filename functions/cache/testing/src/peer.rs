//! A peer that speaks enough of memcached's protocol for a handshake, and then answers as a test
//! wants.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A running peer; ends when dropped.
#[derive(Debug)]
pub struct Peer {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// What a peer does with the first command after the handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Script {
    /// Sends these bytes and waits.
    Answer(Vec<u8>),
    /// Sends these bytes and closes.
    AnswerAndClose(Vec<u8>),
    /// Sends these bytes again and again.
    Endless(Vec<u8>),
    /// Sends these bytes on connect, in place of a handshake.
    Greet(Vec<u8>),
}

impl Peer {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("an address");
        let script = Arc::new(script);
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(connection(stream, script.clone()));
            }
        });
        Self { address, accepting }
    }

    /// `memcached://127.0.0.1:port`
    #[must_use]
    pub fn url(&self) -> String {
        format!("memcached://{}", self.address)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connection(mut stream: TcpStream, script: Arc<Script>) -> std::io::Result<()> {
    if let Script::Greet(bytes) = &*script {
        stream.write_all(bytes).await?;
        return std::future::pending().await;
    }
    let mut request = [0; 4096];
    let n = stream.read(&mut request).await?;
    let meta = request[..n].ends_with(b"mn\r\n");
    let hello: &[u8] = if meta {
        b"VERSION 1.6.18\r\nMN\r\n"
    } else {
        b"VERSION 1.6.18\r\n"
    };
    stream.write_all(hello).await?;
    if stream.read(&mut request).await? == 0 {
        return Ok(());
    }
    match &*script {
        Script::Answer(bytes) => stream.write_all(bytes).await?,
        Script::AnswerAndClose(bytes) => return stream.write_all(bytes).await,
        Script::Endless(bytes) => loop {
            stream.write_all(bytes).await?;
        },
        Script::Greet(_) => {}
    }
    std::future::pending().await
}
