//! Reads a value from MessagePack, and reads nothing as what it is not: an array is never a struct,
//! an integer never a float, bytes are never text.
//!
//! Never trusts a length, never recurses deeper than [`DEPTH`], and no error quotes a value.

use std::{any::type_name, fmt::Display};

use serde::de::{
    self, DeserializeSeed, Deserializer, Expected, Unexpected, Visitor, value::SeqDeserializer,
};

use super::{ABSENT, ABSENT_MARK, DEPTH, EXT_NEGATIVE, EXT_POSITIVE, MAX_VARIANTS};

/// Why bytes are not the value that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct ReadError(Box<str>);

impl de::Error for ReadError {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string().into())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("{} where {expected} was expected", kind(found)).into())
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("{} that is not {expected}", kind(found)).into())
    }
}

/// What was found, without its value: errors are logged, and the value may be a user's data.
fn kind(found: Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a float",
        Unexpected::Char(_) | Unexpected::Str(_) => "a text",
        Unexpected::Bytes(_) => "bytes",
        Unexpected::Unit | Unexpected::Option => "nothing",
        Unexpected::Seq => "a sequence",
        Unexpected::Map => "a map",
        _ => "something else",
    }
}

/// Its place in the bytes of one value.
pub(super) struct Reader<'de> {
    bytes: &'de [u8],
    at: usize,
    /// Where the value begins that was last asked for: an error is about it.
    begun: usize,
    depth: u8,
    variants: u8,
    /// Where a `Some` was last found, and how many there: none takes a byte of its own.
    some: usize,
    somes: u8,
    /// What is read next is the name of a struct's field or of an enum's variant.
    name: bool,
    /// The names of the fields of the struct that was last asked for.
    fields: &'static [&'static str],
}

/// What a marker says, with the length of what follows.
#[derive(Clone, Copy)]
enum Head {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    F32(f32),
    F64(f64),
    Text(usize),
    Bytes(usize),
    Array(usize),
    Map(usize),
    /// An integer of 128 bits, by its extension. It is read apart: a head stays two words long.
    Wide(u8),
}

impl Head {
    fn found(self) -> Unexpected<'static> {
        match self {
            Self::Nil => Unexpected::Unit,
            Self::Bool(v) => Unexpected::Bool(v),
            Self::Unsigned(v) => Unexpected::Unsigned(v),
            Self::Signed(v) => Unexpected::Signed(v),
            Self::F32(_) | Self::F64(_) => Unexpected::Float(0.0),
            Self::Text(_) => Unexpected::Str(""),
            Self::Bytes(_) => Unexpected::Bytes(b""),
            Self::Array(_) => Unexpected::Seq,
            Self::Map(_) => Unexpected::Map,
            Self::Wide(_) => Unexpected::Unsigned(0),
        }
    }
}

fn short() -> ReadError {
    ReadError("shorter than it says".into())
}

fn too_deep() -> ReadError {
    ReadError(format!("nested deeper than {DEPTH} levels").into())
}

