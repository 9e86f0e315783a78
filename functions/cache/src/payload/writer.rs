//! Writes a value as MessagePack: structs as maps with field names, bytes as bytes.
//!
//! A value that could not be read back, as far as that shows here, is refused: too long, nested too
//! deep, or a `Some` that looks like `None`.

use std::{any::type_name, fmt::Display};

use serde::ser::{self, Serialize};

use super::{ABSENT, ABSENT_MARK, DEPTH, EXT_NEGATIVE, EXT_POSITIVE, MAX_VARIANTS, reader::text};
use crate::byte::{byte, is_byte};

/// Why a value was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteError {
    /// It takes more bytes than the caller allows.
    #[error("more than {0} bytes")]
    TooLong(usize),
    #[error("{0}")]
    Refused(String),
}

impl ser::Error for WriteError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Refused(message.to_string())
    }
}

/// The bytes of one value while they are written.
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// The most bytes that may be written.
    limit: usize,
    depth: u8,
    variants: u8,
    /// Where the name of the field is that is being written.
    field: usize,
    /// The first field with an integer of 128 bits.
    wide: Option<String>,
}

const NIL: u8 = 0xc0;

impl Writer {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(128.min(limit)),
            limit,
            depth: 0,
            variants: 0,
            field: usize::MAX,
            wide: None,
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The first field with an integer of 128 bits: serde's own buffers take none.
    pub(super) fn wide(&self) -> Option<&str> {
        self.wide.as_deref()
    }

    fn field(&self) -> &str {
        let from = self.bytes.get(self.field..);
        from.map_or("", |bytes| text(bytes).unwrap_or(""))
    }

    fn note_wide(&mut self) {
        if self.wide.is_none() {
            self.wide = Some(self.field().to_owned());
        }
    }

