//! The canonical encoding of arguments: one value, one byte string, in every build.
//!
//! Owns the bytes that are hashed into a key; knows nothing of hashing, names or servers. Every
//! element starts with a tag and every container ends with one, so no encoding is a prefix of
//! another: `("a", "bc")` and `("ab", "c")`, `None` and `"None"` differ. Integers are written by
//! value (a parameter may grow from `u32` to `u64` without a cold cache), sequences of `u8` as
//! bytes, structs, maps and sets sorted (a field may move, and a hash has no order), and a
//! `serde_json::Number` so that it equals the integer or float that it is, under every feature of
//! serde_json.

use std::any::type_name;

use serde::ser::{self, Serialize};

use super::tags::{LONGEST_TAG, MOST_TAGS};
use crate::byte::{byte, is_byte};

mod compound;
mod number;
use compound::{List, Map};

/// How deep containers may nest. Arguments are not documents, and a recursive type must not exhaust
/// the stack.
const DEPTH: u8 = 64;

/// serde_json's own name for a number when `arbitrary_precision` is on.
const JSON_NUMBER: &str = "$serde_json::private::Number";

/// Why arguments have no canonical encoding.
///
/// ```
/// let error = larder::Key::new("two words", &()).unwrap_err();
/// assert_eq!(error, larder::KeyError::Name("two words".to_owned()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The argument's `Serialize` returned an error.
    #[error("an argument cannot be serialised: {0}")]
    Serialize(String),
    /// Containers are nested deeper than 64.
    #[error("an argument is nested deeper than {DEPTH} levels")]
    TooDeep,
    /// The name of the function or namespace has characters that a key must not have.
    #[error("invalid name {0:?}: use 1 to 64 of a-z A-Z 0-9 . _ -")]
    Name(String),
    /// A tag is empty or too long; this is its length.
    #[error("a tag has {0} bytes: use 1 to {LONGEST_TAG}, such as \"tenant:7\"")]
    Tag(usize),
    /// A key has more than 8 tags.
    #[error(
        "a key has more than {MOST_TAGS} tags: tag by what is flushed together, and invalidate single entries by their keys"
    )]
    TooManyTags,
}

impl ser::Error for KeyError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Serialize(message.to_string())
    }
}

/// Appends the canonical encoding of `value` to `out`.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), KeyError> {
    value.serialize(CanonicalSerializer::new(out))
}

/// The same with every sequence sorted: what is left to compare when order may not count.
pub(crate) fn encode_content<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, KeyError> {
    let mut out = Vec::new();
    value.serialize(CanonicalSerializer {
        sorts_all: true,
        ..CanonicalSerializer::new(&mut out)
    })?;
    Ok(out)
}

/// Appends the canonical encoding of a tuple whose elements `write` writes one by one.
pub(crate) fn tuple(
    write: impl FnOnce(&mut Tuple<'_>) -> Result<(), KeyError>,
    out: &mut Vec<u8>,
) -> Result<(), KeyError> {
    CanonicalSerializer::new(out).tuple(write)
}

/// Appends the types of a generic function's call. No value's encoding begins with this tag, so
/// types and arguments are never taken for each other.
pub(crate) fn types(
    write: impl FnOnce(&mut Tuple<'_>) -> Result<(), KeyError>,
    out: &mut Vec<u8>,
) -> Result<(), KeyError> {
    out.push(b'T');
    tuple(write, out)
}

/// A tuple that is being written.
pub struct Tuple<'a> {
    canonical: CanonicalSerializer<'a>,
    /// Without an element it is a unit, like `()`.
    list: bool,
}

impl Tuple<'_> {
    pub(crate) fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        value.serialize(self.next()?)
    }

    pub(crate) fn tuple(
        &mut self,
        write: impl FnOnce(&mut Tuple<'_>) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        self.next()?.tuple(write)
    }

    fn next(&mut self) -> Result<CanonicalSerializer<'_>, KeyError> {
        let inner = self.canonical.again().deeper()?;
        if !self.list {
            inner.out.push(b'[');
        }
        self.list = true;
        Ok(inner)
    }
}

