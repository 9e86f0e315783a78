//! Values as bytes: MessagePack with field names, so that a reordered struct reads correctly and a
//! renamed or retyped field does not read at all.
//!
//! Reading never executes anything and never trusts a length. It uses serde's human-readable forms:
//! `untagged` and `flatten` buffer what they read, and types such as `IpAddr` can only be read from
//! that buffer in this form.
//!
//! ```text
//! struct, map          map                  field names and keys as they are
//! sequence, tuple      array                but a sequence of u8: bytes
//! enum                 text, or a map of one pair: the variant's name and its value
//! None, (), JSON null  nil                  `Some` of one of them is refused
//! integer              the shortest         beyond 64 bits: ext 1 (positive) and 2 (negative)
//! float                32 or 64 bits        an f32 reads as f64, not the other way round
//! an absence           0xc1, the error      a cached error of a function; reads as nothing else
//! ```

use serde::{Serialize, de::DeserializeOwned};

mod compressed;
mod is_none;
mod read_back;
mod reader;
mod writer;
pub(crate) use compressed::{MOST as LONGEST_COMPRESSED, Payload, compress};
pub(crate) use is_none::is_none;
pub(crate) use read_back::{ReadBack, suspect};
use reader::Reader;
pub(crate) use writer::WriteError;
use writer::Writer;

/// How deep a stored value may nest. A forged one must not exhaust the stack.
const DEPTH: u8 = 127;
/// The same of enums within enums: each is a map of one pair, which [`DEPTH`] does not count.
const MAX_VARIANTS: u8 = 127;

/// What a value is serialised as, as a newtype struct of this name, if it says that there is none.
/// Its payload begins with [`ABSENT_MARK`], so no value reads from it.
pub(crate) const ABSENT: &str = "larder::absent";
/// The only byte that MessagePack never uses.
const ABSENT_MARK: u8 = 0xc1;

/// Extensions of MessagePack: integers of 128 bits that 64 do not hold.
const EXT_POSITIVE: u8 = 1;
const EXT_NEGATIVE: u8 = 2;

/// Why a value could not be read; for logs: it names fields and never quotes a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct PayloadError(String);

/// The bytes of `value`, if they are at most `limit`: what is longer is not encoded to its end.
pub(crate) fn encode<T: Serialize + ?Sized>(
    value: &T,
    limit: usize,
) -> Result<Vec<u8>, WriteError> {
    let mut writer = Writer::new(limit);
    value.serialize(&mut writer)?;
    Ok(writer.into_bytes())
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, PayloadError> {
    let mut reader = Reader::new(bytes);
    match T::deserialize(&mut reader) {
        Ok(value) if reader.is_at_end() => Ok(value),
        Ok(_) => Err(PayloadError("bytes after the value".to_owned())),
        Err(error) => Err(located(&error, &reader)),
    }
}

#[cold]
fn located(error: &dyn std::fmt::Display, reader: &Reader<'_>) -> PayloadError {
    let path = reader.path();
    PayloadError(match path.is_empty() {
        true => error.to_string(),
        false => format!("{error}, at {path}"),
    })
}

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
#[cfg(test)]
mod tests;
