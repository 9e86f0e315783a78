//! One connection to a server, over TCP or a Unix socket. It can be checked for a lost peer while
//! another owner has the reading side.

#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::{
    io::{self, Read as _},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use socket2::SockRef;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

/// A server's address as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Tcp {
        host: String,
        port: u16,
    },
    #[cfg(unix)]
    Unix(PathBuf),
}

/// A peer that a firewall or a NAT gateway has forgotten is found after so long without traffic,
/// and some of them do not forget a connection on which there is some.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A handle on the connection that reads and writes; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Socket(Arc<Raw>);

#[derive(Debug)]
enum Raw {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Socket {
    pub(super) fn tcp(stream: TcpStream) -> io::Result<Self> {
        // Without it each exchange of several small writes costs 40 ms of delayed acknowledgement.
        stream.set_nodelay(true)?;
        let keepalive = socket2::TcpKeepalive::new()
            .with_time(KEEPALIVE_AFTER)
            .with_interval(KEEPALIVE_INTERVAL);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        Ok(Self(Arc::new(Raw::Tcp(stream))))
    }

    #[cfg(unix)]
    pub(super) async fn unix(path: &Path) -> io::Result<Self> {
        let stream = UnixStream::connect(path).await?;
        Ok(Self(Arc::new(Raw::Unix(stream))))
    }

    /// Whether the peer has neither closed the connection nor sent anything unexpected. Asks the
    /// kernel, not the runtime: after a freeze the runtime does not know yet what has happened.
    pub(super) fn is_idle_and_open(&self) -> bool {
        let socket = match &*self.0 {
            Raw::Tcp(stream) => SockRef::from(stream),
            #[cfg(unix)]
            Raw::Unix(stream) => SockRef::from(stream),
        };
        let mut byte = [std::mem::MaybeUninit::uninit()];
        match socket.peek(&mut byte) {
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            Ok(_) => false,
        }
    }
}

impl Raw {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx),
            #[cfg(unix)]
            Self::Unix(stream) => stream.poll_read_ready(cx),
        }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_write_ready(cx),
            #[cfg(unix)]
            Self::Unix(stream) => stream.poll_write_ready(cx),
        }
    }

    /// Reads once. A read that does not fill its buffer has emptied the socket. The runtime's
    /// readiness is cleared in the same step, so that the next read waits at once instead of
    /// calling the kernel in vain.
    fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut read = None;
        let mut once = |mut socket: &socket2::Socket| {
            let n = socket.read(buf)?;
            read = Some(n);
            if (1..buf.len()).contains(&n) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(n)
        };
        let result = match self {
            Self::Tcp(stream) => stream.try_io(Interest::READABLE, || once(&SockRef::from(stream))),
            #[cfg(unix)]
            Self::Unix(stream) => {
                stream.try_io(Interest::READABLE, || once(&SockRef::from(stream)))
            }
        };
        read.map_or(result, Ok)
    }

    fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(buf),
            #[cfg(unix)]
            Self::Unix(stream) => stream.try_write(buf),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read(buf.initialize_unfilled()) {
                Ok(n) => {
                    buf.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
