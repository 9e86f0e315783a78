//! The classic protocol through memcache-async, one guarded connection.
//!
//! Owns which command is sent and what its answer means. The connection is used for one exchange at a time by whoever took it
//! out of the pool; after anything but a clean end it is dropped, never put back.

use std::io;

use bytes::Bytes;
use memcache_async::ascii::Protocol;

use super::{
    super::{Ask, Found, Item, Lifetime, Looked, StoreError, Stored},
    exptime,
    tls::Stream,
};
use crate::key::Address;

mod many;
mod shared_stream;
pub(super) mod validator;
use shared_stream::Wire;
use validator::{Expect, Guarded, Watcher, guarded};

pub(super) struct Classic {
    protocol: Protocol<Guarded<Wire>>,
    wire: Wire,
    watcher: Watcher,
}

impl Classic {
    pub(super) fn new(stream: Stream) -> Self {
        let wire = Wire::new(stream);
        let (stream, watcher) = guarded(wire.clone());
        Self {
            protocol: Protocol::new(stream),
            wire,
            watcher,
        }
    }

    /// Whether the last answer ended where it should: only then may the connection be used again.
    pub(super) fn is_clean(&self) -> bool {
        self.watcher.watch().is_clean()
    }

    /// One `get` of up to four keys: the server answers in the order asked, the item before the generations.
    pub(super) async fn lookup(&mut self, at: &Address, ask: Ask) -> Result<Looked, StoreError> {
        let keys = [at.item(), at.marker(), at.namespace(), at.function()];
        let (with, without) = (&keys[..], [keys[0], keys[2], keys[3]]);
        let keys = if ask.marker { with } else { &without };
        self.expect(Expect::Values {
            keys: keys.join(" "),
            numbered: false,
        });
        let result = self.protocol.get_multi(keys).await;
        let mut found = result.map_err(|error| self.fault(&error))?;
        let mut item = |key: &str| {
            found.remove(key).map(|bytes| Item {
                bytes: Bytes::from(bytes),
                number: None,
            })
        };
        Ok(Looked {
            item: item(at.item()).map_or(Found::Absent, Found::Item),
            marker: if ask.marker { item(at.marker()) } else { None },
            namespace: item(at.namespace()),
            function: item(at.function()),
        })
    }

    /// `gets` of one key.
    pub(super) async fn numbered(&mut self, key: &str) -> Result<Option<Item>, StoreError> {
        self.expect(Expect::Values {
            keys: key.to_owned(),
            numbered: true,
        });
        match self.protocol.gets_cas(key).await {
            // A server that was started without numbers (-C) can hold no lease.
            Ok((_, 0)) => Err(StoreError::Protocol),
            Ok((bytes, number)) => Ok(Some(Item {
                bytes: bytes.into(),
                number: Some(number),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.fault(&error)),
        }
    }

    pub(super) async fn add(
        &mut self,
        key: &str,
        bytes: &[u8],
        life: Lifetime,
    ) -> Result<Stored, StoreError> {
        self.expect(Expect::Word(&["STORED", "NOT_STORED"]));
        match self.protocol.add(key, bytes, exptime::of(life)).await {
            Ok(()) => Ok(Stored::Yes),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Stored::No),
            Err(error) => Err(self.fault(&error)),
        }
    }

    pub(super) async fn swap(
        &mut self,
        key: &str,
        bytes: &[u8],
        life: Lifetime,
        number: u64,
    ) -> Result<Stored, StoreError> {
        self.expect(Expect::Word(&["STORED", "EXISTS", "NOT_FOUND"]));
        match self
            .protocol
            .cas(key, bytes, number, exptime::of(life))
            .await
        {
            Ok(true) => Ok(Stored::Yes),
            Ok(false) => Ok(Stored::No),
            // The crate compares with "NOT FOUND" and so takes the answer for an error.
            Err(_) if self.watcher.watch().last_line() == b"NOT_FOUND" && self.is_clean() => {
                Ok(Stored::No)
            }
            Err(error) => Err(self.fault(&error)),
        }
    }

    /// The crate's delete asks for no answer. A server works in order, so the answer to a `version` on the same
    /// connection proves that the delete was done.
    pub(super) async fn delete(&mut self, key: &str) -> Result<(), StoreError> {
        self.expect(Expect::Version);
        if let Err(error) = self.protocol.delete(key).await {
            return Err(self.fault(&error));
        }
        self.version().await
    }

    pub(super) async fn version(&mut self) -> Result<(), StoreError> {
        self.expect(Expect::Version);
        match self.protocol.version().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fault(&error)),
        }
    }

    fn expect(&self, expect: Expect) {
        self.watcher.watch().begin(expect);
    }

    fn fault(&self, error: &io::Error) -> StoreError {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        if self.watcher.watch().is_oversize() {
            return StoreError::Oversize;
        }
        match error.kind() {
            UnexpectedEof | BrokenPipe | ConnectionReset | ConnectionAborted => StoreError::Closed,
            _ => StoreError::Protocol,
        }
    }
}

impl std::fmt::Debug for Classic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Classic")
            .field("watcher", &self.watcher)
            .finish_non_exhaustive()
    }
}
