//! Shell commands that change the target: break its cache, repair it, restart its functions.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A command that takes longer is stopped.
const TIME_LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(crate) struct ShellCommand(String);

/// How the cache is broken and repaired.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) break_cache: ShellCommand,
    pub(crate) mend_cache: ShellCommand,
}

/// The commands that the user gave.
#[derive(Clone, Debug)]
pub(crate) struct TargetCommands {
    pub(crate) fault: Option<Fault>,
    pub(crate) restart: Option<ShellCommand>,
}

impl ShellCommand {
    pub(crate) fn new(line: &str) -> Self {
        Self(line.to_owned())
    }

    /// Runs it to its end, with its stderr shown.
    pub(crate) async fn run(&self) -> Result<(), String> {
        let Self(line) = self;
        let complain = |error: std::io::Error| format!("the command {line:?} cannot run: {error}");
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).stdin(Stdio::null());
        let mut child = shell.stdout(Stdio::null()).spawn().map_err(complain)?;
        let began = Instant::now();
        loop {
            match child.try_wait().map_err(complain)? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("the command {line:?} failed: {status}")),
                None if began.elapsed() > TIME_LIMIT => {
                    _ = child.kill().and_then(|()| child.wait());
                    return Err(format!(
                        "the command {line:?} took longer than {TIME_LIMIT:?}"
                    ));
                }
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    }
}
