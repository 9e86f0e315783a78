//! What all routes share of HTTP: reading a request, and writing its answer. Knows no route.

pub(crate) mod cache_status;
pub(crate) mod cached_reply;
pub(crate) mod deadline;
pub(crate) mod diagnostics;
pub mod endpoint;
pub(crate) mod headers;
pub(crate) mod path;
pub mod problem;
pub(crate) mod query;
