//! The machine that sends the load: its size, its load average, and this process's CPU time.

use std::env::consts::{ARCH, OS};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The machine that sent the load.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Machine {
    pub(crate) cpus: usize,
    pub(crate) os: String,
    /// Whether this tool was built with optimisation.
    pub(crate) optimised: bool,
    /// One-minute load average at the start.
    pub(crate) load: Option<f64>,
}

/// Describes this machine.
pub(crate) fn read() -> Machine {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").ok();
    Machine {
        cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        os: format!("{OS} {ARCH} {}", kernel.trim()).trim().to_owned(),
        optimised: !cfg!(debug_assertions),
        load: load.and_then(|line| line.split(' ').next()?.parse().ok()),
    }
}

/// How many connections this process may open: its limit of open files, without those that it needs
/// for other things, and the local ports.
pub(crate) fn max_connections() -> usize {
    const OTHERS: usize = 100;
    let files = getrlimit(Resource::Nofile).current;
    let files = files.and_then(|files| usize::try_from(files).ok());
    let files = files.map_or(usize::MAX, |files| files.saturating_sub(OTHERS).max(1));
    files.min(local_ports().unwrap_or(usize::MAX))
}

/// How many connections to one address the range of local ports allows.
fn local_ports() -> Option<usize> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut bounds = range.split_whitespace().map(str::parse::<usize>);
    let (first, last) = (bounds.next()?.ok()?, bounds.next()?.ok()?);
    last.checked_sub(first).map(|ports| ports + 1)
}

/// CPU time of this process so far, on all cores.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
