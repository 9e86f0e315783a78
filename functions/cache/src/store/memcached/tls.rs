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
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    },
};

use super::socket::{Endpoint, Socket};

/// The trusted roots, and the client's own certificate. One for each cache, because it also keeps
/// the sessions that save later connections half a handshake.
#[derive(Clone)]
pub(crate) struct Tls(Arc<ClientConfig>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Trusts `roots`, and shows the certificates and the key of `client`, if they are set.
    ///
    /// # Errors
    /// The problem with the client's certificates.
    pub(crate) fn new(
        roots: RootCertStore,
        client: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> Result<Self, String> {
        let config = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots);
        let config = match client {
            None => config.with_no_client_auth(),
            Some((chain, key)) => config
                .with_client_auth_cert(chain, key)
                .map_err(|e| format!("the key is not that of the certificate: {e}"))?,
        };
        Ok(Self(Arc::new(config)))
    }

    /// The bundled roots of Mozilla, and those in the PEM file `ca`, if it is set.
    ///
    /// # Errors
    /// The problem with the file.
    pub(crate) fn roots(ca: Option<&str>) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        if let Some(path) = ca {
            for certificate in Self::chain(path)? {
                roots.add(certificate).map_err(unreadable(path))?;
            }
        }
        Ok(roots)
    }

    /// The certificates of a PEM file, at least one.
    ///
    /// # Errors
    /// The problem with the file.
    pub(crate) fn chain(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
        let found = CertificateDer::pem_file_iter(path).map_err(unreadable(path))?;
        let found: Result<Vec<_>, _> = found.collect();
        let found = found.map_err(unreadable(path))?;
        if found.is_empty() {
            return Err(format!("{path:?} holds no certificate"));
        }
        Ok(found)
    }

    /// The private key of a PEM file.
    ///
    /// # Errors
    /// The problem with the file, without its content.
    pub(crate) fn key(path: &str) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_file(path).map_err(unreadable(path))
    }

    async fn wrap(&self, to: &Endpoint, socket: Socket) -> io::Result<TlsStream<Socket>> {
        let host = match to {
            Endpoint::Tcp { host, .. } => host,
            #[cfg(unix)]
            Endpoint::Unix(_) => return Err(io::Error::other("TLS over a Unix socket")),
        };
        let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
        TlsConnector::from(self.0.clone())
            .connect(name, socket)
            .await
    }
}

fn unreadable<E: std::fmt::Display>(path: &str) -> impl Fn(E) -> String {
    move |error| format!("{path:?} cannot be read: {error}")
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
