//! Processes that serve the [`routes`](crate::routes): a function's on Lambda and in the emulator, and
//! one that serves all of them over HTTP; and the function that migrates the database.

pub mod lambda;
pub mod local;
pub mod migrate;
