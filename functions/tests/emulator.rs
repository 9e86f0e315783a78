//! `make run` from outside, as a user sees it. It is a test binary of its own because it builds the
//! programs that the other tests start.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use larder_testing::Port;
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// `ñandú ☕`, a line break and a memcached command.
const NASTY: &str = "/heavy-op?param=%C3%B1and%C3%BA%20%E2%98%95%0D%0Aflush_all";

/// How long it may take to build the functions.
const BUILD: Duration = Duration::from_secs(1200);

struct Run {
    make: Child,
    port: u16,
    folder: TempDir,
}

impl Run {
    fn start(port: u16) -> Self {
        Self::start_with(port, &[])
    }

    fn start_with(port: u16, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name| File::create(folder.path().join(name)).unwrap();
        let database = format!("sqlite://{}", folder.path().join("users.sqlite").display());
        // A shell that starts these tests in the background makes them ignore SIGINT, and their
        // children inherit that.
        let mut make = Command::new("env");
        make.args([
            "--default-signal=INT",
            "make",
            "run",
            &format!("PORT={port}"),
        ])
        // Otherwise this make would inherit the arguments of `make test`.
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .envs([
            ("CACHE_URL", ""),
            ("MEMCACHED_HOST", ""),
            ("MEMCACHED_PORT", ""),
        ])
        .envs([("DATABASE_URL", database.as_str()), ("FLUSH_AUTH", "open")])
        .env("HEAVY_OP_MS", "2000")
        // The default budget is too short on a busy machine.
        .env("CACHE_BUDGET_MS", "5000")
        .envs(variables.iter().copied())
        .current_dir(ROOT)
        .stdin(Stdio::null())
        .stdout(file("stdout"))
        .stderr(file("stderr"))
        // As in a terminal, so that SIGINT reaches the whole group and not this test.
        .process_group(0);
        Self {
            make: make.spawn().unwrap(),
            port,
            folder,
        }
    }

    fn output(&self) -> String {
        let read = |name| std::fs::read_to_string(self.folder.path().join(name)).unwrap();
        read("stdout") + &read("stderr")
    }

    /// Waits until it says that it is up. It builds first.
    fn is_up(&mut self) {
        let limit = Instant::now() + BUILD;
        while !self.output().contains("Ctrl-C stops it") {
            let ended = self.make.try_wait().unwrap();
            assert!(
                ended.is_none() && Instant::now() < limit,
                "{ended:?}: {}",
                self.output()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ends(&mut self) -> Option<i32> {
        self.ends_within(Duration::from_secs(60))
    }

    fn ends_within(&mut self, time: Duration) -> Option<i32> {
        let limit = Instant::now() + time;
        loop {
            if let Some(status) = self.make.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < limit, "still running: {}", self.output());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a request, and returns the whole response with its headers.
    fn ask(&self, method: &str, target: &str) -> String {
        ask(self.port, method, target)
    }

    /// The processes of this run: their environment names its database.
    fn processes(&self) -> Vec<String> {
        let mark = self.folder.path().as_os_str().as_encoded_bytes();
        let has = |text: Vec<u8>| text.windows(mark.len()).any(|part| part == mark);
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        all.filter(|process| std::fs::read(process.path().join("environ")).is_ok_and(has))
            .map(|process| {
                let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&command).replace('\0', " ")
            })
            .collect()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.make), Signal::INT);
        let _ = self.make.wait();
    }
}

fn ask(port: u16, method: &str, target: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn has(answer: &str, part: &str) {
    assert!(answer.contains(part), "no {part:?} in {answer:?}");
}

#[test]
fn one_command_serves_everything_refuses_a_taken_port_and_leaves_nothing_behind() {
    let port = Port::reserve();
    let mut run = Run::start(port.number());
    run.is_up();
    has(&run.output(), &format!("http://localhost:{}/", run.port));

    has(&run.ask("GET", "/"), "<!doctype html>");
    let first = run.ask("GET", NASTY);
    has(&first, "cache-status: larder; fwd=miss; stored");
    has(&first, r#""source":"origin""#);
    let second = run.ask("GET", NASTY);
    has(&second, "cache-status: larder; hit; ttl=");
    has(&second, r#""source":"cache""#);
    has(&run.ask("GET", "/user/501"), "HTTP/1.1 404 ");
    has(&run.ask("DELETE", "/user/7"), "allow: GET, HEAD");
    has(&run.ask("POST", "/flush"), r#"{"flushed":"all"}"#);
    has(&run.ask("GET", NASTY), "larder; fwd=miss; stored");

    assert!(
        slow_keys_do_not_queue(run.port),
        "two took 1.5 times as long as one"
    );

    let mut second = Run::start(run.port);
    assert_ne!(second.ends(), Some(0));
    has(&second.output(), &format!("port {} is taken", run.port));

    assert!(run.processes().len() > 4, "{:?}", run.processes());
    kill_process_group(Pid::from_child(&run.make), Signal::INT).unwrap();
    run.ends();
    let limit = Instant::now() + Duration::from_secs(20);
    while !run.processes().is_empty() {
        assert!(Instant::now() < limit, "left: {:?}", run.processes());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(TcpStream::connect(("127.0.0.1", run.port)).is_err());
}

/// Whether two keys are computed concurrently in one try of five: other load may spoil the rest.
fn slow_keys_do_not_queue(port: u16) -> bool {
    let took = |keys: &[String]| {
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for key in keys {
                scope.spawn(move || ask(port, "GET", &format!("/heavy-op?param={key}")));
            }
        });
        begun.elapsed()
    };
    (0..5).any(|round| {
        let key = |n| format!("slow-{round}-{n}");
        let one = took(&[key(0)]);
        took(&[key(1), key(2)]) < one.mul_f64(1.5)
    })
}

#[test]
fn a_setting_that_no_function_would_take_is_named_and_nothing_is_started() {
    let port = Port::reserve();
    let mut run = Run::start_with(port.number(), &[("HEAVY_OP_MS", "3s")]);
    assert_ne!(run.ends_within(BUILD), Some(0));
    let output = run.output();
    has(&output, r#"error: HEAVY_OP_MS: "3s" is not a whole number"#);
    assert!(!output.contains("larder is up"), "{output}");
    assert_eq!(run.processes(), [""; 0]);
}

#[test]
fn an_invalid_port_is_refused() {
    for port in ["0", "x", "65536"] {
        let output = Command::new("make")
            .args(["run", &format!("PORT={port}")])
            .env_remove("MAKEFLAGS")
            .current_dir(Path::new(ROOT))
            .output()
            .unwrap();
        assert!(!output.status.success());
        has(
            &String::from_utf8_lossy(&output.stderr),
            "PORT is not a port number",
        );
    }
}