struct CanonicalSerializer<'a> {
    out: &'a mut Vec<u8>,
    depth: u8,
    /// Sequences too are written sorted, as sets are.
    sorts_all: bool,
}

/// Whether `T` iterates over a set. A hash set has no order that other processes share. Serde
/// passes sets and sequences in the same way, so only the name of the iterator shows the
/// difference.
fn is_set<T: ?Sized>() -> bool {
    const SETS: [&str; 3] = [
        "std::collections::hash::set::",
        "alloc::collections::btree::set::",
        "hashbrown::set::",
    ];
    let name = type_name::<T>().trim_start_matches('&');
    SETS.iter().any(|set| name.starts_with(set))
}

impl<'a> CanonicalSerializer<'a> {
    fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            depth: 0,
            sorts_all: false,
        }
    }

    fn again(&mut self) -> CanonicalSerializer<'_> {
        CanonicalSerializer {
            out: self.out,
            depth: self.depth,
            sorts_all: self.sorts_all,
        }
    }

    fn tuple(
        self,
        write: impl FnOnce(&mut Tuple<'_>) -> Result<(), KeyError>,
    ) -> Result<(), KeyError> {
        let mut tuple = Tuple {
            canonical: self,
            list: false,
        };
        write(&mut tuple)?;
        match tuple.list {
            true => tuple.canonical.out.push(b']'),
            false => ser::Serializer::serialize_unit(tuple.canonical)?,
        }
        Ok(())
    }

    /// The encoding of a part that is not written yet: its place is decided by the others.
    fn apart<T: Serialize + ?Sized>(&self, value: &T) -> Result<Vec<u8>, KeyError> {
        let mut out = Vec::new();
        value.serialize(CanonicalSerializer {
            out: &mut out,
            depth: self.depth,
            sorts_all: self.sorts_all,
        })?;
        Ok(out)
    }

    fn tagged(self, tag: u8, bytes: &[u8]) -> Result<(), KeyError> {
        self.out.push(tag);
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// The length of text and bytes comes first, so that their content is never read as a tag.
    fn text(self, tag: u8, bytes: &[u8]) -> Result<(), KeyError> {
        self.out.push(tag);
        self.out
            .extend_from_slice(&(bytes.len() as u64).to_be_bytes());
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    fn deeper(self) -> Result<Self, KeyError> {
        if self.depth == DEPTH {
            return Err(KeyError::TooDeep);
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }

    fn list(self) -> Result<List<'a>, KeyError> {
        let inner = self.deeper()?;
        inner.out.push(b'[');
        let sorts = inner.sorts_all;
        Ok(List::new(inner, sorts))
    }

    fn set(self) -> Result<List<'a>, KeyError> {
        let inner = self.deeper()?;
        inner.out.push(b'[');
        Ok(List::new(inner, true))
    }

    fn map(self) -> Result<Map<'a>, KeyError> {
        let inner = self.deeper()?;
        inner.out.push(b'{');
        Ok(Map::new(inner))
    }

    fn variant(self, name: &str) -> Result<Self, KeyError> {
        let mut inner = self.deeper()?;
        inner.again().text(b'v', name.as_bytes())?;
        Ok(inner)
    }
}

impl<'a> ser::Serializer for CanonicalSerializer<'a> {
    type Ok = ();
    type Error = KeyError;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = List<'a>;
    type SerializeMap = Map<'a>;
    type SerializeStruct = Map<'a>;
    type SerializeStructVariant = Map<'a>;