impl<'de> Reader<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            begun: 0,
            depth: 0,
            variants: 0,
            some: usize::MAX,
            somes: 0,
            name: false,
            fields: &[],
        }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// Where an error is, such as `….orders[2].total`. A name is shown if it is a field of the
    /// struct that was read: any other may be the key of a map, and so be a user's data.
    pub(super) fn path(&self) -> String {
        path(self.bytes, self.begun, self.fields)
    }

    #[inline]
    fn take(&mut self, length: usize) -> Result<&'de [u8], ReadError> {
        let rest = self.bytes.get(self.at..).ok_or_else(short)?;
        let taken = rest.get(..length).ok_or_else(short)?;
        self.at += length;
        Ok(taken)
    }

    #[inline]
    fn number<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut number = [0; N];
        number.copy_from_slice(self.take(N)?);
        Ok(number)
    }

    fn length<const N: usize>(&mut self) -> Result<usize, ReadError> {
        let bytes = self.number::<N>()?;
        Ok(bytes
            .iter()
            .fold(0, |all, byte| all << 8 | usize::from(*byte)))
    }

    /// The next marker, without moving.
    #[inline]
    fn peek(&self) -> Result<u8, ReadError> {
        self.bytes.get(self.at).copied().ok_or_else(short)
    }

    fn head(&mut self) -> Result<Head, ReadError> {
        self.begun = self.at;
        let marker = self.peek()?;
        self.at += 1;
        Ok(match marker {
            0x00..=0x7f => Head::Unsigned(marker.into()),
            0x80..=0x8f => Head::Map(usize::from(marker & 0x0f)),
            0x90..=0x9f => Head::Array(usize::from(marker & 0x0f)),
            0xa0..=0xbf => Head::Text(usize::from(marker & 0x1f)),
            0xc0 => Head::Nil,
            0xc2 => Head::Bool(false),
            0xc3 => Head::Bool(true),
            0xc4 => Head::Bytes(self.length::<1>()?),
            0xc5 => Head::Bytes(self.length::<2>()?),
            0xc6 => Head::Bytes(self.length::<4>()?),
            0xca => Head::F32(f32::from_be_bytes(self.number()?)),
            0xcb => Head::F64(f64::from_be_bytes(self.number()?)),
            0xcc => Head::Unsigned(u8::from_be_bytes(self.number()?).into()),
            0xcd => Head::Unsigned(u16::from_be_bytes(self.number()?).into()),
            0xce => Head::Unsigned(u32::from_be_bytes(self.number()?).into()),
            0xcf => Head::Unsigned(u64::from_be_bytes(self.number()?)),
            0xd0 => Head::Signed(i8::from_be_bytes(self.number()?).into()),
            0xd1 => Head::Signed(i16::from_be_bytes(self.number()?).into()),
            0xd2 => Head::Signed(i32::from_be_bytes(self.number()?).into()),
            0xd3 => Head::Signed(i64::from_be_bytes(self.number()?)),
            0xd8 => match self.number()? {
                [kind @ (EXT_POSITIVE | EXT_NEGATIVE)] => Head::Wide(kind),
                _ => return Err(ReadError("an unknown kind of value".into())),
            },
            0xd9 => Head::Text(self.length::<1>()?),
            0xda => Head::Text(self.length::<2>()?),
            0xdb => Head::Text(self.length::<4>()?),
            0xdc => Head::Array(self.length::<2>()?),
            0xdd => Head::Array(self.length::<4>()?),
            0xde => Head::Map(self.length::<2>()?),
            0xdf => Head::Map(self.length::<4>()?),
            0xe0..=0xff => Head::Signed((marker as i8).into()),
            _ => return Err(ReadError("an unknown kind of value".into())),
        })
    }

    #[inline]
    fn text(&mut self, length: usize) -> Result<&'de str, ReadError> {
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| ReadError("a text that is not UTF-8".into()))
    }

    #[cold]
    fn mismatch<'a, T>(&self, found: Head, expected: &impl Visitor<'a>) -> Result<T, ReadError> {
        Err(de::Error::invalid_type(found.found(), expected))
    }

    fn array<V: Visitor<'de>>(&mut self, length: usize, visitor: V) -> Result<V::Value, ReadError> {
        let start = self.begun;
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(too_deep());
        }
        let mut elements = Elements {
            reader: &mut *self,
            left: length,
            start,
        };
        let value = visitor.visit_seq(&mut elements)?;
        if elements.left > 0 {
            self.begun = start;
            return Err(ReadError("a sequence that is too long".into()));
        }
        self.depth -= 1;
        Ok(value)
    }

    fn map<V: Visitor<'de>>(
        &mut self,
        length: usize,
        of_struct: bool,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let start = self.begun;
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(too_deep());
        }
        let mut pairs = Pairs {
            reader: &mut *self,
            left: length,
            start,
            of_struct,
        };
        let value = visitor.visit_map(&mut pairs)?;
        if pairs.left > 0 {
            self.begun = start;
            return Err(ReadError("a map that is too long".into()));
        }
        self.depth -= 1;
        Ok(value)
    }

    fn byte_sequence<V: Visitor<'de>>(
        &mut self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let bytes = self.take(length)?;
        let mut elements = SeqDeserializer::new(bytes.iter().copied());
        let value = visitor.visit_seq(&mut elements)?;
        elements.end()?;
        Ok(value)
    }

    fn sequence<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, ReadError> {
        if let Some(length) = self.short(0x90, 0x9f) {
            return self.array(length.into(), visitor);
        }
        match self.head()? {
            Head::Array(length) => self.array(length, visitor),
            Head::Bytes(length) => self.byte_sequence(length, visitor),
            other => self.mismatch(other, &visitor),
        }
    }

    #[cold]
    fn wide<V: Visitor<'de>>(&mut self, kind: u8, visitor: V) -> Result<V::Value, ReadError> {
        let number = self.number()?;
        match kind {
            EXT_POSITIVE => visitor.visit_u128(u128::from_be_bytes(number)),
            _ => visitor.visit_i128(i128::from_be_bytes(number)),
        }
    }

    /// The marker, if it is between these two: nearly every value of a row has one of a single
    /// byte, and is read without a `Head`.
    #[inline]
    fn short(&mut self, first: u8, last: u8) -> Option<u8> {
        let marker = self.bytes.get(self.at).copied()?;
        (first..=last).contains(&marker).then(|| {
            self.begun = self.at;
            self.at += 1;
            marker - first
        })
    }

    fn integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, ReadError> {
        if let Some(v) = self.short(0x00, 0x7f) {
            return visitor.visit_u64(v.into());
        }
        if let Some(size) = self.short(0xcc, 0xcf) {
            return visitor.visit_u64(match size {
                0 => u8::from_be_bytes(self.number()?).into(),
                1 => u16::from_be_bytes(self.number()?).into(),
                2 => u32::from_be_bytes(self.number()?).into(),
                _ => u64::from_be_bytes(self.number()?),
            });
        }
        match self.head()? {
            Head::Unsigned(v) => visitor.visit_u64(v),
            Head::Signed(v) => visitor.visit_i64(v),
            Head::Wide(kind) => self.wide(kind, visitor),
            other => self.mismatch(other, &visitor),
        }
    }

    /// A struct's value: a map, and nothing else.
    fn fields<V: Visitor<'de>>(
        &mut self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.fields = fields;
        if let Some(length) = self.short(0x80, 0x8f) {
            return self.map(length.into(), true, visitor);
        }
        match self.head()? {
            Head::Map(length) => self.map(length, true, visitor),
            other => self.mismatch(other, &visitor),
        }
    }

    /// Passes one value of any kind, without recursion.
    fn skip(&mut self) -> Result<(), ReadError> {
        let mut left = 1_u64;
        while left > 0 {
            left -= 1;
            match self.head()? {
                Head::Text(length) | Head::Bytes(length) => drop(self.take(length)?),
                Head::Array(length) => left += length as u64,
                Head::Map(length) => left += 2 * length as u64,
                Head::Wide(_) => drop(self.take(16)?),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Whether a visitor keeps what it is given in serde's own buffer, as `flatten` and `untagged` do.
/// A sequence is not read from bytes there.
fn is_buffer<V>() -> bool {
    let name = type_name::<V>();
    name.starts_with("serde") && name.contains("::content::")
}

macro_rules! integers {
    ($($name:ident)*) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            self.integer(visitor)
        })*
    };
}

