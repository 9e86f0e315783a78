//! TLS to a server, as ElastiCache requires it: rustls with ring, with the server's name checked
//! and sessions resumed. There is no setting to check less.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use super::socket::{Endpoint, Socket};

/// The trusted roots. One for each cache, because it also keeps the sessions that save later
/// connections half a handshake.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// The bundled roots of Mozilla, and those in the PEM file `ca`, if it is set.
    ///
    /// # Errors
    /// The problem with the file.
    pub(crate) fn new(ca: Option<&str>) -> Result<Self, String> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        if let Some(path) = ca {
            let read = |problem| format!("{path:?} cannot be read: {problem}");
            let found = CertificateDer::pem_file_iter(path).map_err(|e| read(e.to_string()))?;
            let before = roots.len();
            for certificate in found {
                let certificate = certificate.map_err(|e| read(e.to_string()))?;
                roots.add(certificate).map_err(|e| read(e.to_string()))?;
            }
            if roots.len() == before {
                return Err(format!("{path:?} holds no certificate"));
            }
        }
        let config = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    async fn wrap(&self, to: &Endpoint, socket: Socket) -> io::Result<TlsStream<Socket>> {
        let Endpoint::Tcp { host, .. } = to else {
            return Err(io::Error::other("TLS over a Unix socket"));
        };
        let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
        TlsConnector::from(self.0.clone())
            .connect(name, socket)
            .await
    }
}

/// The stream that the protocols use.
#[derive(Debug)]
pub(super) enum Stream {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

impl Stream {
    pub(super) async fn new(tls: Option<&Tls>, to: &Endpoint, socket: Socket) -> io::Result<Self> {
        match tls {
            None => Ok(Self::Plain(socket)),
            Some(tls) => Ok(Self::Tls(Box::new(tls.wrap(to, socket).await?))),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
