//! How load is made: what to ask and when, by Goose users.

pub(crate) mod generators;
pub(crate) mod goose;
pub(crate) mod interrupt;
pub(crate) mod keys;
pub(crate) mod littles_law;
pub(crate) mod machine;
pub(crate) mod phase_runner;
pub(crate) mod plan;
pub(crate) mod profile;
pub(crate) mod progress;
pub(crate) mod sample_file;
pub(crate) mod shell;
pub(crate) mod slo;
pub(crate) mod traffic;
