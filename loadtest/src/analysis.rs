//! What the samples of a run add up to. No file here sends a request.

pub(crate) mod answer;
pub(crate) mod cache_model;
pub(crate) mod calibration;
pub(crate) mod check;
pub(crate) mod format;
pub(crate) mod histogram;
pub(crate) mod intervals;
pub(crate) mod merge;
pub(crate) mod origin_calls;
pub(crate) mod paired;
pub(crate) mod pairs;
pub(crate) mod phase_summary;
pub(crate) mod savings;
pub(crate) mod timeline;
pub(crate) mod totals;
pub(crate) mod what_if;
