//! How to connect to a server.

use super::{breaker::BreakerWatch, handshake::Protocol, login::Login, tls::Tls};

/// What is between this client and its servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Between {
    /// Nothing, or what is not known to be a proxy.
    #[default]
    Nothing,
    /// A proxy that spreads keys over servers, and keeps those with one hash tag together.
    Proxy,
}

/// How to connect to a server, and which protocol to use.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConnectOptions {
    pub(crate) protocol: Protocol,
    pub(crate) tls: Option<Tls>,
    pub(crate) login: Option<Login>,
    pub(crate) between: Between,
    /// The keys that are stored to find a proxy out begin with it.
    pub(crate) probe: String,
    pub(crate) breaker_watch: BreakerWatch,
}
