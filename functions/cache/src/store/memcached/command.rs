//! What a server is asked for in one exchange, and what it answers.

use super::super::{
    Ask, Found, Item, Lifetime, Looked, Slot, StoreError, Stored,
    many::{Each, Over, Write},
};
use crate::key::Address;

/// One exchange with a server. It owns all that it needs: its caller may leave.
#[derive(Debug, Clone)]
pub(super) enum Command {
    Lookup(Address, Ask),
    Numbered(Address, Slot),
    Write(OwnedWrite),
    /// Removes the item of this number, if it is still there.
    Remove(Address, u64),
    Delete(String),
    Ping,
    Lookups(Vec<Address>, Ask),
    Numbers(Vec<(Address, Slot)>),
    Writes(Vec<OwnedWrite>),
}

/// As [`Write`], with its own address.
#[derive(Debug, Clone)]
pub(in super::super) struct OwnedWrite {
    pub(in super::super) at: Address,
    pub(in super::super) slot: Slot,
    pub(in super::super) bytes: Vec<u8>,
    pub(in super::super) life: Lifetime,
    pub(in super::super) over: Over,
}

impl OwnedWrite {
    pub(super) fn key(&self) -> &str {
        self.at.slot(self.slot)
    }
}

impl From<&Write<'_>> for OwnedWrite {
    fn from(write: &Write<'_>) -> Self {
        Self {
            at: write.at.clone(),
            slot: write.slot,
            bytes: write.bytes.clone(),
            life: write.life,
            over: write.over,
        }
    }
}

impl Command {
    /// Whether sending it twice is the same as sending it once.
    pub(super) fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Write(_) | Self::Writes(_))
    }

    /// Whether somebody asked for this very exchange, and not for a value.
    pub(super) fn is_verb(&self) -> bool {
        matches!(self, Self::Delete(_) | Self::Ping)
    }

    /// Whether the answer may be a lease, which has to be given back if nobody uses it.
    pub(super) fn may_win(&self) -> bool {
        matches!(self, Self::Lookup(_, ask) | Self::Lookups(_, ask) if ask.lease.is_some())
    }

    /// The leases that this command has won by `reply`, with their numbers.
    pub(super) fn won(&self, reply: &Reply) -> Vec<(Address, u64)> {
        let all = match (self, reply) {
            (Self::Lookup(at, _), Reply::Looked(looked)) => vec![(at, &**looked)],
            (Self::Lookups(ats, _), Reply::Lookups(all)) => ats.iter().zip(all).collect(),
            _ => Vec::new(),
        };
        let won = all
            .into_iter()
            .filter_map(|(at, looked)| match looked.item {
                Found::Won(number) => Some((at.clone(), number)),
                Found::Absent | Found::Item(_) => None,
            });
        won.collect()
    }
}

#[derive(Debug)]
pub(super) enum Reply {
    Looked(Box<Looked>),
    Item(Option<Item>),
    Stored(Stored),
    Done,
    Lookups(Vec<Looked>),
    Items(Vec<Option<Item>>),
    Writes(Each<Stored>),
}

/// What became of an exchange.
pub(super) type Answer = Result<Reply, StoreError>;
