//! What all routes share: reading a request and writing a response. No file here knows a route.

pub(crate) mod cache_status;
pub(crate) mod cached_reply;
pub(crate) mod deadline;
pub(crate) mod diagnostics;
pub mod endpoint;
pub(crate) mod headers;
pub(crate) mod path;
pub mod problem;
pub(crate) mod query;
