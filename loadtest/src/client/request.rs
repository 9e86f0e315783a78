//! What to ask: one key of one function. Owns the plain record; knows nothing of HTTP.

/// What to ask: one key of one function.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Index into the target's functions.
    pub(crate) function: usize,
    /// Number of the key within its phase.
    pub(crate) number: usize,
    pub(crate) key: String,
    pub(crate) past_the_cache: bool,
}

impl Question {
    pub(crate) fn new(function: usize, number: usize, key: String) -> Self {
        Self {
            function,
            number,
            key,
            past_the_cache: false,
        }
    }

    /// The same question, to be answered without the cache: neither read nor written.
    pub(crate) fn past_the_cache(self) -> Self {
        Self {
            past_the_cache: true,
            ..self
        }
    }
}
