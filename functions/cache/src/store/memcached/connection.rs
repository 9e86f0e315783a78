//! One connection with its protocol: takes a command, gives its reply.

use super::{
    super::StoreError,
    classic::Classic,
    command::{Command, Reply},
    connect_options::ConnectOptions,
    handshake::{Protocol, handshake},
    meta::Meta,
    socket::{Endpoint, Socket},
    tls::Stream,
};

#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    driver: Driver,
    used: bool,
}

#[derive(Debug)]
enum Driver {
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
        // A certificate that is not believed, or a server that speaks no TLS.
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

    pub(super) async fn run(&mut self, command: Command<'_>) -> Result<Reply, StoreError> {
        match &mut self.driver {
            Driver::Classic(classic) => match command {
                Command::Lookup(keys, options) => {
                    let reply = classic.lookup(keys, options).await?;
                    Ok(Reply::LookupReply(reply.into()))
                }
                Command::Delete(key) => classic.delete(key).await.map(|()| Reply::Done),
                Command::Ping => classic.version().await.map(|()| Reply::Done),
                Command::Lookups(all_keys, options) => {
                    classic.lookups(all_keys, options).await.map(Reply::Lookups)
                }
                Command::GetWithCas(keys) => classic.get_with_cas(keys).await.map(Reply::Items),
                Command::Write(writes) => classic.write(writes).await.map(Reply::Written),
            },
            Driver::Meta(meta) => match command {
                Command::Lookup(keys, options) => {
                    let reply = meta.lookup(keys, options).await?;
                    Ok(Reply::LookupReply(reply.into()))
                }
                Command::Delete(key) => meta.delete(key).await.map(|()| Reply::Done),
                Command::Ping => meta.ping().await.map(|()| Reply::Done),
                Command::Lookups(all_keys, options) => {
                    meta.lookups(all_keys, options).await.map(Reply::Lookups)
                }
                Command::GetWithCas(keys) => meta.get_with_cas(keys).await.map(Reply::Items),
                Command::Write(writes) => meta.write(writes).await.map(Reply::Written),
            },
        }
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

    /// Whether it has served an exchange before: its peer may have gone away meanwhile.
    pub(super) fn used(&self) -> bool {
        self.used
    }

    pub(super) fn mark_used(&mut self) {
        self.used = true;
    }
}
