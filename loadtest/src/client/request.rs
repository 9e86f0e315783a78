//! What to ask: one key of one function. Owns the plain record; knows nothing of HTTP.

/// What to ask: one key of one function.
#[derive(Clone, Debug)]
pub(crate) struct RequestSpec {
    /// Index into the target's functions.
    pub(crate) function: usize,
    /// Number of the key within its phase.
    pub(crate) key_index: usize,
    pub(crate) key: String,
    pub(crate) bypass: bool,
}

impl RequestSpec {
    pub(crate) fn new(function: usize, key_index: usize, key: String) -> Self {
        Self {
            function,
            key_index,
            key,
            bypass: false,
        }
    }

    /// The same question, to be answered without the cache: neither read nor written.
    pub(crate) fn bypass(self) -> Self {
        Self {
            bypass: true,
            ..self
        }
    }
}
