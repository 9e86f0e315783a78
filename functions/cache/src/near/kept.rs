//! What is kept of a value: the value itself, if it can be cloned and shared, or else its bytes.

use std::{any::Any, sync::Arc};

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::payload::{self, Payload};

/// A value as a copy holds it.
#[derive(Clone)]
pub enum Stored {
    /// The value itself.
    Value(Arc<dyn Any + Send + Sync>),
    /// Its bytes, as they stood in the entry.
    Plain(Bytes),
    /// The same, compressed.
    Lz4(Bytes),
}

impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Value(_) => "Value",
            Self::Plain(_) => "Plain",
            Self::Lz4(_) => "Lz4",
        })
    }
}

/// How a `T` is kept.
pub trait Keep<T> {
    /// What is kept of `value`, which `payload` was decoded to.
    #[doc(hidden)]
    fn keep(value: &T, payload: Payload<'_>) -> Stored;
    /// The value again; `None` if it was kept as something else.
    #[doc(hidden)]
    fn given(stored: &Stored) -> Option<T>;
}

/// As its bytes, decoded for each caller: for every type.
#[derive(Debug, Clone, Copy)]
pub struct AsBytes;

impl<T: DeserializeOwned> Keep<T> for AsBytes {
    fn keep(_: &T, payload: Payload<'_>) -> Stored {
        match payload {
            Payload::Plain(bytes) => Stored::Plain(Bytes::copy_from_slice(bytes)),
            Payload::Lz4(bytes) => Stored::Lz4(Bytes::copy_from_slice(bytes)),
        }
    }

    fn given(stored: &Stored) -> Option<T> {
        let payload = match stored {
            Stored::Value(_) => return None,
            Stored::Plain(bytes) => Payload::Plain(bytes),
            Stored::Lz4(bytes) => Payload::Lz4(bytes),
        };
        payload::decode(&payload.open().ok()?).ok()
    }
}
