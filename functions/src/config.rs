//! What a process knows before its first request: its settings, and where it runs.

pub mod context;
pub mod dotenv;
pub mod environment;
pub mod flush_mode;
pub mod host;
pub mod settings;
