//! Which core a process runs on. Without pinning, the scheduler moves a single client's median
//! between 7 and 48 µs.

use std::{error::Error, process::Command};

/// Pins a process to `core`, with all its threads and the processes that it starts from now on.
pub(crate) fn pin(pid: u64, core: u32) -> Result<(), Box<dyn Error>> {
    let (core, pid) = (core.to_string(), pid.to_string());
    let output = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", &core, &pid])
        .output()
        .map_err(|error| format!("taskset (of util-linux) is needed to pin cores: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(format!("core {core} is not available: {}", told.trim()).into())
}
