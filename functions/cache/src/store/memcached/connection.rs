//! One connection with its protocol: executes a command.

use tokio::runtime;

use super::{
    super::{LookupReply, StoreError},
    cause::ConnectError,
    classic::Classic,
    command::{Answer, Command, Reply},
    connect_options::{Between, ConnectOptions},
    dialer::Dialer,
    handshake::{Failed, Keys, Learnt, Protocol, handshake},
    meta::Meta,
    socket::Socket,
    tls::Stream,
};

#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    driver: Driver,
    used: bool,
    /// It is woken only while this one runs.
    runtime: runtime::Id,
}

/// Why a proxy is not used.
const TAGS: &str = "it spreads keys with one hash tag over several servers: have the proxy hash what \
                    is between { and }, or what is before |#|";
/// What is to be done about one that was not expected.
const PROXY: &str = "after the restart of one, a value from before an invalidation may be stored and \
                     served, and near copies are off; use ?proxy=true in CACHE_URL";

#[derive(Debug)]
enum Driver {
    Classic(Box<Classic>),
    Meta(Box<Meta>),
}

impl Connection {
    /// `learnt` is what earlier connections have shown, and is added to.
    pub(super) async fn open(
        dialer: &Dialer,
        connect_options: &ConnectOptions,
        learnt: &Learnt,
    ) -> Result<Self, ConnectError> {
        let wanted = match connect_options.protocol {
            Protocol::Auto if learnt.is_classic() => Protocol::Classic,
            wanted => wanted,
        };
        let failed = match Self::greeted(dialer, connect_options, wanted).await {
            Err(failed) if failed.may_be_classic => failed,
            Err(failed) => return Err(failed.error),
            Ok((connection, version)) => {
                // What was learnt may be of another server than that of today.
                if wanted != connect_options.protocol {
                    learnt.note_classic(&version);
                }
                return connection.examined(dialer, connect_options, learnt).await;
            }
        };
        match Self::greeted(dialer, connect_options, Protocol::Classic).await {
            Ok((connection, version)) => {
                learnt.note_classic(&version);
                connection.examined(dialer, connect_options, learnt).await
            }
            Err(_) => Err(failed.error),
        }
    }

    /// Finds out where the peer keeps keys, once, if it is or may be a proxy: it has refused the
    /// meta command.
    async fn examined(
        mut self,
        dialer: &Dialer,
        connect_options: &ConnectOptions,
        learnt: &Learnt,
    ) -> Result<Self, ConnectError> {
        let between = connect_options.between;
        let may_be_proxy = between == Between::Proxy || learnt.is_classic();
        let Driver::Classic(classic) = &mut self.driver else {
            return Ok(self);
        };
        if !may_be_proxy || learnt.keys().is_some() {
            return Ok(self);
        }
        let together = classic.keeps_together(&connect_options.probe).await;
        let lost = |error| ConnectError::new(error, "lost while it was examined");
        match (between, together.map_err(lost)?) {
            (_, Some(true)) => _ = learnt.note_keys(Keys::Together),
            (Between::Proxy, Some(false)) => {
                return Err(ConnectError::new(StoreError::Protocol, TAGS));
            }
            (Between::Proxy, None) => {
                let text = "it stores nothing, so where it keeps keys cannot be found out";
                return Err(ConnectError::new(StoreError::Rejected, text));
            }
            (Between::Nothing, Some(false)) => {
                if learnt.note_keys(Keys::Apart) {
                    let server = dialer.to();
                    tracing::warn!(%server, "a proxy spreads keys over several servers: {PROXY}");
                }
            }
            (Between::Nothing, None) => {}
        }
        Ok(self)
    }

    /// A connection, and the version of its server.
    async fn greeted(
        dialer: &Dialer,
        connect_options: &ConnectOptions,
        wanted: Protocol,
    ) -> Result<(Self, String), Failed> {
        let dialled = dialer.dial().await?;
        let socket = dialled.socket().clone();
        let stream = Stream::new(connect_options.tls.as_ref(), dialer.to(), socket.clone()).await;
        // The certificate is not trusted, or the server does not support TLS.
        let mut stream = stream.map_err(|error| ConnectError::tls(&error))?;
        let login = connect_options.login.as_ref();
        let greeted = handshake(&mut stream, wanted, login).await?;
        dialled.greeted();
        let driver = match greeted.protocol {
            Protocol::Meta => Driver::Meta(Box::new(Meta::new(stream))),
            Protocol::Classic | Protocol::Auto => Driver::Classic(Box::new(Classic::new(stream))),
        };
        let connection = Self {
            socket,
            driver,
            used: false,
            runtime: runtime::Handle::current().id(),
        };
        Ok((connection, greeted.version))
    }

