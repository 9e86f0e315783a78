//! Requests over HTTP/1.1, each on its own connection or several on one.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::request::{Request, Response};

/// Far longer than any answer takes, so that a hanging test fails.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) async fn send(address: SocketAddr, request: &Request) -> Response {
    Connection::open(address).await.send(request).await
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

    pub(crate) async fn send(&mut self, request: &Request) -> Response {
        tokio::time::timeout(TIMEOUT, self.exchange(request))
            .await
            .expect("no answer in 30 s")
            .unwrap()
    }

    async fn exchange(
        &mut self,
        request: &Request,
    ) -> Result<Response, Box<dyn std::error::Error>> {
        let mut builder = hyper::Request::builder()
            .method(request.method)
            .uri(&request.target);
        if !request.headers.iter().any(|(name, _)| *name == "host") {
            builder = builder.header("host", self.address.to_string());
        }
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        let request = builder.body(Full::new(Bytes::from(request.body.clone())))?;
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
        Ok(Response {
            status,
            headers,
            body: String::from_utf8(body.to_vec())?,
        })
    }
}
