//! Whether values of a type can be read back: asked when the first one is to be stored.
//!
//! Some cannot, for reasons that no bound on the type shows: a field that is not written and has no
//! default, `Serialize` and `Deserialize` that do not agree, integers of 128 bits under `flatten`.
//! Without the check they would be written by each call, and read by none.

use std::{
    any::TypeId,
    collections::HashMap,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{PayloadError, decode, writer::Writer};
use crate::key::same_content;

/// What this process knows about a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// A value of it was read back.
    Good,
    /// One was not, or an entry could not be read: each value is tried before it is stored.
    Suspect,
    /// The same, and an error was logged.
    Reported,
}

static TYPES: LazyLock<Mutex<HashMap<TypeId, Known>>> = LazyLock::new(Mutex::default);

fn types() -> MutexGuard<'static, HashMap<TypeId, Known>> {
    TYPES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What became of reading a value back before it is stored.
#[derive(Debug)]
pub(crate) enum ReadBack {
    Yes,
    No {
        reason: PayloadError,
        /// The first of this type in this process: to be logged.
        first: bool,
    },
}

impl ReadBack {
    /// Of `value`, which is encoded as `bytes`. Nearly always known already.
    pub(crate) fn of<T: Serialize + DeserializeOwned>(value: &T, bytes: &[u8]) -> Self {
        let id = typeid::of::<T>();
        if types().get(&id) == Some(&Known::Good) {
            return Self::Yes;
        }
        match read_back(value, bytes) {
            Ok(()) => {
                types().entry(id).or_insert(Known::Good);
                Self::Yes
            }
            Err(reason) => {
                let before = types().insert(id, Known::Reported);
                Self::No {
                    reason,
                    first: before != Some(Known::Reported),
                }
            }
        }
    }
}

/// An entry did not read as a `T`: from now on each value of it is tried before it is stored. It may
/// be the value's fault, where some values of the type read back and others do not.
pub(crate) fn suspect<T>() {
    let mut types = types();
    let known = types.entry(typeid::of::<T>()).or_insert(Known::Suspect);
    if *known == Known::Good {
        *known = Known::Suspect;
    }
}

fn read_back<T: Serialize + DeserializeOwned>(value: &T, bytes: &[u8]) -> Result<(), PayloadError> {
    let read: T = decode(bytes).map_err(|error| with_wide_field(value, error))?;
    // Sets and the like come in any order, so only the content is compared.
    match same_content(value, &read) {
        true => Ok(()),
        false => Err(PayloadError("it reads back as another value".to_owned())),
    }
}

/// The field that serde's buffers did not take is not where the error is found.
fn with_wide_field<T: Serialize>(value: &T, error: PayloadError) -> PayloadError {
    let mut writer = Writer::new(usize::MAX);
    let written = value.serialize(&mut writer);
    match writer.wide() {
        Some(field) if written.is_ok() && error.0.contains("128") => PayloadError(format!(
            "{error}: the field {field:?} holds an integer of 128 bits"
        )),
        _ => error,
    }
}
