use std::time::Duration;

use serde_json::Value;

use crate::character::{Character, Connections, Lie};
use crate::server::Server;
use crate::tool;

/// The row of one phase, function and outcome.
fn row(report: &Value, [phase, function, outcome]: [&str; 3]) -> Value {
    let mut rows = report["rows"].as_array().unwrap().iter();
    let row = rows.find(|row| {
        row["phase"] == phase && row["function"] == function && row["outcome"] == outcome
    });
    row.unwrap().clone()
}

/// A server that computes as many keys at once as are asked for, each for a long time.
fn slow_misses() -> Server {
    Server::start(Character {
        origin: Duration::from_millis(900),
        instances: 1,
        ..Character::default()
    })
}

/// So many requests for so few keys that more than a hundred wait for misses at first.
const MIXED: [&str; 10] = [
    "--functions",
    "heavy-op",
    "--mixed",
    "6",
    "--rate",
    "300",
    "--zipf",
    "0.6",
    "--keys",
    "5",
];

/// The callers of a real service do not share a number of users: a hit never waits for a miss.
#[test]
fn a_hit_does_not_wait_for_the_misses_of_other_callers() {
    let server = slow_misses();
    let ended = tool::run_quietly(&server.url, &MIXED);
    ended.expect_code(0);
    let hit = &row(&ended.report(), ["mixed", "heavy-op", "hit"])["response"];
    let p99 = hit["p99"]["us"].as_f64().unwrap();
    assert!(p99 < 100_000.0, "{p99} µs\n{}", ended.stdout);
    assert_eq!(ended.verdict("the generator kept up"), "pass");
}

#[test]
fn a_safety_cap_that_is_reached_fails_a_check_and_is_no_latency() {
    let server = slow_misses();
    let ended = tool::run(
        &server.url,
        &[&MIXED[..], &["--max-in-flight", "32"]].concat(),
    );
    ended.expect_code(5);
    assert_eq!(ended.verdict("the generator kept up"), "fail");
    assert!(
        ended.stdout.contains("generator exhausted"),
        "{}",
        ended.stdout
    );
    let hit = &row(&ended.report(), ["mixed", "heavy-op", "hit"])["response"];
    let p99 = hit["p99"]["us"].as_f64().unwrap();
    assert!(p99 < 100_000.0, "{p99} µs\n{}", ended.stdout);
}

/// Runs with an outage that these files make while they are there.
fn through(server: &Server, file: &str) -> tool::Ended {
    let (breaks, mends) = (format!("touch {file}"), format!("rm {file}"));
    tool::run_quietly(
        &server.url,
        &["--break-cache", &breaks, "--mend-cache", &mends],
    )
}

/// All callers that were due while nothing was answered count, with their whole wait.
#[test]
fn a_stall_in_the_faults_is_the_callers_whole_wait() {
    let server = Server::start(Character {
        lie: Lie::StallsWhenBroken,
        ..Character::default()
    });
    let ended = through(&server, &server.outage());
    ended.expect_code(0);
    let report = ended.report();
    let functions = report["faults"]["functions"].as_array().unwrap();
    let answers = |one: &Value| one["answers"].as_u64().unwrap();
    let all: u64 = functions.iter().map(answers).sum();
    assert!(all > 60, "{all} callers in three seconds\n{}", ended.stdout);
    for one in functions {
        let p50 = one["p50_us"].as_f64().unwrap();
        assert!(
            (1e6..2.2e6).contains(&p50),
            "half of three seconds: {p50} µs"
        );
    }
}

/// A server that accepts no connection delays its callers; this machine is not busy.
#[test]
fn connecting_is_the_targets_time_and_has_a_row() {
    let server = Server::start(Character {
        connections: Connections::Closed,
        backlog: 1,
        instances: 1,
        ..Character::default()
    });
    let ended = through(&server, &server.pause());
    ended.expect_code(0);
    let report = ended.report();
    let rows = report["connecting"].as_array().unwrap();
    let longest = rows
        .iter()
        .filter(|row| row["phase"] == "faults")
        .map(|row| row["connecting"]["max_us"].as_f64().unwrap())
        .fold(0.0, f64::max);
    assert!(longest > 900_000.0, "{longest} µs\n{}", ended.stdout);
    for one in report["faults"]["functions"].as_array().unwrap() {
        let p50 = one["p50_us"].as_f64().unwrap();
        assert!(p50 > 500_000.0, "{p50} µs\n{}", ended.stdout);
    }
    // The machine may be busy with other tests, but not for a second.
    let overshoot = ended.stdout.split_once("timers woke ");
    let overshoot = overshoot.and_then(|(_, text)| text.split_once(" ms late"));
    let overshoot = overshoot.map_or(0, |(ms, _)| ms.parse().unwrap());
    assert!(overshoot < 500, "{}", ended.stdout);
    assert!(ended.stdout.contains("connecting"), "{}", ended.stdout);
}
