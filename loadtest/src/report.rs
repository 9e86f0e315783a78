//! report.json as types, and how a run becomes one.

#[cfg(test)]
pub(crate) mod blank;
pub(crate) mod build;
pub(crate) mod judgement;
pub(crate) mod model;
