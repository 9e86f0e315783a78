use std::sync::Arc;

/// One key of one function, to be asked for.
#[derive(Clone, Debug)]
pub(crate) struct RequestSpec {
    /// Index into the target's functions.
    pub(crate) function: usize,
    /// Index of the key within its phase.
    pub(crate) key_index: usize,
    pub(crate) key: Arc<str>,
    pub(crate) bypass: bool,
}

impl RequestSpec {
    pub(crate) fn new(function: usize, key_index: usize, key: impl Into<Arc<str>>) -> Self {
        Self {
            function,
            key_index,
            key: key.into(),
            bypass: false,
        }
    }

    /// The same request, to be answered without reading or writing the cache.
    pub(crate) fn bypass(self) -> Self {
        Self {
            bypass: true,
            ..self
        }
    }
}
