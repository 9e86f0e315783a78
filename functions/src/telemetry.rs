//! Lines about invocations, for CloudWatch: the log, and metrics.

pub(crate) mod emf;
pub mod log;
pub(crate) mod timestamp;
