//! What a server is asked for in one exchange, and what it answers.

use super::super::{
    Item, LookupOptions, LookupReply,
    many::{Each, Write},
};
use crate::key::CacheKeys;

/// One exchange with a server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command<'a> {
    Lookup(&'a CacheKeys, LookupOptions),
    Delete(&'a str),
    Ping,
    Lookups(&'a [&'a CacheKeys], LookupOptions),
    GetWithCas(&'a [&'a str]),
    Write(&'a [&'a Write<'a>]),
}

impl Command<'_> {
    /// Whether sending it twice is the same as sending it once.
    pub(super) fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Write(_))
    }

    /// Whether somebody asked for this very exchange, and not for a value.
    pub(super) fn is_verb(&self) -> bool {
        matches!(self, Self::Delete(_) | Self::Ping)
    }
}

#[derive(Debug)]
pub(super) enum Reply {
    LookupReply(Box<LookupReply>),
    Done,
    Lookups(Vec<LookupReply>),
    Items(Vec<Option<Item>>),
    Written(Each<bool>),
}
