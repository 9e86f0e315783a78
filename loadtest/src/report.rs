//! report.json as types, and how a run becomes one.

pub(crate) mod build;
pub(crate) mod judgement;
pub(crate) mod model;
pub(crate) mod own_traffic;
pub(crate) mod parts;
#[cfg(test)]
pub(crate) mod test_report;
