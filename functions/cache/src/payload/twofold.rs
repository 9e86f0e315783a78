//! Is there a `Some` in this value that would be read back as `None`? MessagePack has one nil for `None`, `()` and JSON's null, so
//! `Some(())`, `Some(None)` and `Some(Value::Null)` are written as `None` is.

use std::{fmt::Display, io};

use rmp_serde::encode::Error;
use serde::ser::{self, Error as _, Serialize, Serializer};

/// An error if `value` would not be read back as it is.
pub(super) fn check<T: Serialize + ?Sized>(value: &T) -> Result<(), Error> {
    value.serialize(Walk)
}

const NIL: u8 = 0xc0;

/// Looks into everything, and at every `Some`.
#[derive(Clone, Copy)]
struct Walk;

/// Whether `value` is one nil: as the encoder itself sees it.
fn is_nil<T: Serialize + ?Sized>(value: &T) -> bool {
    let mut first = First(None);
    let mut serializer = rmp_serde::Serializer::new(&mut first).with_human_readable();
    value.serialize(&mut serializer).is_ok() && first.0 == Some(NIL)
}

/// Takes one byte and no more: nothing longer is of interest.
struct First(Option<u8>);

impl io::Write for First {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match (self.0, bytes) {
            (None, [byte]) => self.0 = Some(*byte),
            (_, []) => {}
            _ => return Err(io::ErrorKind::WriteZero.into()),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

macro_rules! nothing_inside {
    ($($name:ident($($arg:ty),*);)*) => {
        $(fn $name(self, $(_: $arg),*) -> Result<(), Error> {
            Ok(())
        })*
    };
}

macro_rules! something_inside {
    ($($name:ident($($arg:ty),*) -> $kind:ident;)*) => {
        $(type $kind = Self;)*
        $(fn $name(self, $(_: $arg),*) -> Result<Self, Error> {
            Ok(self)
        })*
    };
}

impl Serializer for Walk {
    type Ok = ();
    type Error = Error;

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        if is_nil(value) {
            return Err(Error::custom(
                "a Some of nothing would be read back as None",
            ));
        }
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn collect_str<T: Display + ?Sized>(self, _: &T) -> Result<(), Error> {
        Ok(())
    }

    nothing_inside! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }
    something_inside! {
        serialize_seq(Option<usize>) -> SerializeSeq;
        serialize_tuple(usize) -> SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> SerializeTupleVariant;
        serialize_map(Option<usize>) -> SerializeMap;
        serialize_struct(&'static str, usize) -> SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> SerializeStructVariant;
    }
}

macro_rules! parts {
    ($($kind:ident { $($part:ident($($name:ty)?)),+ })*) => {
        $(impl ser::$kind for Walk {
            type Ok = ();
            type Error = Error;

            $(fn $part<T: Serialize + ?Sized>(&mut self, $(_: $name,)? value: &T) -> Result<(), Error> {
                value.serialize(*self)
            })+

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        })*
    };
}

parts! {
    SerializeSeq { serialize_element() }
    SerializeTuple { serialize_element() }
    SerializeTupleStruct { serialize_field() }
    SerializeTupleVariant { serialize_field() }
    SerializeMap { serialize_key(), serialize_value() }
    SerializeStruct { serialize_field(&'static str) }
    SerializeStructVariant { serialize_field(&'static str) }
}
