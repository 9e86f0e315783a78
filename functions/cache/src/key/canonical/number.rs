//! A number of serde_json under `arbitrary_precision`, which comes as its text.
//!
//! A text that serde_json itself would write for an integer or a float is that integer or float: so
//! the key is the one of a build without the feature. Any other text is an argument of its own,
//! such as `1.10`, `1e400`, or an integer with more digits than a float can tell apart.

use serde::ser::{self, Serialize};

use super::{CanonicalSerializer, KeyError};

pub(super) struct Number<'a>(pub(super) CanonicalSerializer<'a>);

impl Number<'_> {
    fn write(self, text: &str) -> Result<(), KeyError> {
        if let Some(v) = same(text.parse::<u128>(), text) {
            return ser::Serializer::serialize_u128(self.0, v);
        }
        if let Some(v) = same(text.parse::<i128>(), text) {
            return ser::Serializer::serialize_i128(self.0, v);
        }
        match text.parse::<f64>() {
            Ok(v) if v.is_finite() && spelled(v) == text => {
                ser::Serializer::serialize_f64(self.0, v)
            }
            _ => self.0.text(b'd', text.as_bytes()),
        }
    }
}

/// The integer, if `text` is how it is written: not with a plus, nor with zeros in front.
fn same<T: ToString, E>(parsed: Result<T, E>, text: &str) -> Option<T> {
    parsed.ok().filter(|v| v.to_string() == text)
}

/// A float as serde_json writes it: the shortest digits that read back as the same.
fn spelled(v: f64) -> String {
    let scientific = format!("{v:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-5..=15).contains(&exponent) {
        let plain = v.to_string();
        return if plain.contains('.') {
            plain
        } else {
            plain + ".0"
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{}", exponent.unsigned_abs())
}

macro_rules! refuse {
    ($($name:ident($($arg:ty),*) -> $ok:ty;)*) => {
        $(fn $name(self, $(_: $arg),*) -> Result<$ok, KeyError> {
            Err(ser::Error::custom("a JSON number that is not written as text"))
        })*
    };
}

impl ser::Serializer for Number<'_> {
    type Ok = ();
    type Error = KeyError;
    type SerializeSeq = ser::Impossible<(), KeyError>;
    type SerializeTuple = ser::Impossible<(), KeyError>;
    type SerializeTupleStruct = ser::Impossible<(), KeyError>;
    type SerializeTupleVariant = ser::Impossible<(), KeyError>;
    type SerializeMap = ser::Impossible<(), KeyError>;
    type SerializeStruct = ser::Impossible<(), KeyError>;
    type SerializeStructVariant = ser::Impossible<(), KeyError>;

    fn serialize_str(self, v: &str) -> Result<(), KeyError> {
        self.write(v)
    }
    refuse! {
        serialize_bool(bool) -> ();
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), KeyError> {
        value.serialize(self)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        value.serialize(self)
    }
}
