//! One of the binaries as a process with its own environment, which stops with its test.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub(crate) const LOCAL: &str = env!("CARGO_BIN_EXE_local");
pub(crate) const HEAVY_OP: &str = env!("CARGO_BIN_EXE_heavy-op");
pub(crate) const USER: &str = env!("CARGO_BIN_EXE_user");
pub(crate) const FLUSH: &str = env!("CARGO_BIN_EXE_flush");
pub(crate) const PAGE: &str = env!("CARGO_BIN_EXE_page");
pub(crate) const MIGRATE: &str = env!("CARGO_BIN_EXE_migrate");

/// Environment variables of a process.
pub(crate) type Variables = Vec<(&'static str, String)>;

/// A running process in its own working directory.
pub(crate) struct Program {
    child: Child,
    folder: TempDir,
}

impl Program {
    /// Starts it with these variables and no others.
    pub(crate) fn start(binary: &str, variables: &[(&'static str, String)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), binary, variables, &[])
    }

    pub(crate) fn start_in(
        folder: TempDir,
        binary: &str,
        variables: &[(&'static str, String)],
        arguments: &[&str],
    ) -> Self {
        let file = |name| std::fs::File::create(folder.path().join(name)).unwrap();
        let child = Command::new(binary)
            .args(arguments)
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (*name, value)))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .unwrap_or_else(|error| panic!("{binary}: {error}"));
        Self { child, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn stdout(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stdout")).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stderr")).unwrap()
    }

    /// Sends a signal to exactly this process.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for a line of its standard output that begins with `prefix`, and returns the rest of
    /// it.
    pub(crate) async fn line(&mut self, prefix: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let text = self.stdout();
            let whole = text.rsplit_once('\n').map_or("", |(lines, _)| lines);
            if let Some(rest) = whole
                .lines()
                .find_map(|line| line.trim_start().strip_prefix(prefix))
            {
                return rest.to_owned();
            }
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "no {prefix:?} in {text:?}; {}",
                self.stderr()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits for its end, and returns the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(
                Instant::now() < deadline,
                "still running: {}",
                self.stderr()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