    fn reserve(&self, more: usize) -> Result<(), WriteError> {
        match self.bytes.len().checked_add(more) {
            Some(length) if length <= self.limit => Ok(()),
            _ => Err(WriteError::TooLong(self.limit)),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.reserve(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn marked<const N: usize>(&mut self, marker: u8, number: [u8; N]) -> Result<(), WriteError> {
        self.reserve(1 + N)?;
        self.bytes.push(marker);
        self.bytes.extend_from_slice(&number);
        Ok(())
    }

    fn unsigned(&mut self, v: u64) -> Result<(), WriteError> {
        match v {
            0..0x80 => self.put(&[v as u8]),
            0x80..0x100 => self.put(&[0xcc, v as u8]),
            0x100..0x1_0000 => self.marked(0xcd, (v as u16).to_be_bytes()),
            0x1_0000..0x1_0000_0000 => self.marked(0xce, (v as u32).to_be_bytes()),
            _ => self.marked(0xcf, v.to_be_bytes()),
        }
    }

    fn signed(&mut self, v: i64) -> Result<(), WriteError> {
        if let Ok(v) = u64::try_from(v) {
            return self.unsigned(v);
        }
        match v {
            -0x20.. => self.put(&[v as u8]),
            -0x80.. => self.put(&[0xd0, v as u8]),
            -0x8000.. => self.marked(0xd1, (v as i16).to_be_bytes()),
            -0x8000_0000.. => self.marked(0xd2, (v as i32).to_be_bytes()),
            _ => self.marked(0xd3, v.to_be_bytes()),
        }
    }

    fn ext(&mut self, kind: u8, number: [u8; 16]) -> Result<(), WriteError> {
        self.put(&[0xd8, kind])?;
        self.put(&number)
    }

    /// The head of something that takes `length` bytes, elements or pairs.
    fn head(&mut self, heads: &Heads, length: usize) -> Result<(), WriteError> {
        let (head, used) = heads.of(length)?;
        self.put(&head[..used])
    }

    fn deeper(&mut self) -> Result<(), WriteError> {
        if self.depth == DEPTH {
            return Err(ser::Error::custom(format_args!(
                "nested deeper than {DEPTH} levels, near the field {:?}",
                self.field()
            )));
        }
        self.depth += 1;
        Ok(())
    }

    fn compound(
        &mut self,
        heads: &'static Heads,
        length: Option<usize>,
    ) -> Result<Compound<'_>, WriteError> {
        self.deeper()?;
        let start = self.bytes.len();
        match length {
            Some(length) => self.head(heads, length)?,
            // Room for the shortest head: a longer one moves what has been written behind it.
            None => self.put(&[0])?,
        }
        Ok(Compound {
            writer: self,
            heads,
            start,
            length,
            written: 0,
            variant: false,
        })
    }

    fn variant(&mut self, name: &str) -> Result<(), WriteError> {
        if self.variants == MAX_VARIANTS {
            return Err(ser::Error::custom(format_args!(
                "enums nested deeper than {MAX_VARIANTS} levels, near the variant {name:?}"
            )));
        }
        self.variants += 1;
        self.head(&MAP, 1)?;
        self.text(name)
    }

    fn text(&mut self, v: &str) -> Result<(), WriteError> {
        self.head(&TEXT, v.len())?;
        self.put(v.as_bytes())
    }

    /// A sequence of `u8`, from any iterator, as bytes.
    fn bytes_of<I>(&mut self, bytes: I) -> Result<(), WriteError>
    where
        I: Iterator,
        I::Item: Serialize,
    {
        let (length, most) = bytes.size_hint();
        if most != Some(length) {
            let bytes: Option<Vec<_>> = bytes.map(|v| byte(&v)).collect();
            let bytes = bytes.ok_or_else(wrong_length)?;
            return ser::Serializer::serialize_bytes(self, &bytes);
        }
        self.head(&BYTES, length)?;
        self.reserve(length)?;
        self.bytes.reserve(length);
        let start = self.bytes.len();
        for v in bytes {
            self.bytes.push(byte(&v).ok_or_else(wrong_length)?);
        }
        match self.bytes.len() - start == length {
            true => Ok(()),
            false => Err(wrong_length()),
        }
    }
}

fn wrong_length() -> WriteError {
    ser::Error::custom("a sequence or map is not as long as it announced")
}

/// The markers of one kind of thing, by how its length is written.
struct Heads {
    /// The marker that holds a length below the second number.
    fix: Option<(u8, usize)>,
    one: Option<u8>,
    two: u8,
    four: u8,
}

const TEXT: Heads = Heads {
    fix: Some((0xa0, 32)),
    one: Some(0xd9),
    two: 0xda,
    four: 0xdb,
};
const BYTES: Heads = Heads {
    fix: None,
    one: Some(0xc4),
    two: 0xc5,
    four: 0xc6,
};
const ARRAY: Heads = Heads {
    fix: Some((0x90, 16)),
    one: None,
    two: 0xdc,
    four: 0xdd,
};
const MAP: Heads = Heads {
    fix: Some((0x80, 16)),
    one: None,
    two: 0xde,
    four: 0xdf,
};

impl Heads {
    fn of(&self, length: usize) -> Result<([u8; 5], usize), WriteError> {
        let long = u32::try_from(length).map_err(|_| WriteError::TooLong(u32::MAX as usize))?;
        let [a, b, c, d] = long.to_be_bytes();
        Ok(match (self.fix, self.one) {
            (Some((marker, below)), _) if length < below => ([marker | d, 0, 0, 0, 0], 1),
            (_, Some(marker)) if length < 0x100 => ([marker, d, 0, 0, 0], 2),
            _ if length < 0x1_0000 => ([self.two, c, d, 0, 0], 3),
            _ => ([self.four, a, b, c, d], 5),
        })
    }
}

/// An array or a map while its elements are written.
pub(super) struct Compound<'a> {
    writer: &'a mut Writer,
    heads: &'static Heads,
    start: usize,
    length: Option<usize>,
    written: usize,
    /// The value of an enum's variant.
    variant: bool,
}

impl Compound<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.written += 1;
        value.serialize(&mut *self.writer)
    }

    fn field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        self.written += 1;
        self.writer.field = self.writer.bytes.len();
        self.writer.text(name)?;
        value.serialize(&mut *self.writer)
    }

    fn close(self) -> Result<(), WriteError> {
        let writer = self.writer;
        match self.length {
            Some(length) if length == self.written => {}
            Some(_) => return Err(wrong_length()),
            None => {
                let (head, used) = self.heads.of(self.written)?;
                writer.reserve(used - 1)?;
                let place = self.start..=self.start;
                writer.bytes.splice(place, head[..used].iter().copied());
            }
        }
        writer.depth -= 1;
        writer.variants -= u8::from(self.variant);
        Ok(())
    }
}

impl<'a> ser::Serializer for &'a mut Writer {
    type Ok = ();
    type Error = WriteError;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;

