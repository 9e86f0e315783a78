//! The command of one exchange with a server, and its reply.

use std::sync::Arc;

use super::super::{
    Amend, Item, ItemState, KeyKind, Lifetime, LookupOptions, LookupReply, StoreError,
    effect::Effected,
    many::{Each, Precondition, Write},
};
use crate::key::CacheKeys;

/// One exchange with a server. It owns all that it needs: its caller may leave.
#[derive(Debug, Clone)]
pub(super) enum Command {
    Lookup(CacheKeys, LookupOptions),
    GetWithCas(CacheKeys, KeyKind),
    Write(OwnedWrite),
    /// Removes the items of these cas values, if they are still there.
    Remove(Vec<(CacheKeys, u64)>),
    /// An effect, and behind it the records under these keys.
    Effect(OwnedEffect, Arc<[String]>),
    /// Reads a record, and replaces it.
    Amend(Arc<dyn Amend>),
    Ping,
    Lookups(Vec<CacheKeys>, LookupOptions),
    GetManyWithCas(Vec<(CacheKeys, KeyKind)>),
    Writes(Vec<OwnedWrite>),
}

/// What a verb does to one item.
#[derive(Debug, Clone)]
pub(super) enum OwnedEffect {
    Delete(String),
    Write(OwnedWrite),
}

/// As [`Write`], with its own address.
#[derive(Debug, Clone)]
pub(super) struct OwnedWrite {
    pub(super) keys: CacheKeys,
    pub(super) kind: KeyKind,
    pub(super) bytes: Vec<u8>,
    pub(super) life: Lifetime,
    pub(super) precondition: Precondition,
}

impl OwnedWrite {
    pub(super) fn key(&self) -> &str {
        self.keys.of_kind(self.kind)
    }
}

impl From<&Write<'_>> for OwnedWrite {
    fn from(write: &Write<'_>) -> Self {
        Self {
            keys: write.keys.clone(),
            kind: write.kind,
            bytes: write.bytes.clone(),
            life: write.life,
            precondition: write.precondition,
        }
    }
}

impl Command {
    /// Whether sending it twice is the same as sending it once.
    pub(super) fn is_repeatable(&self) -> bool {
        !matches!(
            self,
            Self::Write(_) | Self::Writes(_) | Self::Effect(OwnedEffect::Write(_), _)
        )
    }

    /// Whether the caller wants this exchange itself, and not a value.
    pub(super) fn is_verb(&self) -> bool {
        matches!(self, Self::Effect(OwnedEffect::Delete(_), _) | Self::Ping)
    }

    /// Whether the answer may be a lease, which has to be given back if no caller uses it.
    pub(super) fn may_win(&self) -> bool {
        matches!(self, Self::Lookup(_, options) | Self::Lookups(_, options) if options.lease.is_some())
    }

    /// The leases that this command has won by `reply`, with their cas values.
    pub(super) fn won(&self, reply: &Reply) -> Vec<(CacheKeys, u64)> {
        let all = match (self, reply) {
            (Self::Lookup(keys, _), Reply::Lookup(one)) => vec![(keys, &**one)],
            (Self::Lookups(all_keys, _), Reply::Lookups(all)) => all_keys.iter().zip(all).collect(),
            _ => Vec::new(),
        };
        all.into_iter()
            .filter_map(|(keys, reply)| reply.won(keys))
            .collect()
    }
}

impl LookupReply {
    /// The lease that this lookup of `keys` has won, with its cas.
    pub(super) fn won(&self, keys: &CacheKeys) -> Option<(CacheKeys, u64)> {
        match self.item {
            ItemState::Won(cas) => Some((keys.clone(), cas)),
            ItemState::Absent | ItemState::Item(_) => None,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Reply {
    Lookup(Box<LookupReply>),
    Item(Option<Item>),
    Stored(bool),
    Effected(Effected),
    Done,
    Lookups(Vec<LookupReply>),
    Items(Vec<Option<Item>>),
    Writes(Each<bool>),
}

/// What became of an exchange.
pub(super) type Answer = Result<Reply, StoreError>;
