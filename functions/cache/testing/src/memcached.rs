//! A memcached process for one test, on a reserved port of 127.0.0.1; it ends with the test.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::Port;

/// A running memcached.
#[derive(Debug)]
pub struct Memcached {
    child: Option<Child>,
    place: Place,
    options: Vec<String>,
    scratch: TempDir,
}

/// Where it listens.
#[derive(Debug)]
enum Place {
    Port(Port),
    Socket(PathBuf),
}

/// A server that does not listen or answer after this long never will.
const PATIENCE: Duration = Duration::from_secs(20);

impl Memcached {
    /// Starts one with memcached's defaults.
    ///
    /// # Panics
    /// If memcached is not installed or does not answer, because a test without it proves nothing.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with more of memcached's options, such as `["-I", "2m"]`.
    ///
    /// # Panics
    /// As [`Memcached::start`].
    #[must_use]
    pub fn start_with(options: &[&str]) -> Self {
        Self::started(Place::Port(Port::reserve()), options)
    }

    /// Starts one on a Unix socket, without a port.
    ///
    /// # Panics
    /// As [`Memcached::start`].
    #[must_use]
    pub fn start_at(path: &str) -> Self {
        Self::started(Place::Socket(path.into()), &[])
    }

    fn started(place: Place, options: &[&str]) -> Self {
        let mut server = Self {
            child: None,
            place,
            options: options.iter().map(|&option| option.to_owned()).collect(),
            scratch: tempfile::tempdir().expect("a folder for temporary files"),
        };
        server.launch();
        server
    }

    /// The port on `127.0.0.1`.
    ///
    /// # Panics
    /// If it listens on a Unix socket.
    #[must_use]
    pub fn port(&self) -> u16 {
        match &self.place {
            Place::Port(port) => port.number(),
            Place::Socket(path) => panic!("{} has no port", path.display()),
        }
    }

    /// `memcached://127.0.0.1:port`
    #[must_use]
    pub fn url(&self) -> String {
        format!("memcached://127.0.0.1:{}", self.port())
    }

    /// Ends the process at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again, empty, on the same port.
    ///
    /// # Panics
    /// If it does not listen in time.
    pub fn restart(&mut self) {
        self.kill();
        self.launch();
    }

    /// Freezes the process: its socket still accepts, and nothing is answered.
    pub fn stop(&self) {
        self.signal("STOP");
        self.until_state("T");
    }

    /// Thaws it.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Sends `command` and returns what came back until `end` was in it.
    ///
    /// # Panics
    /// If the server does not answer with it.
    #[must_use]
    pub fn ask(&self, command: &str, end: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(command.as_bytes()).expect("write");
        let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            let n = stream.read(&mut chunk).expect("read");
            answer.extend_from_slice(&chunk[..n]);
            let text = String::from_utf8_lossy(&answer);
            if text.contains(end) || n == 0 {
                return text.into_owned();
            }
        }
    }

    /// One number of `stats`.
    ///
    /// # Panics
    /// If there is none of that name.
    #[must_use]
    pub fn stat(&self, name: &str) -> u64 {
        let stats = self.ask("stats\r\n", "END\r\n");
        let line = stats
            .lines()
            .find_map(|l| l.strip_prefix(&format!("STAT {name} ")));
        line.and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no {name} in {stats}"))
    }

    /// Starts the process and waits until it listens, as it says itself: an answer at the port
    /// could be anybody's.
    fn launch(&mut self) {
        let listening = self.scratch.path().join("listening");
        let _ = std::fs::remove_file(&listening);
        let mut command = Command::new("memcached");
        match &self.place {
            // memcached writes this file once it listens on its TCP port.
            Place::Port(port) => command.env("MEMCACHED_PORT_FILENAME", &listening).args([
                "-l",
                "127.0.0.1",
                "-U",
                "0",
                "-p",
                &port.number().to_string(),
            ]),
            Place::Socket(path) => command.arg("-s").arg(path),
        };
        let log = std::fs::File::create(self.scratch.path().join("log")).expect("a log");
        let child = command
            .args(if is_root() { &["-u", "root"][..] } else { &[] })
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let mut child = child.expect("memcached is needed for this test: install it, then repeat");
        let begun = Instant::now();
        while !self.listens(&listening) {
            let ended = child.try_wait().expect("a child");
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let _ = child.kill();
                let log = std::fs::read_to_string(self.scratch.path().join("log"));
                panic!(
                    "memcached does not listen at {:?}: {ended:?}, {log:?}",
                    self.place
                );
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.child = Some(child);
    }

    fn listens(&self, port_file: &Path) -> bool {
        match &self.place {
            Place::Port(_) => port_file.exists(),
            Place::Socket(path) => UnixStream::connect(path).is_ok(),
        }
    }

    fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("a running memcached");
        signal(child.id(), name);
    }

    fn until_state(&self, state: &str) {
        let child = self.child.as_ref().expect("a running memcached");
        let tasks = format!("/proc/{}/task", child.id());
        let begun = Instant::now();
        let stopped = |task: &Path| {
            let status = std::fs::read_to_string(task.join("status")).unwrap_or_default();
            status
                .lines()
                .any(|line| line.starts_with(&format!("State:\t{state}")))
        };
        loop {
            let mut all = std::fs::read_dir(&tasks).expect("/proc").flatten();
            if all.all(|task| stopped(&task.path())) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "memcached did not stop");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends the signal `name` (`STOP`, `CONT`, `KILL`, …) to one process.
///
/// # Panics
/// If there is no such process.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "kill -{name} {pid}"
    );
}

/// Without this option memcached refuses to run as root.
fn is_root() -> bool {
    std::fs::metadata("/proc/self")
        .is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}
