//! Requests over HTTP/1.1: on a connection of its own, or one after the other on the same.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::ask::{Answer, Ask};

/// Far beyond what any answer takes; a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn ask(address: SocketAddr, ask: &Ask) -> Answer {
    Connection::open(address).await.ask(ask).await
}

pub(crate) struct Connection {
    address: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self { address, sender }
    }

    pub(crate) async fn ask(&mut self, ask: &Ask) -> Answer {
        tokio::time::timeout(PATIENCE, self.exchange(ask))
            .await
            .expect("no answer in 30 s")
            .unwrap()
    }

    async fn exchange(&mut self, ask: &Ask) -> Result<Answer, Box<dyn std::error::Error>> {
        let mut request = hyper::Request::builder()
            .method(ask.method)
            .uri(&ask.target);
        if !ask.headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", self.address.to_string());
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(Bytes::from(ask.body.clone())))?;
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status().as_u16();
        let headers = response.headers().iter().map(|(name, value)| {
            (
                name.to_string(),
                value.to_str().unwrap_or_default().to_owned(),
            )
        });
        let headers = headers.collect();
        let body = response.into_body().collect().await?.to_bytes();
        Ok(Answer {
            status,
            headers,
            body: String::from_utf8(body.to_vec())?,
        })
    }
}
