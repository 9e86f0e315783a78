//! Which core does what. Unpinned, a single client's median jumps between 7 and 48 µs with the scheduler's mood.

use std::{error::Error, process::Command};

/// Where client and server run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Layout {
    /// Client on core 0, server on core 1: wake-ups across cores dominate.
    CrossCore,
    /// Both on core 0: the library's own cost shows.
    SameCore,
}

impl Layout {
    pub(crate) fn client(self) -> u32 {
        0
    }

    pub(crate) fn server(self) -> u32 {
        match self {
            Self::CrossCore => 1,
            Self::SameCore => 0,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CrossCore => "cross-core",
            Self::SameCore => "same core",
        }
    }
}

/// Puts this process on `core`, and with it every process that it starts from now on.
pub(crate) fn pin(core: u32) -> Result<(), Box<dyn Error>> {
    let (core, pid) = (core.to_string(), std::process::id().to_string());
    let output = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", &core, &pid])
        .output()
        .map_err(|error| format!("taskset (of util-linux) is needed to pin cores: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(format!("core {core} can not be had: {}", told.trim()).into())
}
