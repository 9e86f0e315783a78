//! A real memcached on a free port of the loopback.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::program;

pub(crate) struct Memcached {
    child: Child,
    port: u16,
}

impl Memcached {
    /// Starts one, and returns when it answers.
    pub(crate) async fn start() -> Self {
        // Between our asking for a free port and memcached's using it another program may take it.
        for _ in 0..10 {
            let port = std::net::TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            if let Some(memcached) = Self::start_at(port).await {
                return memcached;
            }
        }
        panic!("memcached found no free port in ten attempts");
    }

    async fn start_at(port: u16) -> Option<Self> {
        let child = spawn(port);
        let mut memcached = Self { child, port };
        memcached.answers().await.then_some(memcached)
    }

    /// Whether it accepts connections before it ends or 10 s pass.
    async fn answers(&mut self) -> bool {
        let patience = Instant::now() + Duration::from_secs(10);
        while Instant::now() < patience {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    }

    /// `CACHE_URL` for it.
    pub(crate) fn url(&self) -> String {
        format!("memcached://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Stops its time; connections stay open, and nothing answers.
    pub(crate) fn freeze(&self) {
        program::send(&self.child, Signal::STOP);
    }

    pub(crate) fn thaw(&self) {
        program::send(&self.child, Signal::CONT);
    }

    pub(crate) fn kill(&mut self) {
        program::end(&mut self.child);
    }

    /// Starts a new one, empty, at the same port.
    pub(crate) async fn start_again(&mut self) {
        self.child = spawn(self.port);
        assert!(
            self.answers().await,
            "memcached does not start again at port {}",
            self.port
        );
    }
}

fn spawn(port: u16) -> Child {
    Command::new("memcached")
        // Only looked at where tests run as root, which memcached refuses otherwise.
        .args([
            "-u",
            "root",
            "-l",
            "127.0.0.1",
            "-U",
            "0",
            "-m",
            "16",
            "-p",
            &port.to_string(),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("these tests need memcached: apt-get install memcached, or brew install memcached")
}

impl Drop for Memcached {
    fn drop(&mut self) {
        program::end(&mut self.child);
    }
}
