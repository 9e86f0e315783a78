use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A script like dev/loadtest: a memcached, a server with a child process, a frozen one, and the
/// attended work. It prints every pid, then waits.
const SCRIPT: &str = r#"
set -euo pipefail
. dev/servers.sh
start_memcached; echo "$!"
start sh -c 'sleep 1001 & echo "$!" > "$0"; wait' "$scratch/child"; echo "$!"
until [ -s "$scratch/child" ]; do sleep 0.05; done; cat "$scratch/child"
start sleep 1002; kill -STOP "$!"; echo "$!"
attend sh -c "echo \$\$; echo ready; exec sleep $1"
exit 0
"#;

/// Runs it with this working time until it is ready, and returns the printed pids.
fn ready(work: &str) -> (Child, Vec<u32>) {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    // A background shell ignores Ctrl-C, and so would its children.
    let mut script = Command::new("env")
        .args(["--default-signal=INT", "bash", "-c", SCRIPT, "script", work])
        .current_dir(root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = String::new();
    let stdout = script.stdout.as_mut().unwrap();
    let mut byte = [0];
    while !output.ends_with("ready\n") {
        assert_eq!(stdout.read(&mut byte).unwrap(), 1, "it ended: {output}");
        output.push(char::from(byte[0]));
    }
    let pids = output
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    (script, pids)
}

fn assert_all_ended(pids: &[u32]) {
    assert_eq!(pids.len(), 5, "{pids:?}");
    let alive = |pid: &&u32| Path::new(&format!("/proc/{pid}/exe")).exists();
    let limit = Instant::now() + Duration::from_secs(20);
    while let Some(pid) = pids.iter().find(alive) {
        assert!(Instant::now() < limit, "{pid} of {pids:?} is left");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn every_signal_to_stop_ends_all_that_was_started() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 143)] {
        let (mut script, pids) = ready("1000");
        let kill = ["-s", signal, &script.id().to_string()].map(str::to_owned);
        assert!(Command::new("kill").args(kill).status().unwrap().success());
        let status = script.wait().unwrap();
        assert_eq!(status.code(), Some(code), "{signal}");
        assert_all_ended(&pids);
    }
}

#[test]
fn the_end_of_the_work_ends_all_that_was_started() {
    let (mut script, pids) = ready("0");
    assert_eq!(script.wait().unwrap().code(), Some(0));
    assert_all_ended(&pids);
}
