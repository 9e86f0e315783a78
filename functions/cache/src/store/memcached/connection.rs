//! One connection with its protocol.

use super::{
    super::StoreError,
    classic::Classic,
    connect_options::ConnectOptions,
    handshake::{Protocol, handshake},
    meta::Meta,
    socket::{Endpoint, Socket},
    tls::Stream,
};

#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    pub(super) driver: Driver,
    used: bool,
}

#[derive(Debug)]
pub(super) enum Driver {
    Classic(Box<Classic>),
    Meta(Box<Meta>),
}

impl Connection {
    pub(super) async fn open(
        to: &Endpoint,
        connect_options: &ConnectOptions,
    ) -> Result<Self, StoreError> {
        let socket = Socket::connect(to).await.map_err(|_| StoreError::Refused)?;
        let stream = Stream::new(connect_options.tls.as_ref(), to, socket.clone()).await;
        // The certificate is not trusted, or the server does not support TLS.
        let mut stream = stream.map_err(|_| StoreError::Refused)?;
        let driver = match handshake(&mut stream, connect_options.protocol).await? {
            Protocol::Meta => Driver::Meta(Box::new(Meta::new(stream))),
            Protocol::Classic | Protocol::Auto => Driver::Classic(Box::new(Classic::new(stream))),
        };
        Ok(Self {
            socket,
            driver,
            used: false,
        })
    }

    pub(super) fn is_idle_and_open(&self) -> bool {
        self.socket.is_idle_and_open()
    }

    pub(super) fn is_clean(&self) -> bool {
        match &self.driver {
            Driver::Classic(classic) => classic.is_clean(),
            Driver::Meta(meta) => meta.is_clean(),
        }
    }

    /// Whether it has served an exchange before, so that its peer may be lost.
    pub(super) fn used(&self) -> bool {
        self.used
    }

    pub(super) fn mark_used(&mut self) {
        self.used = true;
    }
}
