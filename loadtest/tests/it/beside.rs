use std::process::Command;
use std::time::{Duration, Instant};

use crate::character::Lie;
use crate::server::Server;
use crate::tool;

#[test]
fn preflight_tells_what_a_run_would_meet() {
    let server = Server::telling(Lie::None);
    let output = tool::command()
        .args(["preflight", "--url", &server.url])
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && stdout.contains("instances: 3; bypasses its cache on request"),
        "{stdout}"
    );
    assert!(
        stdout.contains("the target counts its origin calls"),
        "{stdout}"
    );
    let silent = Server::telling(Lie::NoCacheStatus);
    let output = tool::command()
        .args(["preflight", "--url", &silent.url])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn known_delays_are_measured() {
    let arguments = ["calibrate", "--requests", "10"];
    let output = tool::command().args(arguments).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let measured: Vec<&str> = stdout
        .lines()
        .filter(|line| line.contains("a delay of"))
        .collect();
    assert_eq!(measured.len(), 3, "{stdout}");
    // With other tests running, the machine may exceed the tool's own limit; a wrong clock would be
    // far off.
    let hundred = measured[2]
        .split("measured ")
        .nth(1)
        .unwrap()
        .split(" ms")
        .next()
        .unwrap();
    let hundred: f64 = hundred.parse().unwrap();
    assert!((100.0..150.0).contains(&hundred), "{stdout}");
}

#[test]
fn a_bare_memcached_is_the_floor() {
    // The kernel chooses the port, so that no other program can take it first, and memcached
    // writes it to this file once it listens.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("port");
    let mut memcached = Command::new("memcached");
    let memcached = memcached
        .args(["-l", "127.0.0.1", "-u", "root", "-p", "-1", "-U", "0"])
        .env("MEMCACHED_PORT_FILENAME", &file)
        .spawn();
    let mut memcached = memcached.expect("memcached must be installed");
    let limit = Instant::now() + Duration::from_secs(20);
    let port = loop {
        if let Ok(line) = std::fs::read_to_string(&file) {
            break line.trim().rsplit(' ').next().unwrap().to_owned();
        }
        assert!(Instant::now() < limit, "memcached did not start");
        std::thread::sleep(Duration::from_millis(5));
    };
    let address = format!("127.0.0.1:{port}");
    let server = Server::telling(Lie::None);
    let ended = tool::run(&server.url, &["--memcached", &address]);
    memcached.kill().unwrap();
    memcached.wait().unwrap();
    ended.expect_code(0);
    assert_eq!(ended.report()["floor"]["count"], 1000);
    assert!(
        ended
            .stdout
            .contains("a bare memcached GET from this machine takes"),
        "{}",
        ended.stdout
    );
    let ended = tool::run(&server.url, &["--memcached", &address]);
    ended.expect_code(1);
    assert!(
        ended.stderr.contains("memcached at 127.0.0.1"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_ci_service_gets_annotations_and_a_summary() {
    let server = Server::telling(Lie::StuckCounter);
    let out = tempfile::tempdir().unwrap();
    let summary = out.path().join("summary.md");
    let mut command = tool::command();
    command.args([
        "run",
        "--rounds",
        "3",
        "--keys",
        "10",
        "--mixed",
        "0",
        "--bursts",
        "0",
        "--url",
        &server.url,
        "--out",
    ]);
    command
        .arg(out.path())
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &summary);
    let stdout = String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert!(
        stdout.contains("::error::misses = origin calls"),
        "{stdout}"
    );
    assert!(
        std::fs::read_to_string(summary)
            .unwrap()
            .contains("# Load test: INVALID")
    );
}
