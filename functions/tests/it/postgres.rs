//! A real Postgres server for one test, on a reserved port of 127.0.0.1, which stops with the test.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use larder_testing::Port;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

pub(crate) struct Postgres {
    child: Option<Child>,
    port: Port,
    folder: TempDir,
    owner: Option<(u32, u32)>,
}

/// How long to wait for the server's first answer.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The server's superuser. RDS's master is no superuser, but this one creates roles too.
const MASTER: &str = "master";
pub(crate) const PASSWORD: &str = "hunter2 & more";

impl Postgres {
    /// Creates a cluster and starts its server.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let owner = geteuid().is_root().then(unprivileged_user);
        let mut server = Self {
            child: None,
            port: Port::reserve(),
            folder,
            owner,
        };
        if let Some((uid, gid)) = server.owner {
            chown(server.folder.path(), Some(uid), Some(gid)).unwrap();
        }
        server.init();
        server.launch();
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    /// The URL for a user of the server; all users have the same password.
    pub(crate) fn url(&self, user: &str) -> String {
        let password = PASSWORD.replace(' ', "%20").replace('&', "%26");
        format!(
            "postgres://{user}:{password}@127.0.0.1:{}/postgres",
            self.port()
        )
    }

    pub(crate) fn master(&self) -> String {
        self.url(MASTER)
    }

    pub(crate) async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.master()).await.unwrap()
    }

    /// The single value that `query` returns.
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

    /// Stops the server at once, as a crash would, and starts it again on the same port.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    /// Stops the server and cuts its connections.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Postgres's "immediate" shutdown ends its children too.
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

    /// Starts the server and waits until it accepts connections, as its own log says.
    fn launch(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let mut child = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port().to_string()])
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
            let ended = child.try_wait().unwrap();
            assert!(
                ended.is_none() && begun.elapsed() < TIMEOUT,
                "Postgres did not start: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        self.child = Some(child);
    }

    /// One of Postgres's programs, as an unprivileged user: root must not run them.
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

/// The folder of Postgres's programs: on the PATH, or where Debian installs the newest.
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

/// The ids of the user `postgres`, or else of `nobody`.
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
