//! What CloudWatch receives from a function: log lines, and one metrics line for each invocation.

pub(crate) mod emf;
pub(crate) mod invocation;
pub mod log;
pub(crate) mod timestamp;
