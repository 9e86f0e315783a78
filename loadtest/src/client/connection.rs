//! The connections to the target, each for one request at a time.
//!
//! These are hyper's own connections, without a client library's pool: so the clock is at the
//! socket, and the client's own work between two requests, which would look like idle time of the
//! target, is small.

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, HOST, HeaderMap, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Body, Url};
use tower_service::Service as _;

use crate::client::{timed_stream::TimedStream, timed_stream::Timestamps};
use crate::target::outcome::Failure;

/// A longer answer counts as a failure: it is kept in memory.
pub(crate) const MAX_BODY: usize = 64 << 20;

pub(crate) struct ConnectionPool {
    connector: HttpsConnector<HttpConnector>,
    to: Uri,
    host: HeaderValue,
    idle: Mutex<Vec<PooledConnection>>,
}

struct PooledConnection {
    sender: SendRequest<Body>,
    timestamps: Timestamps,
}

/// A connection that is ready for a request, and used by nothing else.
pub(crate) struct Connection<'a> {
    pool: &'a ConnectionPool,
    pooled: PooledConnection,
    /// How long it took to connect; `None` if it was open before, so that its peer may have closed
    /// it.
    connecting: Option<Duration>,
}

pub(crate) struct RawResponse {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// When the first byte of the request was sent, and how long it took until the last byte of the
    /// answer, at the socket.
    pub(crate) sent: Instant,
    pub(crate) took: Duration,
    /// How long it took to connect before that; `None` if a connection was open.
    pub(crate) connecting: Option<Duration>,
}

impl ConnectionPool {
    /// Connects nothing yet.
    pub(crate) fn new(base: &Url) -> Result<Self, String> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        // The outer connector adds TLS.
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(rustls::crypto::aws_lc_rs::default_provider())
            .map_err(|e| format!("TLS cannot be set up: {e}"))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let unusable = |e: &dyn std::fmt::Display| format!("{base} cannot be requested: {e}");
        let to: Uri = base.as_str().parse().map_err(|e| unusable(&e))?;
        let host = to.authority().map_or("", |authority| authority.as_str());
        let host = HeaderValue::from_str(host).map_err(|e| unusable(&e))?;
        Ok(Self {
            connector,
            to,
            host,
            idle: Mutex::default(),
        })
    }

    /// Opens a connection for the first request. An error says why it cannot.
    pub(crate) async fn open_one(&self) -> Result<(), String> {
        let (pooled, _) = self.connect().await.map_err(|error| with_causes(&*error))?;
        self.idle().push(pooled);
        Ok(())
    }

    /// Opens connections until `count` are idle. The first error ends it: a request that needs one
    /// will say why there is none.
    pub(crate) async fn open_idle(&self, count: usize) {
        self.idle().retain(|pooled| !pooled.sender.is_closed());
        while self.idle().len() < count {
            let Ok((pooled, _)) = self.connect().await else {
                return;
            };
            self.idle().push(pooled);
        }
    }

    /// The connection that was used last, if its peer has not closed it, or a new one.
    pub(crate) async fn checkout(&self) -> Result<Connection<'_>, Failure> {
        while let Some(mut pooled) = self.last_used() {
            if pooled.sender.ready().await.is_ok() {
                return Ok(Connection {
                    pool: self,
                    pooled,
                    connecting: None,
                });
            }
        }
        let (pooled, took) = self.connect().await.map_err(|_| Failure::Connect)?;
        Ok(Connection {
            pool: self,
            pooled,
            connecting: Some(took),
        })
    }

    /// Opens a connection, and says how long that took.
    async fn connect(&self) -> Result<(PooledConnection, Duration), Box<dyn Error + Send + Sync>> {
        let begun = Instant::now();
        let stream = self.connector.clone().call(self.to.clone()).await;
        let timestamps = Timestamps::new();
        let stream = TimedStream::new(stream?, timestamps.clone());
        let (mut sender, connection) = http1::handshake(stream).await?;
        // The task ends with the sender, or when the peer closes the connection; the sender gets
        // its errors.
        tokio::spawn(connection);
        sender.ready().await?;
        Ok((PooledConnection { sender, timestamps }, begun.elapsed()))
    }

    fn last_used(&self) -> Option<PooledConnection> {
        self.idle().pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<PooledConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection<'_> {
    /// How long it took to connect; `None` if it was open before.
    pub(crate) fn connecting(&self) -> Option<Duration> {
        self.connecting
    }

    /// Sends `request` and reads the complete answer. If that fails, the connection is closed.
    pub(crate) async fn exchange(
        mut self,
        mut request: Request<Body>,
    ) -> Result<RawResponse, Failure> {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path
            .unwrap_or_else(|| PathAndQuery::from_static("/"))
            .into();
        let headers = request.headers_mut();
        headers.insert(HOST, self.pool.host.clone());
        headers
            .entry(ACCEPT)
            .or_insert(HeaderValue::from_static("*/*"));
        let (head, mut rest) = self.answer(request).await?.into_parts();
        let mut body = Vec::new();
        while let Some(frame) = rest.frame().await {
            if let Ok(data) = frame.map_err(|_| Failure::Broken)?.into_data() {
                body.extend_from_slice(&data);
            }
            if body.len() > MAX_BODY {
                return Err(Failure::TooLarge);
            }
        }
        let (sent, read) = (self.pooled.timestamps.sent(), self.pooled.timestamps.read());
        let (sent, read) = sent.zip(read).ok_or(Failure::Broken)?;
        let raw = RawResponse {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            sent,
            took: read.saturating_duration_since(sent),
            connecting: self.connecting,
        };
        self.pool.idle().push(self.pooled);
        Ok(raw)
    }

    /// A connection that its peer closed before anything was sent is replaced, once: this is still
    /// one request.
    async fn answer(&mut self, request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        let mut request = request;
        loop {
            self.pooled.timestamps.clear();
            let mut error = match self.pooled.sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            match error.take_message() {
                Some(unsent) if self.connecting.is_none() => request = unsent,
                _ => return Err(Failure::Broken),
            }
            let connected = self.pool.connect().await;
            let (pooled, took) = connected.map_err(|_| Failure::Connect)?;
            (self.pooled, self.connecting) = (pooled, Some(took));
        }
    }
}

/// An error with its causes, down to what the system or the TLS library said.
fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
