//! How a server is connected to.

use super::{handshake::Protocol, tls::Tls};

/// How a server is spoken to.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectOptions {
    pub(crate) protocol: Protocol,
    pub(crate) tls: Option<Tls>,
}