macro_rules! texts {
    ($($name:ident)*) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            if let Some(length) = self.short(0xa0, 0xbf) {
                return visitor.visit_borrowed_str(self.text(length.into())?);
            }
            match self.head()? {
                Head::Text(length) => visitor.visit_borrowed_str(self.text(length)?),
                other => self.mismatch(other, &visitor),
            }
        })*
    };
}

macro_rules! bytes {
    ($($name:ident)*) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            match self.head()? {
                Head::Bytes(length) => visitor.visit_borrowed_bytes(self.take(length)?),
                Head::Array(length) => self.array(length, visitor),
                other => self.mismatch(other, &visitor),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.head()? {
            Head::Nil => visitor.visit_unit(),
            Head::Bool(v) => visitor.visit_bool(v),
            Head::Unsigned(v) => visitor.visit_u64(v),
            Head::Signed(v) => visitor.visit_i64(v),
            Head::Wide(kind) => self.wide(kind, visitor),
            Head::F32(v) => visitor.visit_f32(v),
            Head::F64(v) => visitor.visit_f64(v),
            Head::Text(length) => visitor.visit_borrowed_str(self.text(length)?),
            Head::Bytes(length) if is_buffer::<V>() => self.byte_sequence(length, visitor),
            Head::Bytes(length) => visitor.visit_borrowed_bytes(self.take(length)?),
            // An internally tagged enum would take a sequence for its fields.
            Head::Array(_) if type_name::<V>().contains("::TaggedContentVisitor") => {
                self.mismatch(Head::Array(0), &visitor)
            }
            Head::Array(length) => self.array(length, visitor),
            Head::Map(length) => self.map(length, false, visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.head()? {
            Head::Bool(v) => visitor.visit_bool(v),
            other => self.mismatch(other, &visitor),
        }
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.head()? {
            Head::F32(v) => visitor.visit_f32(v),
            // An f64 would lose digits.
            other => self.mismatch(other, &visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.head()? {
            Head::F32(v) => visitor.visit_f64(v.into()),
            Head::F64(v) => visitor.visit_f64(v),
            other => self.mismatch(other, &visitor),
        }
    }

    texts! { deserialize_char deserialize_str deserialize_string }
    bytes! { deserialize_bytes deserialize_byte_buf }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if self.peek()? == 0xc0 {
            self.head()?;
            return visitor.visit_none();
        }
        if self.some == self.at {
            self.somes += 1;
        } else {
            (self.some, self.somes) = (self.at, 1);
        }
        if self.somes > DEPTH {
            return Err(too_deep());
        }
        visitor.visit_some(self)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.head()? {
            Head::Nil => visitor.visit_unit(),
            other => self.mismatch(other, &visitor),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match self.head()? {
            Head::Nil | Head::Array(0) => visitor.visit_unit(),
            other => self.mismatch(other, &visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        if name != ABSENT {
            return visitor.visit_newtype_struct(self);
        }
        match self.bytes.get(self.at) {
            Some(&ABSENT_MARK) => {
                self.at += 1;
                visitor.visit_newtype_struct(self)
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.sequence(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.sequence(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.sequence(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.head()? {
            Head::Map(length) => self.map(length, false, visitor),
            other => self.mismatch(other, &visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.fields(fields, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let start = self.at;
        match self.head()? {
            Head::Text(_) => {
                self.at = start;
                visitor.visit_enum(Variant {
                    reader: self,
                    alone: true,
                })
            }
            Head::Map(1) => {
                self.variants += 1;
                if self.variants > MAX_VARIANTS {
                    return Err(too_deep());
                }
                let value = visitor.visit_enum(Variant {
                    reader: &mut *self,
                    alone: false,
                })?;
                self.variants -= 1;
                Ok(value)
            }
            other => self.mismatch(other, &visitor),
        }
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let name = std::mem::take(&mut self.name);
        if let Some(length) = self.short(0xa0, 0xbf) {
            return visitor.visit_borrowed_str(self.text(length.into())?);
        }
        match self.head()? {
            Head::Text(length) => visitor.visit_borrowed_str(self.text(length)?),
            // A name that is a number would be the place of a field.
            Head::Unsigned(v) if !name => visitor.visit_u64(v),
            Head::Signed(v) if !name => visitor.visit_i64(v),
            other => self.mismatch(other, &visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.skip()?;
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        true
    }
}

/// The elements of an array.
struct Elements<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
    start: usize,
}

impl<'de> de::SeqAccess<'de> for Elements<'_, 'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let Some(left) = self.left.checked_sub(1) else {
            // What is missing now is missing from the array.
            self.reader.begun = self.start;
            return Ok(None);
        };
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        // Each takes a byte: a forged length reserves nothing that is not there.
        Some(self.left.min(self.reader.bytes.len() - self.reader.at))
    }
}

/// The pairs of a map, or the fields of a struct.
struct Pairs<'a, 'de> {
    reader: &'a mut Reader<'de>,
    left: usize,
    start: usize,
    of_struct: bool,
}

impl<'de> de::MapAccess<'de> for Pairs<'_, 'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let Some(left) = self.left.checked_sub(1) else {
            self.reader.begun = self.start;
            return Ok(None);
        };
        self.left = left;
        self.reader.name = self.of_struct;
        seed.deserialize(&mut *self.reader).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        self.reader.name = false;
        seed.deserialize(&mut *self.reader)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(self.reader.bytes.len() - self.reader.at))
    }
}

/// An enum's variant: its name alone, or a map of its name and its value.
struct Variant<'a, 'de> {
    reader: &'a mut Reader<'de>,
    alone: bool,
}

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ReadError> {
        self.reader.name = true;
        let variant = seed.deserialize(&mut *self.reader)?;
        self.reader.name = false;
        Ok((variant, self))
    }
}

impl Variant<'_, '_> {
    fn has_value(&self) -> Result<(), ReadError> {
        match self.alone {
            true => Err(ReadError("a variant without its value".into())),
            false => Ok(()),
        }
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        match self.alone {
            true => Ok(()),
            false => de::Deserialize::deserialize(self.reader),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        self.has_value()?;
        seed.deserialize(self.reader)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.has_value()?;
        self.reader.sequence(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.has_value()?;
        self.reader.fields(fields, visitor)
    }
}

/// The text that `bytes` begin with.
pub(super) fn text(bytes: &[u8]) -> Option<&str> {
    let mut reader = Reader::new(bytes);
    match reader.head() {
        Ok(Head::Text(length)) => reader.text(length).ok(),
        _ => None,
    }
}

/// The path of the value that begins at `place`; empty for the whole one.
fn path(bytes: &[u8], place: usize, fields: &[&str]) -> String {
    let mut reader = Reader::new(bytes);
    let mut path = String::new();
    while reader.at < place {
        if !step_into(&mut reader, place, fields, &mut path) {
            break;
        }
    }
    path
}

/// Goes into the element of the next value that holds `place`; `false`: there is none.
fn step_into(reader: &mut Reader<'_>, place: usize, fields: &[&str], path: &mut String) -> bool {
    let (length, is_map) = match reader.head() {
        Ok(Head::Array(length)) => (length, false),
        Ok(Head::Map(length)) => (length, true),
        _ => return false,
    };
    for n in 0..length {
        let mut name = format!("[{n}]");
        if is_map {
            let start = reader.at;
            let text = match reader.head() {
                Ok(Head::Text(length)) => reader.text(length).ok(),
                _ => None,
            };
            let field = text.filter(|text| fields.contains(text));
            name = format!(".{}", field.unwrap_or("…"));
            reader.at = start;
            if reader.skip().is_err() || reader.at > place {
                return false;
            }
        }
        let start = reader.at;
        let is_cut = reader.skip().is_err();
        if is_cut || place < reader.at || n + 1 == length {
            path.push_str(if path.is_empty() {
                name.trim_start_matches('.')
            } else {
                &name
            });
            reader.at = start;
            return true;
        }
    }
    false
}