    fn serialize_bool(self, v: bool) -> Result<(), KeyError> {
        self.tagged(if v { b'1' } else { b'0' }, &[])
    }
    fn serialize_i8(self, v: i8) -> Result<(), KeyError> {
        self.serialize_i128(v.into())
    }
    fn serialize_i16(self, v: i16) -> Result<(), KeyError> {
        self.serialize_i128(v.into())
    }
    fn serialize_i32(self, v: i32) -> Result<(), KeyError> {
        self.serialize_i128(v.into())
    }
    fn serialize_i64(self, v: i64) -> Result<(), KeyError> {
        self.serialize_i128(v.into())
    }
    fn serialize_i128(self, v: i128) -> Result<(), KeyError> {
        match u128::try_from(v) {
            Ok(v) => self.serialize_u128(v),
            Err(_) => self.tagged(b'-', &v.to_be_bytes()),
        }
    }
    fn serialize_u8(self, v: u8) -> Result<(), KeyError> {
        self.serialize_u128(v.into())
    }
    fn serialize_u16(self, v: u16) -> Result<(), KeyError> {
        self.serialize_u128(v.into())
    }
    fn serialize_u32(self, v: u32) -> Result<(), KeyError> {
        self.serialize_u128(v.into())
    }
    fn serialize_u64(self, v: u64) -> Result<(), KeyError> {
        self.serialize_u128(v.into())
    }
    fn serialize_u128(self, v: u128) -> Result<(), KeyError> {
        self.tagged(b'+', &v.to_be_bytes())
    }
    fn serialize_f32(self, v: f32) -> Result<(), KeyError> {
        self.serialize_f64(v.into())
    }
    fn serialize_f64(self, v: f64) -> Result<(), KeyError> {
        // NaN has many bit patterns and one meaning; -0.0 and 0.0 have two.
        let v = if v.is_nan() {
            f64::NAN.to_bits() & !(1 << 63)
        } else {
            v.to_bits()
        };
        self.tagged(b'f', &v.to_be_bytes())
    }
    fn serialize_char(self, v: char) -> Result<(), KeyError> {
        self.serialize_str(v.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, v: &str) -> Result<(), KeyError> {
        self.text(b's', v.as_bytes())
    }
    fn serialize_bytes(self, v: &[u8]) -> Result<(), KeyError> {
        self.text(b'b', v)
    }
    fn serialize_none(self) -> Result<(), KeyError> {
        self.tagged(b'n', &[])
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), KeyError> {
        let inner = self.deeper()?;
        inner.out.push(b'o');
        value.serialize(inner)
    }
    fn serialize_unit(self) -> Result<(), KeyError> {
        self.tagged(b'u', &[])
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), KeyError> {
        self.serialize_unit()
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), KeyError> {
        self.variant(variant)?.serialize_unit()
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        value.serialize(self.deeper()?)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        value.serialize(self.variant(variant)?)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, KeyError> {
        self.list()
    }
    fn serialize_tuple(self, _: usize) -> Result<List<'a>, KeyError> {
        self.list()
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<List<'a>, KeyError> {
        self.list()
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<List<'a>, KeyError> {
        self.variant(variant)?.list()
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Map<'a>, KeyError> {
        self.map()
    }
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Map<'a>, KeyError> {
        if name == JSON_NUMBER {
            return Ok(Map::number(self));
        }
        self.map()
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Map<'a>, KeyError> {
        self.variant(variant)?.map()
    }
    fn collect_seq<I>(self, elements: I) -> Result<(), KeyError>
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        let is_set = is_set::<I>();
        let mut elements = elements.into_iter();
        if is_byte::<I::Item>() && !is_set {
            let bytes: Option<Vec<u8>> = elements.map(|element| byte(&element)).collect();
            let bytes = bytes.ok_or_else(|| ser::Error::custom("a u8 that is not a byte"))?;
            return self.serialize_bytes(&bytes);
        }
        let mut list = if is_set { self.set() } else { self.list() }?;
        elements.try_for_each(|element| list.push(&element))?;
        list.close()
    }
}

#[cfg(test)]
mod tests;
