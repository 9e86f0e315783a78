//! The classic protocol through memcache-async, on one validated connection.
//!
//! One caller at a time uses the connection, for one exchange. Unless that ends cleanly, the
//! connection is dropped and not returned to the pool.

use std::io;

use bytes::Bytes;
use memcache_async::ascii::Protocol;

use super::{
    super::{Item, ItemState, LookupOptions, LookupReply, StoreError, many::Precondition},
    command::OwnedWrite,
    exptime,
    tls::Stream,
};
use crate::key::CacheKeys;

mod effect;
mod many;
mod probe;
mod shared_stream;
pub(super) mod validator;
mod value_line;
use shared_stream::SharedStream;
use validator::{Expect, Handle, ValidatedStream, validated};

pub(super) struct Classic {
    protocol: Protocol<ValidatedStream<SharedStream>>,
    shared_stream: SharedStream,
    validator: Handle,
}

impl Classic {
    pub(super) fn new(stream: Stream) -> Self {
        let shared_stream = SharedStream::new(stream);
        let (stream, validator) = validated(shared_stream.clone());
        Self {
            protocol: Protocol::new(stream),
            shared_stream,
            validator,
        }
    }

    /// Whether the last answer ended where it should. Only then may the connection be used again.
    pub(super) fn is_clean(&self) -> bool {
        self.validator.lock().is_clean()
    }

    /// One `get` of up to four keys. The server answers in their order, the item before the
    /// generations.
    pub(super) async fn lookup(
        &mut self,
        keys: &CacheKeys,
        options: LookupOptions,
    ) -> Result<Box<LookupReply>, StoreError> {
        let wanted = [
            keys.item(),
            keys.marker(),
            keys.namespace(),
            keys.function(),
        ];
        let (with, without) = (&wanted[..], [wanted[0], wanted[2], wanted[3]]);
        let wanted = if options.marker { with } else { &without };
        self.expect(Expect::Values {
            keys: wanted.join(" "),
            with_cas: false,
        });
        let result = self.protocol.get_multi(wanted).await;
        let mut found = result.map_err(|error| self.fault(&error))?;
        let mut item = |key: &str| {
            found.remove(key).map(|bytes| Item {
                bytes: Bytes::from(bytes),
                cas: None,
            })
        };
        Ok(Box::new(LookupReply {
            item: item(keys.item()).map_or(ItemState::Absent, ItemState::Item),
            seconds_left: None,
            marker: if options.marker {
                item(keys.marker())
            } else {
                None
            },
            namespace: item(keys.namespace()),
            function: item(keys.function()),
            near: None,
        }))
    }

    /// `gets` of one key.
    async fn get_one(&mut self, key: &str) -> Result<Option<Item>, StoreError> {
        self.expect(Expect::Values {
            keys: key.to_owned(),
            with_cas: true,
        });
        match self.protocol.gets_cas(key).await {
            // A server that was started without cas (-C) cannot keep a lease.
            Ok((_, 0)) => Err(StoreError::Protocol),
            Ok((bytes, cas)) => Ok(Some(Item {
                bytes: bytes.into(),
                cas: Some(cas),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.fault(&error)),
        }
    }

    async fn write_one(&mut self, write: &OwnedWrite) -> Result<bool, StoreError> {
        let (key, bytes) = (write.key(), &write.bytes);
        let life = exptime::to_exptime(write.life);
        let written = match write.precondition {
            Precondition::Absent => {
                self.expect(Expect::Word(&["STORED", "NOT_STORED"]));
                let added = self.protocol.add(key, bytes, life).await;
                added.map(|()| true)
            }
            Precondition::Cas(cas) => {
                self.expect(Expect::Word(&["STORED", "EXISTS", "NOT_FOUND"]));
                self.protocol.cas(key, bytes, cas, life).await
            }
        };
        match written {
            Ok(written) => Ok(written),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            // The crate compares with "NOT FOUND", so it takes this answer for an error.
            Err(_) if self.validator.lock().last_line() == b"NOT_FOUND" && self.is_clean() => {
                Ok(false)
            }
            Err(error) => Err(self.fault(&error)),
        }
    }

    pub(super) async fn ping(&mut self) -> Result<(), StoreError> {
        self.expect(Expect::Version);
        match self.protocol.version().await {
            Ok(_) => Ok(()),
            Err(error) => Err(self.fault(&error)),
        }
    }

    fn expect(&self, expect: Expect) {
        self.validator.lock().begin(expect);
    }

    fn fault(&self, error: &io::Error) -> StoreError {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        if let Some(refusal) = self.validator.lock().refusal() {
            return refusal;
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
            .field("validator", &self.validator)
            .finish_non_exhaustive()
    }
}