    fn serialize_bool(self, v: bool) -> Result<(), WriteError> {
        self.put(&[0xc2 + u8::from(v)])
    }
    fn serialize_i8(self, v: i8) -> Result<(), WriteError> {
        self.signed(v.into())
    }
    fn serialize_i16(self, v: i16) -> Result<(), WriteError> {
        self.signed(v.into())
    }
    fn serialize_i32(self, v: i32) -> Result<(), WriteError> {
        self.signed(v.into())
    }
    fn serialize_i64(self, v: i64) -> Result<(), WriteError> {
        self.signed(v)
    }
    fn serialize_i128(self, v: i128) -> Result<(), WriteError> {
        self.note_wide();
        match (u128::try_from(v), i64::try_from(v)) {
            (Ok(v), _) => self.serialize_u128(v),
            (_, Ok(v)) => self.signed(v),
            _ => self.ext(EXT_NEGATIVE, v.to_be_bytes()),
        }
    }
    fn serialize_u8(self, v: u8) -> Result<(), WriteError> {
        self.unsigned(v.into())
    }
    fn serialize_u16(self, v: u16) -> Result<(), WriteError> {
        self.unsigned(v.into())
    }
    fn serialize_u32(self, v: u32) -> Result<(), WriteError> {
        self.unsigned(v.into())
    }
    fn serialize_u64(self, v: u64) -> Result<(), WriteError> {
        self.unsigned(v)
    }
    fn serialize_u128(self, v: u128) -> Result<(), WriteError> {
        self.note_wide();
        match u64::try_from(v) {
            Ok(v) => self.unsigned(v),
            Err(_) => self.ext(EXT_POSITIVE, v.to_be_bytes()),
        }
    }
    fn serialize_f32(self, v: f32) -> Result<(), WriteError> {
        self.marked(0xca, v.to_be_bytes())
    }
    fn serialize_f64(self, v: f64) -> Result<(), WriteError> {
        self.marked(0xcb, v.to_be_bytes())
    }
    fn serialize_char(self, v: char) -> Result<(), WriteError> {
        self.text(v.encode_utf8(&mut [0; 4]))
    }
    fn serialize_str(self, v: &str) -> Result<(), WriteError> {
        self.text(v)
    }
    fn serialize_bytes(self, v: &[u8]) -> Result<(), WriteError> {
        self.head(&BYTES, v.len())?;
        self.put(v)
    }
    fn serialize_none(self) -> Result<(), WriteError> {
        self.put(&[NIL])
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), WriteError> {
        let start = self.bytes.len();
        value.serialize(&mut *self)?;
        // MessagePack has one nil for `None`, `()` and JSON's null.
        if self.bytes[start..] == [NIL] {
            return Err(ser::Error::custom(
                "a Some of nothing would be read back as None",
            ));
        }
        Ok(())
    }
    fn serialize_unit(self) -> Result<(), WriteError> {
        self.put(&[NIL])
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), WriteError> {
        self.head(&ARRAY, 0)
    }
    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), WriteError> {
        self.text(variant)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        if name == ABSENT {
            self.put(&[ABSENT_MARK])?;
        }
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        self.variants -= 1;
        Ok(())
    }
    fn serialize_seq(self, length: Option<usize>) -> Result<Compound<'a>, WriteError> {
        self.compound(&ARRAY, length)
    }
    fn serialize_tuple(self, length: usize) -> Result<Compound<'a>, WriteError> {
        self.compound(&ARRAY, Some(length))
    }
    fn serialize_tuple_struct(
        self,
        _: &'static str,
        length: usize,
    ) -> Result<Compound<'a>, WriteError> {
        self.compound(&ARRAY, Some(length))
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Compound<'a>, WriteError> {
        self.variant(variant)?;
        let mut inner = self.compound(&ARRAY, Some(length))?;
        inner.variant = true;
        Ok(inner)
    }
    fn serialize_map(self, length: Option<usize>) -> Result<Compound<'a>, WriteError> {
        self.compound(&MAP, length)
    }
    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Compound<'a>, WriteError> {
        self.compound(&MAP, Some(length))
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Compound<'a>, WriteError> {
        self.variant(variant)?;
        let mut inner = self.compound(&MAP, Some(length))?;
        inner.variant = true;
        Ok(inner)
    }
    fn collect_seq<I>(self, elements: I) -> Result<(), WriteError>
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        let mut elements = elements.into_iter();
        if is_byte::<I::Item>() {
            return self.bytes_of(elements);
        }
        let (length, most) = elements.size_hint();
        let length = (most == Some(length)).then_some(length);
        let mut array = self.compound(&ARRAY, length)?;
        elements.try_for_each(|element| array.element(&element))?;
        array.close()
    }
}

macro_rules! compound {
    ($($kind:ident: $($part:ident)+;)*) => {
        $(impl ser::$kind for Compound<'_> {
            type Ok = ();
            type Error = WriteError;
            $(fn $part<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
                self.element(value)
            })+
            fn end(self) -> Result<(), WriteError> {
                self.close()
            }
        })*
    };
}

compound! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

impl ser::SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = WriteError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), WriteError> {
        // The name of a field under `flatten`. A key that is data is owned: it has to be read back.
        if type_name::<T>().trim_start_matches('&') == "str" {
            self.writer.field = self.writer.bytes.len();
        }
        self.element(key)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        value.serialize(&mut *self.writer)
    }
    fn end(self) -> Result<(), WriteError> {
        self.close()
    }
}

macro_rules! fields {
    ($($kind:ident)*) => {
        $(impl ser::$kind for Compound<'_> {
            type Ok = ();
            type Error = WriteError;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), WriteError> {
                self.field(name, value)
            }
            fn end(self) -> Result<(), WriteError> {
                self.close()
            }
        })*
    };
}

fields! { SerializeStruct SerializeStructVariant }
