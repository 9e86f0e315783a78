//! One connection with its protocol: takes a command, gives its reply.

use super::{
    super::{StoreError, many::Over},
    classic::Classic,
    command::{Answer, Command, Reply},
    connect_options::How,
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
    pub(super) async fn open(to: &Endpoint, how: &How) -> Result<Self, StoreError> {
        let socket = Socket::connect(to).await.map_err(|_| StoreError::Refused)?;
        let stream = Stream::new(how.tls.as_ref(), to, socket.clone()).await;
        // A certificate that is not believed, or a server that speaks no TLS.
        let mut stream = stream.map_err(|_| StoreError::Refused)?;
        let driver = match handshake(&mut stream, how.protocol).await? {
            Protocol::Meta => Driver::Meta(Box::new(Meta::new(stream))),
            Protocol::Classic | Protocol::Auto => Driver::Classic(Box::new(Classic::new(stream))),
        };
        Ok(Self {
            socket,
            driver,
            used: false,
        })
    }

    pub(super) async fn run(&mut self, command: &Command) -> Answer {
        match &mut self.driver {
            Driver::Classic(classic) => match command {
                Command::Lookup(at, ask) => {
                    let looked = classic.lookup(at, *ask).await?;
                    Ok(Reply::Looked(looked.into()))
                }
                Command::Numbered(at, slot) => {
                    classic.numbered(at.slot(*slot)).await.map(Reply::Item)
                }
                Command::Write(write) => {
                    let (key, bytes, life) = (write.key(), &write.bytes, write.life);
                    let stored = match write.over {
                        Over::Nothing => classic.add(key, bytes, life).await,
                        Over::Number(number) => classic.swap(key, bytes, life, number).await,
                    };
                    stored.map(Reply::Stored)
                }
                // Only a lookup of the meta protocol leaves a lease that has to be removed.
                Command::Remove(..) => Ok(Reply::Done),
                Command::Delete(key) => classic.delete(key).await.map(|()| Reply::Done),
                Command::Ping => classic.version().await.map(|()| Reply::Done),
                Command::Lookups(ats, ask) => classic.lookups(ats, *ask).await.map(Reply::Lookups),
                Command::Numbers(slots) => {
                    let keys: Vec<_> = slots.iter().map(|(at, slot)| at.slot(*slot)).collect();
                    classic.numbers(&keys).await.map(Reply::Items)
                }
                Command::Writes(writes) => classic.writes(writes).await.map(Reply::Writes),
            },
            Driver::Meta(meta) => match command {
                Command::Lookup(at, ask) => {
                    let looked = meta.lookup(at, *ask).await?;
                    Ok(Reply::Looked(looked.into()))
                }
                Command::Numbered(at, slot) => meta.numbered(at.slot(*slot)).await.map(Reply::Item),
                Command::Write(write) => {
                    let (key, bytes, life) = (write.key(), &write.bytes, write.life);
                    let stored = match write.over {
                        Over::Nothing => meta.add(key, bytes, life).await,
                        Over::Number(number) => meta.swap(key, bytes, life, number).await,
                    };
                    stored.map(Reply::Stored)
                }
                Command::Remove(at, number) => {
                    let removed = meta.remove(at.item(), *number).await;
                    removed.map(|()| Reply::Done)
                }
                Command::Delete(key) => meta.delete(key).await.map(|()| Reply::Done),
                Command::Ping => meta.ping().await.map(|()| Reply::Done),
                Command::Lookups(ats, ask) => meta.lookups(ats, *ask).await.map(Reply::Lookups),
                Command::Numbers(slots) => {
                    let keys: Vec<_> = slots.iter().map(|(at, slot)| at.slot(*slot)).collect();
                    meta.numbers(&keys).await.map(Reply::Items)
                }
                Command::Writes(writes) => meta.writes(writes).await.map(Reply::Writes),
            },
        }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.socket.is_quiet()
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
