//! Where records are kept. A store moves bytes; it never decodes them and decides nothing.
//!
//! There are two: [`memory`] in this process, and [`memcached`]. Every write of an item changes its
//! cas number, and a compare-and-swap names the number that it expects. There is no `set`: a
//! delayed `set` could undo an invalidation.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::Instant;

use crate::{
    key::{CacheKeys, Scope},
    runtime::Needs,
};
use many::Precondition;
pub use memcached::BreakerState;

pub(crate) mod effect;

pub(crate) mod many;
pub(crate) mod memcached;
pub(crate) mod memory;
#[cfg(test)]
pub(crate) mod simulated;

/// Which of the keys of [`CacheKeys`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Item,
    Marker,
    Namespace,
    Function,
    /// The generation of the tag at this place.
    Tag(usize),
}

impl CacheKeys {
    pub(crate) fn of_kind(&self, kind: KeyKind) -> &str {
        match kind {
            KeyKind::Item => self.item(),
            KeyKind::Marker => self.marker(),
            KeyKind::Namespace => self.namespace(),
            KeyKind::Function => self.function(),
            KeyKind::Tag(place) => self.tags()[place].key(),
        }
    }

    /// The generations that a call needs: of its namespace, its function and its tags.
    pub(crate) fn generations(&self) -> impl Iterator<Item = (KeyKind, &Scope)> {
        let [namespace, function] = self.scopes();
        let two = [
            (KeyKind::Namespace, namespace),
            (KeyKind::Function, function),
        ];
        let tags = self.tags().iter().enumerate();
        let tags = tags.map(|(place, tag)| (KeyKind::Tag(place), tag));
        two.into_iter().chain(tags)
    }
}

/// An item's bytes, and its cas if the read returned it. A lookup with the classic protocol does
/// not, nor one with the meta protocol for generations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) bytes: Bytes,
    pub(crate) cas: Option<u64>,
}

/// What a lookup reads besides the item and the generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LookupOptions {
    /// Read the refresh marker, because the policy has a stale window.
    pub(crate) marker: bool,
    /// Create a placeholder for this many seconds if the item is absent. Only the meta protocol can
    /// do it; others ignore it.
    pub(crate) lease: Option<u32>,
    /// Read the records that bound near copies, before everything else.
    pub(crate) near: bool,
}

/// The item under its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ItemState {
    Absent,
    /// It was absent until this lookup created a placeholder, with this cas.
    Won(u64),
    Item(Item),
}

/// The answer of one lookup. The item was read before the generations, on one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LookupReply {
    pub(crate) item: ItemState,
    /// For how many seconds the server keeps the item, if the protocol shows it.
    pub(crate) seconds_left: Option<u32>,
    pub(crate) marker: Option<Item>,
    pub(crate) namespace: Option<Item>,
    pub(crate) function: Option<Item>,
    /// The generation of each tag.
    pub(crate) tags: Vec<Option<Item>>,
    /// What bounds near copies, of the namespace and of the function, if that was asked for.
    pub(crate) near: Option<Box<[Option<Bytes>; 2]>>,
}

impl LookupReply {
    /// Its generations, in the order of [`CacheKeys::generations`].
    pub(crate) fn generations(&self) -> impl Iterator<Item = &Option<Item>> {
        [&self.namespace, &self.function]
            .into_iter()
            .chain(&self.tags)
    }
}

/// How long an item lives on its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Until evicted: generations only.
    Forever,
    /// At least this many seconds, at most one more. Never 0, which means "never" to memcached.
    Seconds(std::num::NonZeroU32),
}

impl Lifetime {
    /// Rounded up to whole seconds, plus one, because the current second of memcached may end at
    /// once.
    pub(crate) fn at_least(time: Duration) -> Self {
        let up = 1 + u64::from(time.subsec_nanos() > 0);
        let seconds = time.as_secs().saturating_add(up);
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        Self::Seconds(std::num::NonZeroU32::new(seconds).unwrap_or(std::num::NonZeroU32::MAX))
    }

    /// Exactly `seconds` on the server's clock: it may end up to one second earlier.
    pub(crate) fn seconds(seconds: u32) -> Self {
        Self::Seconds(std::num::NonZeroU32::new(seconds).unwrap_or(std::num::NonZeroU32::MIN))
    }
}

/// Why an exchange with a store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("no complete answer in time")]
    Timeout,
    /// By the server's machine, where nothing listens.
    #[error("connection refused")]
    Refused,
    #[error("it cannot be reached")]
    Unreachable,
    #[error("its name cannot be resolved")]
    Dns,
    #[error("no TLS connection")]
    Tls,
    #[error("it asks for a user and a password: memcached://user:password@host")]
    LoginNeeded,
    #[error("it refuses this user and password")]
    LoginRefused,
    #[error("connection closed")]
    Closed,
    #[error("invalid response")]
    Protocol,
    #[error("too large for the server")]
    Oversize,
    #[error("the server has no memory for it")]
    Full,
    #[error("the server refuses to store it")]
    Rejected,
    #[error("circuit breaker open")]
    Breaker,
    #[error("not on a tokio runtime with time and I/O")]
    NoRuntime,
}

impl StoreError {
    /// Whether the server may not be where it was: nothing is there, its name has gone, or
    /// something else has its address.
    pub(crate) fn may_be_moved(&self) -> bool {
        matches!(
            self,
            Self::Refused | Self::Unreachable | Self::Dns | Self::Tls
        )
    }

