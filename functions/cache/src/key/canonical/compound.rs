//! Lists and maps of the canonical encoding. A map holds its encoded pairs until its end, to write
//! them sorted, and so does a set with its elements.

use serde::ser::{self, Serialize};

use super::{CanonicalSerializer, KeyError, number::Number};

pub(crate) struct List<'a> {
    canonical: CanonicalSerializer<'a>,
    /// The encoded elements, if they are to be sorted.
    sorted: Option<Vec<Vec<u8>>>,
}

impl<'a> List<'a> {
    pub(super) fn new(canonical: CanonicalSerializer<'a>, sorts: bool) -> Self {
        Self {
            canonical,
            sorted: sorts.then(Vec::new),
        }
    }

    pub(super) fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        match &mut self.sorted {
            None => value.serialize(self.canonical.again()),
            Some(elements) => {
                elements.push(self.canonical.apart(value)?);
                Ok(())
            }
        }
    }

    pub(super) fn close(self) -> Result<(), KeyError> {
        let out = self.canonical.out;
        if let Some(mut elements) = self.sorted {
            elements.sort_unstable();
            elements
                .iter()
                .for_each(|element| out.extend_from_slice(element));
        }
        out.push(b']');
        Ok(())
    }
}

pub(crate) struct Map<'a> {
    canonical: CanonicalSerializer<'a>,
    kind: Kind,
}

enum Kind {
    /// Encoded pairs, and the encoded key that waits for its value.
    Pairs(Vec<(Vec<u8>, Vec<u8>)>, Vec<u8>),
    /// What serde_json makes of a number under `arbitrary_precision`.
    Number,
}

impl<'a> Map<'a> {
    pub(super) fn new(canonical: CanonicalSerializer<'a>) -> Self {
        Self {
            canonical,
            kind: Kind::Pairs(Vec::new(), Vec::new()),
        }
    }

    pub(super) fn number(canonical: CanonicalSerializer<'a>) -> Self {
        Self {
            canonical,
            kind: Kind::Number,
        }
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), KeyError> {
        if let Kind::Number = self.kind {
            return value.serialize(Number(self.canonical.again()));
        }
        self.key(name)?;
        self.value(value)
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), KeyError> {
        if let Kind::Pairs(_, waiting) = &mut self.kind {
            *waiting = self.canonical.apart(key)?;
        }
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        if let Kind::Pairs(pairs, waiting) = &mut self.kind {
            let bytes = self.canonical.apart(value)?;
            pairs.push((std::mem::take(waiting), bytes));
        }
        Ok(())
    }

    fn close(self) -> Result<(), KeyError> {
        let Kind::Pairs(mut pairs, _) = self.kind else {
            return Ok(());
        };
        let out = self.canonical.out;
        pairs.sort();
        for (key, value) in pairs {
            out.extend_from_slice(&key);
            out.extend_from_slice(&value);
        }
        out.push(b'}');
        Ok(())
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
