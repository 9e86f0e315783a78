//! Runs the binary and reads its results.

use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A run that has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    out: TempDir,
}

/// A run in progress.
pub(crate) struct Running {
    pub(crate) child: Child,
    out: TempDir,
}

/// The file with the standard error.
const PROGRESS: &str = "progress";

/// What the tool says on a machine that is too busy to measure on, whatever the target does.
const BUSY: [&str; 3] = [
    "FAIL: known delays are timed correctly",
    "not checkable: known delays are timed correctly",
    "something else kept this tool from running",
];

/// Whether that is what the tool says.
pub(crate) fn was_busy(stdout: &str) -> bool {
    BUSY.iter().any(|words| stdout.contains(words))
}

/// Runs the tool on `url` with sizes that take a few seconds, and `more` arguments. On a machine
/// that is too busy, as the tool itself says, the run is repeated.
pub(crate) fn run(url: &str, more: &[&str]) -> Ended {
    for _ in 1..6 {
        let ended = run_once(url, more);
        if !was_busy(&ended.stdout) {
            return ended;
        }
    }
    run_once(url, more)
}

/// The same without repetition: for a server that begins to lie after a while, and would lie to a
/// second run from its beginning.
pub(crate) fn run_once(url: &str, more: &[&str]) -> Ended {
    start(url, more).wait()
}

/// As [`run`] on an honest server. Other programs can keep this machine so busy that the tool
/// itself says that its numbers are not valid; such a run is repeated twice.
pub(crate) fn run_quietly(url: &str, more: &[&str]) -> Ended {
    for attempt in 1..3 {
        let ended = run(url, more);
        if ended.code != Some(5) {
            return ended;
        }
        println!(
            "run {attempt} was not valid on this busy machine: {}",
            ended.stdout
        );
    }
    run(url, more)
}

/// Starts it; see [`run`].
pub(crate) fn start(url: &str, more: &[&str]) -> Running {
    start_with(url, more, &[])
}

/// As [`start`], with these environment variables.
pub(crate) fn start_with(url: &str, more: &[&str], variables: &[(&str, &str)]) -> Running {
    let out = tempfile::tempdir().unwrap();
    let mut command = command();
    command
        .args([
            "run",
            "--url",
            url,
            "--rounds",
            "3",
            "--keys",
            "10",
            "--repeats",
            "3",
            "--mixed",
            "0",
            "--bursts",
            "0",
            "--out",
        ])
        .arg(out.path());
    let child = command
        .args(more)
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(std::fs::File::create(out.path().join(PROGRESS)).unwrap())
        .spawn()
        .unwrap();
    Running { child, out }
}

/// The binary without arguments.
pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_loadtest"))
}

impl Running {
    pub(crate) fn wait(self) -> Ended {
        let Output { status, stdout, .. } = self.child.wait_with_output().unwrap();
        Ended {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: progress(&self.out),
            out: self.out,
        }
    }

    /// Its standard error so far.
    pub(crate) fn progress(&self) -> String {
        progress(&self.out)
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let killed = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(killed.success());
    }
}

fn progress(out: &TempDir) -> String {
    std::fs::read_to_string(out.path().join(PROGRESS)).unwrap()
}

impl Ended {
    /// A report file's text.
    pub(crate) fn file(&self, name: &str) -> String {
        let path = self.out.path().join(name);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{}: {e}\n{}", path.display(), self.stderr))
    }

    /// The path of a report file.
    pub(crate) fn path(&self, name: &str) -> String {
        self.out.path().join(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn has_file(&self, name: &str) -> bool {
        self.out.path().join(name).exists()
    }

    pub(crate) fn report(&self) -> Value {
        serde_json::from_str(&self.file("report.json")).unwrap()
    }

    /// The verdict of the check whose name begins with `name`.
    pub(crate) fn verdict(&self, name: &str) -> String {
        let report = self.report();
        let checks = report["checks"].as_array().unwrap();
        let check = checks
            .iter()
            .find(|check| check["name"].as_str().unwrap().starts_with(name));
        check.unwrap_or_else(|| panic!("no check {name}"))["verdict"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) fn expect_code(&self, code: i32) {
        assert_eq!(
            self.code,
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.stdout,
            self.stderr
        );
    }
}
