//! The machine that the load comes from. Owns reading its size and how busy it is; knows nothing of the target.

use crate::report::Machine;

/// Reads it now.
pub(crate) fn read() -> Machine {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").ok();
    Machine {
        cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        os: format!(
            "{} {} {}",
            std::env::consts::OS,
            std::env::consts::ARCH,
            kernel.trim()
        )
        .trim()
        .to_owned(),
        optimised: !cfg!(debug_assertions),
        load: load.and_then(|line| line.split(' ').next()?.parse().ok()),
    }
}
