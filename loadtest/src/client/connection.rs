//! The connections to the target, each for one exchange at a time. Owns connecting, TLS and the reading of a whole answer;
//! knows nothing of what is asked or measured.
//!
//! hyper's own connections, and no pool of a client library in front of them: so the clock stands at the socket, and what the
//! client takes itself between two requests, which a target would be seen to rest in, is small.

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

use crate::client::timed_stream::{Stamped, Stamps};
use crate::target::outcome::Failure;

/// An answer longer than this is cut off and counted as a failure: no cache entry is as large.
const LARGEST_BODY: usize = 4 << 20;

/// The way to one target.
pub(crate) struct Wire {
    connector: HttpsConnector<HttpConnector>,
    to: Uri,
    host: HeaderValue,
    idle: Mutex<Vec<Open>>,
}

/// An open connection.
struct Open {
    sender: SendRequest<Body>,
    stamps: Stamps,
}

/// A connection that is ready for a request, and nobody else's.
pub(crate) struct Line<'a> {
    wire: &'a Wire,
    open: Open,
    /// How long it took to connect; none if it was open already, so that its peer may have closed it meanwhile.
    connecting: Option<Duration>,
}

/// A whole answer as it came from the wire.
pub(crate) struct Raw {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// From the first byte of the request until the last byte of the answer, at the socket.
    pub(crate) sent: Instant,
    pub(crate) took: Duration,
    /// How long it took to connect before that; zero where a connection was open.
    pub(crate) connecting: Duration,
}

impl Wire {
    /// Nothing is connected yet. An error is a sentence.
    pub(crate) fn new(base: &Url) -> Result<Self, String> {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        // TLS is the connector's around it.
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_platform_verifier(rustls::crypto::aws_lc_rs::default_provider())
            .map_err(|e| format!("TLS cannot be set up: {e}"))?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let unusable = |e: &dyn std::fmt::Display| format!("{base} cannot be asked: {e}");
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

    /// Makes a connection for whoever comes first. An error says why there is none.
    pub(crate) async fn reach(&self) -> Result<(), String> {
        let (open, _) = self.connect().await.map_err(|error| whole(&*error))?;
        self.idle().push(open);
        Ok(())
    }

    /// The connection that was used last, if its peer has not closed it, or a new one.
    pub(crate) async fn line(&self) -> Result<Line<'_>, Failure> {
        while let Some(mut open) = self.last_used() {
            if open.sender.ready().await.is_ok() {
                return Ok(Line {
                    wire: self,
                    open,
                    connecting: None,
                });
            }
        }
        let (open, took) = self.connect().await.map_err(|_| Failure::Connect)?;
        Ok(Line {
            wire: self,
            open,
            connecting: Some(took),
        })
    }

    /// A new connection, and how long it took.
    async fn connect(&self) -> Result<(Open, Duration), Box<dyn Error + Send + Sync>> {
        let begun = Instant::now();
        let stream = self.connector.clone().call(self.to.clone()).await;
        let stamps = Stamps::new();
        let stream = Stamped::new(stream?, stamps.clone());
        let (mut sender, connection) = http1::handshake(stream).await?;
        // It ends with the sender, or when its peer closes it; what goes wrong is told to the sender.
        tokio::spawn(connection);
        sender.ready().await?;
        Ok((Open { sender, stamps }, begun.elapsed()))
    }

    fn last_used(&self) -> Option<Open> {
        self.idle().pop()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Open>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line<'_> {
    /// Sends `request` and reads the whole answer. A connection whose answer was not read to its end is closed.
    pub(crate) async fn exchange(mut self, mut request: Request<Body>) -> Result<Raw, Failure> {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path
            .unwrap_or_else(|| PathAndQuery::from_static("/"))
            .into();
        let headers = request.headers_mut();
        headers.insert(HOST, self.wire.host.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        let (head, mut rest) = self.answer(request).await?.into_parts();
        let mut body = Vec::new();
        while let Some(frame) = rest.frame().await {
            if let Ok(data) = frame.map_err(|_| Failure::Broken)?.into_data() {
                body.extend_from_slice(&data);
            }
            if body.len() > LARGEST_BODY {
                return Err(Failure::Broken);
            }
        }
        let (sent, read) = (self.open.stamps.sent(), self.open.stamps.read());
        let (sent, read) = sent.zip(read).ok_or(Failure::Broken)?;
        let raw = Raw {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            sent,
            took: read.saturating_duration_since(sent),
            connecting: self.connecting.unwrap_or_default(),
        };
        self.wire.idle().push(self.open);
        Ok(raw)
    }

    /// A connection that its peer had closed before anything was sent is replaced, once: that is still one request.
    async fn answer(&mut self, request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        let mut request = request;
        loop {
            self.open.stamps.clear();
            let mut error = match self.open.sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            match error.take_message() {
                Some(unsent) if self.connecting.is_none() => request = unsent,
                _ => return Err(Failure::Broken),
            }
            let connected = self.wire.connect().await;
            let (open, took) = connected.map_err(|_| Failure::Connect)?;
            (self.open, self.connecting) = (open, Some(took));
        }
    }
}

/// An error and what caused it, down to what the system or the TLS library said.
fn whole(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
