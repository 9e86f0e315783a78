//! Values as bytes: MessagePack with field names, so that a reordered struct reads correctly and a renamed or retyped
//! field does not read at all.
//!
//! Owns the encoding of one value; knows nothing of keys, times or stores. Reading never executes anything and never trusts a length.
//! The human-readable forms of serde are used: `untagged` and `flatten` buffer what they read, and types such as `IpAddr`
//! read back from that buffer only in this form.

use serde::{
    Deserializer, Serialize,
    de::{DeserializeOwned, Visitor},
};

mod compressed;
mod is_none;
mod twofold;
pub(crate) use compressed::{Payload, compress};
pub(crate) use is_none::is_none;

/// Nesting of a stored value. A forged one must not exhaust the stack.
const DEPTH: usize = 128;

/// Why a value could not be written or read; for logs, since it may quote a field's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct PayloadError(String);

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, PayloadError> {
    let mut serializer = rmp_serde::Serializer::new(Vec::with_capacity(128))
        .with_struct_map()
        .with_human_readable();
    match twofold::check(value).and_then(|()| value.serialize(&mut serializer)) {
        Ok(()) => Ok(serializer.into_inner()),
        Err(error) => Err(PayloadError(error.to_string())),
    }
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PayloadError> {
    // Over the slice itself: names and texts are seen where they stand and copied once, into the value.
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    deserializer.set_max_depth(DEPTH);
    let value = T::deserialize(&mut deserializer).map_err(|e| PayloadError(e.to_string()))?;
    if deserializer.deserialize_option(TrailingBytes).is_ok() {
        return Err(PayloadError("bytes after the value".to_owned()));
    }
    Ok(value)
}

/// Content with whatever comes, and looks at nothing of it: an error is that nothing comes.
struct TrailingBytes;

impl<'de> Visitor<'de> for TrailingBytes {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("anything")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D>(self, _: D) -> Result<(), D::Error>
    where
        D: Deserializer<'de>,
    {
        Ok(())
    }
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
