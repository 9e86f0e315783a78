//! A request over HTTP/1.1, one connection each.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::ask::{Answer, Ask};

/// Far beyond what any answer takes; a test that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn ask(address: SocketAddr, ask: &Ask) -> Answer {
    tokio::time::timeout(PATIENCE, exchange(address, ask))
        .await
        .expect("no answer in 30 s")
        .unwrap()
}

async fn exchange(address: SocketAddr, ask: &Ask) -> Result<Answer, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = hyper::Request::builder()
        .method(ask.method)
        .uri(&ask.target);
    if !ask.headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", address.to_string());
    }
    for (name, value) in &ask.headers {
        request = request.header(*name, value);
    }
    let response = sender
        .send_request(request.body(Full::new(Bytes::from(ask.body.clone())))?)
        .await?;
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
