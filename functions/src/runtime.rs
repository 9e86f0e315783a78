//! The processes: one function on Lambda or in the emulator, all routes in one local HTTP server,
//! and the function that migrates the database.

pub mod lambda;
pub mod local;
pub mod migrate;
