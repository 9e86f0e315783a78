//! How to connect to a server.

use super::{breaker::BreakerWatch, handshake::Protocol, login::Login, tls::Tls};

/// How to connect to a server, and which protocol to use.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectOptions {
    pub(crate) protocol: Protocol,
    pub(crate) tls: Option<Tls>,
    pub(crate) login: Option<Login>,
    pub(crate) breaker_watch: BreakerWatch,
}
