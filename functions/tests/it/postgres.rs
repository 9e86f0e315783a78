//! A Postgres server of one test's own: a real one, on a free port of 127.0.0.1, ended with the test.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

pub(crate) struct Postgres {
    child: Option<Child>,
    port: u16,
    folder: TempDir,
    owner: Option<(u32, u32)>,
}

/// A server that does not answer after this long will not.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Who owns the server; the master of RDS is no superuser, but this one has to make roles, too.
const MASTER: &str = "master";
pub(crate) const PASSWORD: &str = "hunter2 & more";

impl Postgres {
    /// Makes a cluster with an empty database `users`, and starts its server.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let owner = geteuid().is_root().then(unprivileged_user);
        let mut server = Self {
            child: None,
            port: 0,
            folder,
            owner,
        };
        if let Some((uid, gid)) = server.owner {
            chown(server.folder.path(), Some(uid), Some(gid)).unwrap();
        }
        server.init();
        // Another process may take the free port before Postgres does: then it ends, and the next port is tried.
        let started = (0..20).any(|_| {
            server.port = free_port();
            server.launch()
        });
        assert!(started, "Postgres did not start: {}", server.log());
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// For a user of the server, with the password that all of them have.
    pub(crate) fn url(&self, user: &str) -> String {
        let password = PASSWORD.replace(' ', "%20").replace('&', "%26");
        format!(
            "postgres://{user}:{password}@127.0.0.1:{}/postgres",
            self.port
        )
    }

    pub(crate) fn master(&self) -> String {
        self.url(MASTER)
    }

    pub(crate) async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.master()).await.unwrap()
    }

    /// The one value that `query` asks for.
    pub(crate) async fn scalar(&self, query: &'static str) -> i64 {
        let mut connection = self.connection().await;
        sqlx::query_scalar(query)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    pub(crate) async fn execute(&self, statement: &'static str) {
        let mut connection = self.connection().await;
        sqlx::query(statement)
            .execute(&mut connection)
            .await
            .unwrap();
    }

    /// Ends the server at once, as a crash would, and starts it again on the same port.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let begun = Instant::now();
        while !self.launch() {
            assert!(begun.elapsed() < TIMEOUT, "{}", self.log());
        }
    }

    /// Ends the server: whoever is connected is cut off.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Postgres's "immediate" end takes its children with it.
            let _ = kill_process(Pid::from_child(&child), Signal::QUIT);
            let _ = child.wait();
        }
    }

    fn init(&self) {
        let password = self.folder.path().join("password");
        std::fs::write(&password, PASSWORD).unwrap();
        if let Some((uid, gid)) = self.owner {
            chown(&password, Some(uid), Some(gid)).unwrap();
        }
        let mut initdb = self.command("initdb");
        initdb
            .args([
                "--no-sync",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
            ])
            .args(["--username", MASTER, "--pwfile"])
            .arg(&password)
            .arg(self.data());
        let output = initdb.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Whether it answers; it does not where its port is taken.
    fn launch(&mut self) -> bool {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut child = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()])
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ])
            .args(["-c", "fsync=off"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let ready = "database system is ready to accept connections";
        while !self.log().contains(ready) {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(begun.elapsed() < TIMEOUT, "{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.child = Some(child);
        TcpStream::connect(("127.0.0.1", self.port)).is_ok()
    }

    /// One of Postgres's programs, as somebody who may run it: root may not.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command.current_dir(self.folder.path());
        if let Some((uid, gid)) = self.owner {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// On the path, or where Debian keeps the newest.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path()).collect())
        .unwrap_or_default();
    versions.sort();
    folders.extend(versions.iter().rev().map(|version| version.join("bin")));
    let found = folders
        .iter()
        .map(|folder| folder.join(name))
        .find(|file| file.exists());
    found.unwrap_or_else(|| panic!("{name} of Postgres is missing: dev/install postgres"))
}

/// The user and group of Postgres, or else of nobody.
fn unprivileged_user() -> (u32, u32) {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let ids = |name: &str| {
        let line = users
            .lines()
            .find(|line| line.starts_with(&format!("{name}:")))?;
        let mut fields = line.split(':').skip(2).map(str::parse);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    };
    ids("postgres")
        .or_else(|| ids("nobody"))
        .expect("a user who is not root")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}
