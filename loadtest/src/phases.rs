//! What a run consists of, one file a phase.

pub(crate) mod calibrate;
pub(crate) mod capacity;
pub(crate) mod cold_start;
pub(crate) mod discovery;
pub(crate) mod faults;
pub(crate) mod minimum_latency;
pub(crate) mod mixed;
pub(crate) mod paired_rounds;
pub(crate) mod session;
pub(crate) mod stampede;
pub(crate) mod time_budget;
