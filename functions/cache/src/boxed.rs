//! Futures on the heap: a caller's future does not include their size, nor its type their depth.

use std::pin::Pin;

/// Boxes the future that `make` returns. It is made here and not by the caller, whose stack frame
/// would have room for it as long as it is polled: recursion would be as deep in memory as in
/// calls.
#[inline]
pub(crate) fn boxed<F: Future>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(make())
}
