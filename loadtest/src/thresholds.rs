//! `--fail-if` and `--baseline`: what makes a run fail although it is valid.

pub(crate) mod baseline;
pub(crate) mod metric;
pub(crate) mod selector;
pub(crate) mod threshold;
