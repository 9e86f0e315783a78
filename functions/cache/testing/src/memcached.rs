//! A memcached process of one test's own, on a free port of 127.0.0.1, ended with the test.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A running memcached.
#[derive(Debug)]
pub struct Memcached {
    child: Option<Child>,
    port: u16,
    options: Vec<String>,
}

/// A server that does not answer after this long will not.
const PATIENCE: Duration = Duration::from_secs(20);

impl Memcached {
    /// Starts one with memcached's own defaults.
    ///
    /// # Panics
    /// If memcached is not installed or does not answer: a test without it proves nothing.
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
        let options = options
            .iter()
            .map(|option| (*option).to_owned())
            .collect::<Vec<_>>();
        // Another process may take the free port before memcached does: then it ends, and the next port is tried.
        for _ in 0..20 {
            let mut server = Self {
                child: None,
                port: free_port(),
                options: options.clone(),
            };
            if server.launch() {
                return server;
            }
        }
        panic!("memcached did not start on any of 20 free ports");
    }

    /// Starts one on a Unix socket, without a port.
    ///
    /// # Panics
    /// As [`Memcached::start`].
    #[must_use]
    pub fn start_at(path: &str) -> Self {
        let options = vec!["-s".to_owned(), path.to_owned()];
        let mut server = Self {
            child: None,
            port: 0,
            options,
        };
        assert!(server.launch(), "memcached did not start at {path}");
        server
    }

    /// `127.0.0.1`'s port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `memcached://127.0.0.1:port`
    #[must_use]
    pub fn url(&self) -> String {
        format!("memcached://127.0.0.1:{}", self.port)
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
    /// If it does not answer in time.
    pub fn restart(&mut self) {
        self.kill();
        let begun = Instant::now();
        while !self.launch() {
            assert!(
                begun.elapsed() < PATIENCE,
                "memcached did not start again on {}",
                self.port
            );
        }
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
    /// If the server does not answer so.
    #[must_use]
    pub fn ask(&self, command: &str, end: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connect");
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

    fn launch(&mut self) -> bool {
        let user: &[&str] = if is_root() { &["-u", "root"] } else { &[] };
        let child = Command::new("memcached")
            .args(["-l", "127.0.0.1", "-U", "0", "-p", &self.port.to_string()])
            .args(user)
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.expect("memcached is needed for this test: install it, then repeat");
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if !matches!(child.try_wait(), Ok(None)) {
                return false;
            }
            if self.accepts() {
                self.child = Some(child);
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }

    fn accepts(&self) -> bool {
        match self.options.as_slice() {
            [flag, path] if flag == "-s" => std::os::unix::net::UnixStream::connect(path).is_ok(),
            _ => TcpStream::connect(("127.0.0.1", self.port)).is_ok(),
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
        let stopped = |task: &std::path::Path| {
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

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// memcached refuses to run as root unless told to.
fn is_root() -> bool {
    std::fs::metadata("/proc/self")
        .is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}
