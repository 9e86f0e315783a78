//! Random arguments of any form that a parameter may have, from a small alphabet, or full of what
//! servers read as commands.

use std::collections::BTreeMap;

use rand::{RngExt as _, rngs::SmallRng};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// Two arguments are equal if and only if their keys must be equal. Floats are kept as bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Arg {
    None,
    Some(Box<Self>),
    Unit,
    Bool(bool),
    Int(i64),
    Float(u64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
    Variant(&'static str, Box<Self>),
}

const SMALL: [&str; 8] = ["", "a", "b", "ab", "bc", "abc", "None", "1"];
const HOSTILE: [&str; 10] = [
    "\r\nset victim 0 0 5\r\nPWNED\r\n",
    "\r\nflush_all\r\n",
    "a b",
    "\0",
    "\u{7f}\t\u{1b}[2J",
    "END\r\n",
    "ñandú ☕ 👩‍🚀",
    "%0d%0a",
    "\u{202e}\u{feff}",
    "' OR 1=1 --",
];

impl Arg {
    /// From a small alphabet, so that equal arguments, and arguments that only differ in their
    /// form, come up often.
    pub(super) fn small(random: &mut SmallRng, depth: u32) -> Self {
        let text = |random: &mut SmallRng| SMALL[random.random_range(0..SMALL.len())].to_owned();
        Self::of(random, depth, &text)
    }

    /// Everything that a server, a shell or a terminal could interpret; about one text in a hundred
    /// has 70 kB.
    pub(super) fn hostile(random: &mut SmallRng, depth: u32) -> Self {
        let text = |random: &mut SmallRng| {
            let mut part = || HOSTILE[random.random_range(0..HOSTILE.len())];
            let some = [part(), part()].concat();
            if random.random_ratio(1, 200) {
                some.repeat(70_000 / some.len() + 1)
            } else {
                some
            }
        };
        Self::of(random, depth, &text)
    }

    fn of(random: &mut SmallRng, depth: u32, text: &dyn Fn(&mut SmallRng) -> String) -> Self {
        let kinds = if depth == 0 { 7 } else { 11 };
        let inner = |random: &mut SmallRng| Self::of(random, depth - 1, text);
        match random.random_range(0..kinds) {
            0 => Self::None,
            1 => Self::Unit,
            2 => Self::Bool(random.random()),
            3 => Self::Int(random.random_range(-2..3)),
            4 => Self::Float(
                [0.0, -0.0, 1.0, -1.0, f64::INFINITY][random.random_range(0..5)].to_bits(),
            ),
            5 => Self::Text(text(random)),
            6 => Self::Bytes(text(random).into_bytes()),
            7 => Self::Some(Box::new(inner(random))),
            8 => {
                let length = random.random_range(0..3);
                Self::List((0..length).map(|_| inner(random)).collect())
            }
            9 => {
                let length = random.random_range(0..3);
                Self::Map((0..length).map(|_| (text(random), inner(random))).collect())
            }
            _ => Self::Variant(
                ["None", "Dot"][random.random_range(0..2)],
                Box::new(inner(random)),
            ),
        }
    }
}

impl Serialize for Arg {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => to.serialize_none(),
            Self::Some(inner) => to.serialize_some(inner),
            Self::Unit => to.serialize_unit(),
            Self::Bool(v) => to.serialize_bool(*v),
            Self::Int(v) => to.serialize_i64(*v),
            Self::Float(bits) => to.serialize_f64(f64::from_bits(*bits)),
            Self::Text(v) => to.serialize_str(v),
            Self::Bytes(v) => to.serialize_bytes(v),
            Self::List(v) => to.collect_seq(v),
            Self::Map(v) => {
                // In reverse order, as a hash map may return them.
                let mut map = to.serialize_map(Some(v.len()))?;
                for (key, value) in v.iter().rev() {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::Variant(name, inner) => to.serialize_newtype_variant("Arg", 0, name, inner),
        }
    }
}
