//! Whether a value is `None`, by its serialisation: so type aliases and generics need no special
//! case.

use super::ABSENT;
use serde::ser::{Error, Impossible, Serialize, Serializer};

/// What stands for no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// `None`; a unit is a value.
    None,
    /// An error that is cached.
    Error,
}

/// What `value` serialises as, if it is no value.
pub(crate) fn nothing<T: Serialize + ?Sized>(value: &T) -> Option<Nothing> {
    value.serialize(Probe).ok()
}

/// Answers `Ok` to `None` and an error to everything else, before anything inside it is looked at.
struct Probe;

#[derive(Debug)]
struct Present;

impl std::fmt::Display for Present {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value is present")
    }
}

impl std::error::Error for Present {}

impl Error for Present {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Self
    }
}

macro_rules! present {
    ($($name:ident($($arg:ty),*) -> $ok:ty;)*) => {
        $(fn $name(self, $(_: $arg),*) -> Result<$ok, Present> {
            Err(Present)
        })*
    };
}

impl Serializer for Probe {
    type Ok = Nothing;
    type Error = Present;
    type SerializeSeq = Impossible<Nothing, Present>;
    type SerializeTuple = Impossible<Nothing, Present>;
    type SerializeTupleStruct = Impossible<Nothing, Present>;
    type SerializeTupleVariant = Impossible<Nothing, Present>;
    type SerializeMap = Impossible<Nothing, Present>;
    type SerializeStruct = Impossible<Nothing, Present>;
    type SerializeStructVariant = Impossible<Nothing, Present>;

    fn serialize_none(self) -> Result<Nothing, Present> {
        Ok(Nothing::None)
    }
    present! {
        serialize_bool(bool) -> Nothing;
        serialize_i8(i8) -> Nothing;
        serialize_i16(i16) -> Nothing;
        serialize_i32(i32) -> Nothing;
        serialize_i64(i64) -> Nothing;
        serialize_i128(i128) -> Nothing;
        serialize_u8(u8) -> Nothing;
        serialize_u16(u16) -> Nothing;
        serialize_u32(u32) -> Nothing;
        serialize_u64(u64) -> Nothing;
        serialize_u128(u128) -> Nothing;
        serialize_f32(f32) -> Nothing;
        serialize_f64(f64) -> Nothing;
        serialize_char(char) -> Nothing;
        serialize_str(&str) -> Nothing;
        serialize_bytes(&[u8]) -> Nothing;
        serialize_unit() -> Nothing;
        serialize_unit_struct(&'static str) -> Nothing;
        serialize_unit_variant(&'static str, u32, &'static str) -> Nothing;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Nothing, Present> {
        Err(Present)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: &T,
    ) -> Result<Nothing, Present> {
        match name {
            ABSENT => Ok(Nothing::Error),
            _ => Err(Present),
        }
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Nothing, Present> {
        Err(Present)
    }
    fn collect_str<T: std::fmt::Display + ?Sized>(self, _: &T) -> Result<Nothing, Present> {
        Err(Present)
    }
}
