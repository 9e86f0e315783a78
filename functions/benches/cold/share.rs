//! A share of one processor, as Lambda gives it to a function by its memory: the quota of a control
//! group, or cpulimit where no group can be created. The quota is a part of each 20 ms: a program
//! that has used it up waits for the next period.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// 256 MB of the 1,769 MB that have a whole processor.
const PART: f64 = 0.145;
const PERIOD_US: u32 = 20_000;

/// How the share is imposed.
pub(crate) enum Share {
    Group { folder: PathBuf, version: Version },
    Cpulimit,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

impl Share {
    /// # Errors
    /// This machine has neither.
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let name = format!("larder-bench-{}", std::process::id());
        for (root, version) in [
            ("/sys/fs/cgroup/cpu", Version::One),
            ("/sys/fs/cgroup", Version::Two),
        ] {
            let folder = Path::new(root).join(&name);
            if fs::create_dir(&folder).is_err() {
                continue;
            }
            let share = Self::Group { folder, version };
            if share.write(None).is_ok() {
                return Ok(share);
            }
        }
        let there = Command::new("cpulimit")
            .arg("--help")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match there {
            Ok(_) => Ok(Self::Cpulimit),
            Err(_) => Err("neither a control group nor cpulimit can be had here".into()),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Group { .. } => "quota 0.145",
            Self::Cpulimit => "cpulimit 14",
        }
    }

    /// Gives a whole processor again.
    pub(crate) fn lift(&self) -> Result<(), Box<dyn Error>> {
        self.write(None)
    }

    /// Imposes the share on the group, or with cpulimit on the process with this id.
    pub(crate) fn impose(&self, pid: u32) -> Result<(), Box<dyn Error>> {
        if matches!(self, Self::Cpulimit) {
            // It ends with the process.
            Command::new("cpulimit")
                .args(["--pid", &pid.to_string(), "--limit", "14", "--lazy"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
        }
        self.write(Some(f64::from(PERIOD_US) * PART))
    }

    /// Runs `start`, whose child processes are then in the group, since a process starts in the
    /// group of its parent.
    pub(crate) fn within<T>(
        &self,
        start: impl FnOnce() -> std::io::Result<T>,
    ) -> Result<T, Box<dyn Error>> {
        let Self::Group { folder, .. } = self else {
            return Ok(start()?);
        };
        let processes = |folder: &Path| folder.join("cgroup.procs");
        let own = std::process::id().to_string();
        fs::write(processes(folder), &own)?;
        let started = start();
        fs::write(processes(folder.parent().ok_or("no group above")?), &own)?;
        Ok(started?)
    }

    fn write(&self, quota: Option<f64>) -> Result<(), Box<dyn Error>> {
        let Self::Group { folder, version } = self else {
            return Ok(());
        };
        let quota = quota.map(|quota| format!("{quota:.0}"));
        if *version == Version::Two {
            let quota = quota.as_deref().unwrap_or("max");
            fs::write(folder.join("cpu.max"), format!("{quota} {PERIOD_US}"))?;
        } else {
            fs::write(folder.join("cpu.cfs_period_us"), PERIOD_US.to_string())?;
            let quota = quota.as_deref().unwrap_or("-1");
            fs::write(folder.join("cpu.cfs_quota_us"), quota)?;
        }
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Self::Group { folder, .. } = self {
            let _ = fs::remove_dir(folder);
        }
    }
}