    pub(super) async fn run(&mut self, command: &Command) -> Answer {
        match &mut self.driver {
            Driver::Classic(classic) => match command {
                // As one of many, since few lookups are of this kind.
                Command::Lookup(keys, options) if options.near => {
                    let replies = classic.lookup_many(std::slice::from_ref(keys), *options);
                    one(replies.await?)
                }
                Command::Lookup(keys, options) => {
                    let reply = classic.lookup(keys, *options).await?;
                    Ok(Reply::Lookup(reply))
                }
                Command::GetWithCas(keys, kind) => {
                    let items = classic.get_with_cas(&[keys.of_kind(*kind)]).await?;
                    Ok(Reply::Item(items.into_iter().next().flatten()))
                }
                Command::Write(write) => {
                    let written = classic.write(std::slice::from_ref(write)).await?.pop();
                    written
                        .unwrap_or(Err(StoreError::Protocol))
                        .map(Reply::Stored)
                }
                // Only a lookup of the meta protocol leaves a lease that has to be removed.
                Command::Remove(..) => Ok(Reply::Done),
                Command::Effect(effect, records) => {
                    classic.effect(effect, records).await.map(Reply::Effected)
                }
                Command::Amend(amend) => classic.amend(&**amend).await.map(Reply::Stored),
                Command::Ping => classic.ping().await.map(|()| Reply::Done),
                Command::Lookups(all_keys, options) => classic
                    .lookup_many(all_keys, *options)
                    .await
                    .map(Reply::Lookups),
                Command::GetManyWithCas(wanted) => {
                    let keys = wanted.iter().map(|(keys, kind)| keys.of_kind(*kind));
                    let keys: Vec<_> = keys.collect();
                    classic.get_with_cas(&keys).await.map(Reply::Items)
                }
                Command::Writes(writes) => classic.write(writes).await.map(Reply::Writes),
            },
            Driver::Meta(meta) => match command {
                Command::Lookup(keys, options) if options.near => {
                    let replies = meta.lookup_many(std::slice::from_ref(keys), *options);
                    one(replies.await?)
                }
                Command::Lookup(keys, options) => {
                    let reply = meta.lookup(keys, *options).await?;
                    Ok(Reply::Lookup(reply))
                }
                Command::GetWithCas(keys, kind) => {
                    let items = meta.get_with_cas(&[keys.of_kind(*kind)]).await?;
                    Ok(Reply::Item(items.into_iter().next().flatten()))
                }
                Command::Write(write) => {
                    let written = meta.write(std::slice::from_ref(write)).await?.pop();
                    written
                        .unwrap_or(Err(StoreError::Protocol))
                        .map(Reply::Stored)
                }
                Command::Remove(all) => meta.remove(all).await.map(|()| Reply::Done),
                Command::Effect(effect, records) => {
                    meta.effect(effect, records).await.map(Reply::Effected)
                }
                Command::Amend(amend) => meta.amend(&**amend).await.map(Reply::Stored),
                Command::Ping => meta.ping().await.map(|()| Reply::Done),
                Command::Lookups(all_keys, options) => meta
                    .lookup_many(all_keys, *options)
                    .await
                    .map(Reply::Lookups),
                Command::GetManyWithCas(wanted) => {
                    let keys = wanted.iter().map(|(keys, kind)| keys.of_kind(*kind));
                    let keys: Vec<_> = keys.collect();
                    meta.get_with_cas(&keys).await.map(Reply::Items)
                }
                Command::Writes(writes) => meta.write(writes).await.map(Reply::Writes),
            },
        }
    }

    /// The runtime that has opened it.
    pub(super) fn runtime(&self) -> runtime::Id {
        self.runtime
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

fn one(mut replies: Vec<LookupReply>) -> Answer {
    let reply = replies.pop().ok_or(StoreError::Protocol)?;
    Ok(Reply::Lookup(Box::new(reply)))
}
