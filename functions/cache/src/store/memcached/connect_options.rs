//! How to connect to a server.

use super::{breaker::BreakerWatch, handshake::Protocol, tls::Tls};

/// How to connect to a server, and which protocol to use.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectOptions {
    pub(crate) protocol: Protocol,
    pub(crate) tls: Option<Tls>,
    pub(crate) breaker_watch: BreakerWatch,
}
