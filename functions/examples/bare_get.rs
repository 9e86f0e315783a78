//! The least that a function with a cache can be: `lambda_http`, one TLS handshake at the start and
//! one `get` a request. `make bench` compares the first answer of `heavy-op` with it. `CACHE` is
//! memcached's port, `CA` the file of the certificate to trust, `KEY` the key to get.

use std::convert::Infallible;
use std::sync::Arc;

use lambda_http::{Body, Error, Request, Response, run_concurrent, service_fn};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (port, ca, key) = (variable("CACHE")?, variable("CA")?, variable("KEY")?);
    let connection = connect(port.parse()?, &ca).await?;
    let connection = Arc::new(Mutex::new(connection));
    let get: Arc<str> = format!("get {key}\r\n").into();
    let answer = move |_: Request| {
        let (connection, get) = (Arc::clone(&connection), Arc::clone(&get));
        async move {
            let value = fetch(&mut *connection.lock().await, &get).await;
            Ok::<_, Infallible>(Response::new(Body::from(value.unwrap_or_default())))
        }
    };
    run_concurrent(service_fn(answer)).await
}

fn variable(name: &str) -> Result<String, Error> {
    std::env::var(name).map_err(|_| format!("{name} is not set").into())
}

async fn connect(port: u16, ca: &str) -> Result<TlsStream<TcpStream>, Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca)?)?;
    let config = ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("localhost")?;
    Ok(TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?)
}

/// The whole reply, which ends with `END`.
async fn fetch(connection: &mut TlsStream<TcpStream>, get: &str) -> std::io::Result<Vec<u8>> {
    connection.write_all(get.as_bytes()).await?;
    connection.flush().await?;
    let mut reply = Vec::new();
    while !reply.ends_with(b"END\r\n") {
        if connection.read_buf(&mut reply).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(reply)
}
