//! Values as bytes: MessagePack with field names, so that a reordered struct reads correctly and a renamed or retyped
//! field does not read at all.
//!
//! Owns the encoding of one value; knows nothing of keys, times or stores. Reading never executes anything and never trusts a length.
//! The human-readable forms of serde are used: `untagged` and `flatten` buffer what they read, and types such as `IpAddr`
//! read back from that buffer only in this form.

use std::io::Cursor;

use serde::{Serialize, de::DeserializeOwned};

mod absence;
mod packed;
pub(crate) use absence::is_none;
pub(crate) use packed::{Packed, pack};

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
    match value.serialize(&mut serializer) {
        Ok(()) => Ok(serializer.into_inner()),
        Err(error) => Err(PayloadError(error.to_string())),
    }
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PayloadError> {
    let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(bytes)).with_human_readable();
    deserializer.set_max_depth(DEPTH);
    let value = T::deserialize(&mut deserializer).map_err(|e| PayloadError(e.to_string()))?;
    if deserializer.get_ref().position() != bytes.len() as u64 {
        return Err(PayloadError("bytes after the value".to_owned()));
    }
    Ok(value)
}

#[cfg(feature = "testing")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
