use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use tempfile::TempDir;

use crate::character::{Character, Lie};
use crate::server::Server;
use crate::tool;

/// Time for all generators to get ready: more if this machine was too busy for less.
const READY: [u64; 3] = [12, 30, 60];

/// The files of `of` generators that send 300 requests a second together for three seconds, each
/// in a process of its own.
fn parts(url: &str, of: usize, folder: &Path) -> Vec<PathBuf> {
    for seconds in READY {
        let begin = SystemTime::now() + Duration::from_secs(seconds);
        let begin = DateTime::<Utc>::from(begin).to_rfc3339_opts(SecondsFormat::Millis, true);
        let generators: Vec<_> = (1..=of)
            .map(|number| {
                let part = format!("{number}/{of}");
                let mut generator = tool::command();
                generator
                    .args(["run", "--url", url, "--part", &part, "--begin", &begin])
                    .args(["--mixed", "3", "--rate", "300", "--no-progress", "--out"])
                    .arg(folder)
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped());
                generator.spawn().unwrap()
            })
            .collect();
        let ended: Vec<Output> = generators
            .into_iter()
            .map(|generator| generator.wait_with_output().unwrap())
            .collect();
        if ended.iter().all(|output| output.status.success()) {
            let part = |number| folder.join(format!("part-{number}-of-{of}.json"));
            return (1..=of).map(part).collect();
        }
        let late = |output: &Output| {
            output.status.success()
                || String::from_utf8_lossy(&output.stderr).contains("choose a later --begin")
        };
        assert!(ended.iter().all(late), "{ended:?}");
    }
    panic!("this machine is too busy for {of} generators");
}

/// The exit code, and what was printed.
fn merge(parts: &[PathBuf], out: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut merge: Command = tool::command();
    merge
        .arg("merge")
        .args(parts)
        .arg("--out")
        .arg(out)
        .args(more);
    let output = merge.output().unwrap();
    let (stdout, stderr) = (output.stdout, output.stderr);
    let text = String::from_utf8([stdout, stderr].concat()).unwrap();
    (output.status.code(), text)
}

/// The files of so many generators, and what one report of them says. On a machine that is too
/// busy to measure on, as the tool itself says, all of it is repeated.
fn judged(
    url: &str,
    of: usize,
    (folder, out): (&Path, &Path),
    more: &[&str],
) -> (Vec<PathBuf>, Option<i32>, String) {
    let once = || {
        let parts = parts(url, of, folder);
        let (code, text) = merge(&parts, out, more);
        (parts, code, text)
    };
    for _ in 1..4 {
        let judged = once();
        if !tool::was_busy(&judged.2) {
            return judged;
        }
    }
    once()
}

fn report(out: &TempDir) -> Value {
    let text = std::fs::read_to_string(out.path().join("report.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn three_generators_make_one_report_whose_counts_are_those_of_the_target() {
    let server = Server::start(Character::default());
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (parts, code, text) = judged(
        &server.url,
        3,
        (folder.path(), out.path()),
        &["--fail-if", "errors > 0"],
    );
    assert_eq!(code, Some(0), "{text}");
    let report = report(&out);

    // As many requests as one generator would have sent, and each is in a row.
    let phase = &report["origin"][0];
    assert_eq!(phase["phase"], "mixed");
    let answers = phase["answers"].as_u64().unwrap();
    assert!((750..1050).contains(&answers), "{phase}");
    let rows = report["rows"].as_array().unwrap();
    let counts = rows
        .iter()
        .map(|row| row["latency"]["count"].as_u64().unwrap());
    let firsts = report["cold_functions"]["count"].as_u64().unwrap();
    assert_eq!(counts.sum::<u64>() + firsts, answers, "{text}");
    // They asked for the same keys: what one has stored is a hit of the others.
    let effect = &report["effect"];
    let (hits, ideal) = (&effect["hit_ratio"], &effect["ideal_hit_ratio"]);
    let (hits, ideal) = (hits["estimate"].as_f64().unwrap(), ideal.as_f64().unwrap());
    assert!(hits <= ideal && hits > ideal - 0.1, "{hits} {ideal}");

    // No part alone can know what the target counted.
    let checks = report["checks"].as_array().unwrap();
    let verdict = |name: &str| {
        let mut checks = checks.iter();
        let check = checks.find(|check| check["name"].as_str().unwrap().starts_with(name));
        check.unwrap()["verdict"].clone()
    };
    assert_eq!(phase["claimed"], phase["counted"]);
    assert_eq!(verdict("misses = origin calls"), "pass", "{text}");
    assert_eq!(
        verdict("the parts asked at the same time"),
        "pass",
        "{text}"
    );
    assert_eq!(verdict("Goose's count"), "pass", "{text}");
    assert_eq!(verdict("flush empties the cache"), "pass", "{text}");
    assert!(text.contains("VERIFIED"), "{text}");

    // A rule judges all of them together, and a part may be neither missing nor there twice.
    let (code, text) = merge(&parts, out.path(), &["--fail-if", "hit_ratio < 99.9%"]);
    assert_eq!(code, Some(3), "{text}");
    let (code, text) = merge(&parts[..2], out.path(), &[]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("parts 1 to 3 are needed"), "{text}");
    let twice = [&parts[..], &parts[..1]].concat();
    let (code, text) = merge(&twice, out.path(), &[]);
    assert_eq!(code, Some(2), "{text}");
    let other = std::fs::read_to_string(&parts[0]).unwrap();
    let other = other.replace("\"seed\":42", "\"seed\":43");
    std::fs::write(&parts[0], other).unwrap();
    let (code, text) = merge(&parts, out.path(), &[]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("another load"), "{text}");
}

#[test]
fn a_lie_is_found_in_what_all_generators_saw() {
    let server = Server::telling(Lie::MissesCalledHits);
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_, code, text) = judged(&server.url, 2, (folder.path(), out.path()), &[]);
    assert_eq!(code, Some(5), "{text}");
    assert!(text.contains("FAIL: misses = origin calls"), "{text}");
}
