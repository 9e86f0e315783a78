//! What is cached: a user as a struct that is decoded, or as JSON that is not.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::user::User;

/// A cached value.
pub(crate) trait Value: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of its keys: two kinds of values under one key would replace each other.
    const NAME: &str;

    fn new(id: i64) -> Self;
}

/// Decoded by the library.
pub(crate) type Decoded = User;

impl Value for Decoded {
    const NAME: &str = "user";

    fn new(id: i64) -> Self {
        Self::sample(id)
    }
}

/// An answer as it goes out.
pub(crate) type Json = Bytes;

impl Value for Json {
    const NAME: &str = "json";

    fn new(id: i64) -> Self {
        let json = serde_json::to_vec(&User::sample(id)).unwrap_or_default();
        // As long as the encoded struct, so that one raw get is the limit for both.
        json[..1024.min(json.len())].to_vec().into()
    }
}
