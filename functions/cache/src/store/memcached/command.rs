//! What a server is asked for in one exchange, and what it answers.

use super::super::{
    Ask, Item, Lifetime, Looked, Stored,
    many::{Each, Write},
};
use crate::key::Address;

/// One exchange with a server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command<'a> {
    Lookup(&'a Address, Ask),
    Numbered(&'a str),
    Add(&'a str, &'a [u8], Lifetime),
    Swap(&'a str, &'a [u8], Lifetime, u64),
    Delete(&'a str),
    Ping,
    Lookups(&'a [&'a Address], Ask),
    Numbers(&'a [&'a str]),
    Writes(&'a [&'a Write<'a>]),
}

impl Command<'_> {
    /// Whether sending it twice is the same as sending it once.
    pub(super) fn is_repeatable(&self) -> bool {
        !matches!(self, Self::Add(..) | Self::Swap(..) | Self::Writes(_))
    }

    /// Whether somebody asked for this very exchange, and not for a value.
    pub(super) fn is_verb(&self) -> bool {
        matches!(self, Self::Delete(_) | Self::Ping)
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
