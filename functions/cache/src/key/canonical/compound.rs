//! Lists and maps of the canonical encoding. A map holds its encoded pairs until its end, to write them sorted.

use serde::ser::{self, Serialize};

use super::{CanonicalSerializer, KeyError};

pub(crate) struct List<'a> {
    out: &'a mut Vec<u8>,
    depth: u8,
}

impl<'a> List<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, depth: u8) -> Self {
        Self { out, depth }
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        value.serialize(CanonicalSerializer {
            out: self.out,
            depth: self.depth,
        })
    }

    fn close(self) -> Result<(), KeyError> {
        self.out.push(b']');
        Ok(())
    }
}

pub(crate) struct Map<'a> {
    out: &'a mut Vec<u8>,
    depth: u8,
    kind: Kind,
}

enum Kind {
    /// Encoded pairs, and the encoded key that waits for its value.
    Pairs(Vec<(Vec<u8>, Vec<u8>)>, Vec<u8>),
    /// serde_json's disguise of a number under `arbitrary_precision`.
    Number,
}

impl<'a> Map<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, depth: u8) -> Self {
        Self {
            out,
            depth,
            kind: Kind::Pairs(Vec::new(), Vec::new()),
        }
    }

    pub(super) fn number(out: &'a mut Vec<u8>, depth: u8) -> Self {
        Self {
            out,
            depth,
            kind: Kind::Number,
        }
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), KeyError> {
        if let Kind::Number = self.kind {
            return value.serialize(Number {
                out: self.out,
                depth: self.depth,
            });
        }
        self.key(name)?;
        self.value(value)
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), KeyError> {
        if let Kind::Pairs(_, waiting) = &mut self.kind {
            waiting.clear();
            key.serialize(CanonicalSerializer {
                out: waiting,
                depth: self.depth,
            })?;
        }
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        if let Kind::Pairs(pairs, waiting) = &mut self.kind {
            let mut bytes = Vec::new();
            value.serialize(CanonicalSerializer {
                out: &mut bytes,
                depth: self.depth,
            })?;
            pairs.push((std::mem::take(waiting), bytes));
        }
        Ok(())
    }

    fn close(self) -> Result<(), KeyError> {
        let Kind::Pairs(mut pairs, _) = self.kind else {
            return Ok(());
        };
        pairs.sort();
        for (key, value) in pairs {
            self.out.extend_from_slice(&key);
            self.out.extend_from_slice(&value);
        }
        self.out.push(b'}');
        Ok(())
    }
}

/// Takes the text of a number and writes the number.
struct Number<'a> {
    out: &'a mut Vec<u8>,
    depth: u8,
}

impl Number<'_> {
    fn write(self, text: &str) -> Result<(), KeyError> {
        let canonical = CanonicalSerializer {
            out: self.out,
            depth: self.depth,
        };
        // The same order in which serde_json itself reads a number without `arbitrary_precision`.
        if let Ok(v) = text.parse::<u64>() {
            return ser::Serializer::serialize_u64(canonical, v);
        }
        if let Ok(v) = text.parse::<i64>() {
            return ser::Serializer::serialize_i64(canonical, v);
        }
        match text.parse::<f64>() {
            Ok(v) if v.is_finite() => ser::Serializer::serialize_f64(canonical, v),
            _ => ser::Serializer::serialize_str(canonical, text),
        }
    }
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

impl ser::SerializeSeq for List<'_> {
    type Ok = ();
    type Error = KeyError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        self.push(value)
    }
    fn end(self) -> Result<(), KeyError> {
        self.close()
    }
}

impl ser::SerializeTuple for List<'_> {
    type Ok = ();
    type Error = KeyError;
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        self.push(value)
    }
    fn end(self) -> Result<(), KeyError> {
        self.close()
    }
}

impl ser::SerializeTupleStruct for List<'_> {
    type Ok = ();
    type Error = KeyError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        self.push(value)
    }
    fn end(self) -> Result<(), KeyError> {
        self.close()
    }
}

impl ser::SerializeTupleVariant for List<'_> {
    type Ok = ();
    type Error = KeyError;
    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        self.push(value)
    }
    fn end(self) -> Result<(), KeyError> {
        self.close()
    }
}

impl ser::SerializeMap for Map<'_> {
    type Ok = ();
    type Error = KeyError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), KeyError> {
        self.key(key)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        self.value(value)
    }
    fn end(self) -> Result<(), KeyError> {
        self.close()
    }
}

impl ser::SerializeStruct for Map<'_> {
    type Ok = ();
    type Error = KeyError;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        self.field(name, value)
    }
    fn end(self) -> Result<(), KeyError> {
        self.close()
    }
}

impl ser::SerializeStructVariant for Map<'_> {
    type Ok = ();
    type Error = KeyError;
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        self.field(name, value)
    }
    fn end(self) -> Result<(), KeyError> {
        self.close()
    }
}