    /// Whether a connection that was not made may be its cause.
    pub(crate) fn is_about_connecting(self) -> bool {
        matches!(self, Self::Timeout | Self::Closed | Self::Protocol) || self.may_be_moved()
    }
}

/// A verb that was not acknowledged.
#[derive(Debug)]
pub(crate) struct VerbError {
    /// By which server, if it is not that of the key.
    pub(crate) server: Option<String>,
    pub(crate) error: StoreError,
}

impl From<StoreError> for VerbError {
    fn from(error: StoreError) -> Self {
        let server = None;
        Self { server, error }
    }
}

impl From<(String, StoreError)> for VerbError {
    fn from((server, error): (String, StoreError)) -> Self {
        let server = Some(server);
        Self { server, error }
    }
}

/// What an item is replaced by, given what is there.
pub(crate) trait Amend: std::fmt::Debug + Send + Sync {
    fn key(&self) -> &str;
    /// `None`: what is there stays.
    fn amended(&self, there: Option<&[u8]>) -> Option<Vec<u8>>;

    /// The write that replaces `there` by that, and nothing else.
    fn replacing(&self, there: Option<Item>) -> Option<(Precondition, Vec<u8>)> {
        let bytes = self.amended(there.as_ref().map(|item| &item.bytes[..]))?;
        let precondition = match there.and_then(|item| item.cas) {
            Some(cas) => Precondition::Cas(cas),
            None => Precondition::Absent,
        };
        Some((precondition, bytes))
    }
}

/// A store, of one of these kinds. Every exchange has a limit for its time.
#[derive(Debug)]
pub(crate) enum Store {
    Memory(memory::Memory),
    Memcached(memcached::Memcached),
    #[cfg(test)]
    Simulated(simulated::Simulated),
}

impl Store {
    /// Reads the item, the marker if it is wanted, and the generations, in this order. Boxed,
    /// because it is moved often. The `limit` runs from `begun`.
    pub(crate) async fn lookup(
        &self,
        keys: &CacheKeys,
        options: LookupOptions,
        begun: Instant,
        limit: Duration,
    ) -> Result<Box<LookupReply>, StoreError> {
        match self {
            Self::Memory(memory) => Ok(Box::new(memory.lookup(keys, options))),
            Self::Memcached(memcached) => memcached.lookup(keys, options, begun, limit).await,
            #[cfg(test)]
            // Boxed, so that a lookup is as large as without it.
            Self::Simulated(simulated) => Box::pin(simulated.lookup(keys, options, limit))
                .await
                .map(Box::new),
        }
    }

    /// Reads a record on `server`, and replaces it by what `amend` makes of it: both on one
    /// connection, so in one life of the server. Whether it was replaced.
    pub(crate) async fn amend(
        &self,
        server: &str,
        amend: Arc<dyn Amend>,
        limit: Duration,
    ) -> Result<bool, StoreError> {
        match self {
            Self::Memory(_) => Ok(false),
            Self::Memcached(memcached) => memcached.amend(server, amend, limit).await,
            #[cfg(test)]
            Self::Simulated(simulated) => simulated.amend(amend, limit).await,
        }
    }

    /// How often the list of servers has changed. Copies of values that were read before are of no
    /// use.
    pub(crate) fn lists(&self) -> u64 {
        match self {
            Self::Memcached(memcached) => memcached.lists(),
            _ => 0,
        }
    }

    /// The name of the server that holds `keys`, if there are servers and their list is known.
    pub(crate) fn holding(&self, keys: &CacheKeys) -> Option<String> {
        match self {
            Self::Memcached(memcached) => memcached.holding(keys),
            _ => None,
        }
    }

    /// Tries the server of `keys` although its breaker is open; `Ok` if it is not.
    pub(crate) async fn reach(&self, keys: &CacheKeys, limit: Duration) -> Result<(), VerbError> {
        match self {
            Self::Memcached(memcached) => memcached.reach(keys, limit).await,
            _ => Ok(()),
        }
    }

    /// Why the server of this name cannot be connected to, if that is known.
    pub(crate) fn cause(&self, server: &str) -> Option<Arc<str>> {
        match self {
            Self::Memcached(memcached) => memcached.cause(server),
            _ => None,
        }
    }

    /// Whether an item and its records may be on different servers, behind a proxy.
    pub(crate) fn spreads_keys(&self) -> bool {
        match self {
            Self::Memcached(memcached) => memcached.spreads_keys(),
            _ => false,
        }
    }

    /// Whether other processes may use it.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self, Self::Memcached(_))
    }

    /// What its exchanges need of the runtime.
    pub(crate) fn needs(&self) -> Needs {
        match self {
            Self::Memcached(_) => Needs::TimeAndIo,
            _ => Needs::Time,
        }
    }

    /// The breaker of each server, by its name.
    pub(crate) fn breakers(&self) -> Vec<(String, BreakerState)> {
        match self {
            Self::Memcached(memcached) => memcached.breakers(),
            _ => Vec::new(),
        }
    }

    /// Asks every server whether it answers.
    pub(crate) async fn ping(&self, limit: Duration) -> Vec<(String, Result<(), StoreError>)> {
        match self {
            Self::Memcached(memcached) => memcached.ping(limit).await,
            _ => vec![("memory".to_owned(), Ok(()))],
        }
    }
}
