use std::time::{Duration, Instant};

use crate::character::{Character, Connections, Lie};
use crate::server::Server;
use crate::tool;

#[test]
fn an_honest_server_is_verified_and_its_numbers_are_its_own() {
    let server = Server::start(Character {
        origin: Duration::from_millis(20),
        ..Character::default()
    });
    let ended = tool::run(&server.url, &[]);
    ended.expect_code(0);
    let report = ended.report();
    for check in report["checks"].as_array().unwrap() {
        let idle = check["detail"] == "there was no mixed phase";
        assert_eq!(
            check["verdict"],
            if idle { "not-checkable" } else { "pass" },
            "{check}"
        );
    }
    assert_eq!(ended.verdict("throughput × latency = users"), "pass");
    assert!(ended.stdout.contains("VERIFIED"), "{}", ended.stdout);
    // 3 rounds × 10 keys × 2 functions cold, each three times warm, and once with the cache
    // bypassed.
    assert_eq!(report["effect"]["claimed_origin_calls"], 120);
    assert_eq!(report["effect"]["counted_origin_calls"], 120);
    assert_eq!(report["effect"]["hit_ratio"]["estimate"], 0.75);
    let bytes = report["effect"]["byte_hit_ratio"].as_f64().unwrap();
    assert!(
        (0.73..0.75).contains(&bytes),
        "a hit is a few bytes shorter than a miss: {bytes}"
    );
    assert!(
        server.origin_calls() >= 120,
        "the canaries and the first look come on top"
    );
    let row = |phase: &str| {
        let rows = report["rows"].as_array().unwrap();
        rows.iter()
            .find(|row| row["phase"] == phase && row["function"] == "heavy-op")
            .unwrap()
            .clone()
    };
    assert_eq!(
        (&row("cold")["outcome"], &row("cold")["latency"]["count"]),
        (&"miss".into(), &30.into())
    );
    assert_eq!(
        (&row("warm")["outcome"], &row("warm")["latency"]["count"]),
        (&"hit".into(), &90.into())
    );
    let cold = row("cold")["latency"]["p50"]["us"].as_f64().unwrap();
    assert!(
        (20_000.0..60_000.0).contains(&cold),
        "the origin sleeps 20 ms, the median says {cold} µs"
    );
    assert_eq!(report["speed_ups"].as_array().unwrap().len(), 2);
}

#[test]
fn instances_are_counted_and_a_slow_origin_gets_fewer_keys_and_not_more_users() {
    let server = Server::start(Character {
        origin: Duration::from_millis(400),
        instances: 4,
        ..Character::default()
    });
    let ended = tool::run(
        &server.url,
        &["--budget", "25", "--keys", "30", "--functions", "heavy-op"],
    );
    ended.expect_code(0);
    let report = ended.report();
    assert_eq!(report["target"]["instances"], 4);
    assert_eq!(report["target"]["functions"][0]["users"], 1);
    let keys = report["target"]["functions"][0]["keys_a_round"].as_u64();
    assert!(keys.unwrap() < 30, "{keys:?}");
}

/// Four instances on one core: asked side by side, each would seem four times as slow as it is.
#[test]
fn a_miss_and_a_hit_are_timed_under_the_same_load() {
    let server = Server::start(Character {
        origin: Duration::from_millis(400),
        one_core: true,
        instances: 4,
        ..Character::default()
    });
    let arguments = ["--budget", "25", "--keys", "30", "--functions", "heavy-op"];
    let ended = tool::run_quietly(&server.url, &arguments);
    ended.expect_code(0);
    let pairs = ended.report()["pairs"].clone();
    for pair in pairs.as_array().unwrap() {
        for figure in ["cold_us", "bypass_us"] {
            let us = pair[figure].as_f64().unwrap();
            assert!(
                (400e3..480e3).contains(&us),
                "{figure} {us}\n{}",
                ended.stdout
            );
        }
    }
}

/// An origin whose first call for a key takes 30 ms and each further one 10 ms, as with a database
/// that reads the key's page from its disk at first.
#[test]
fn an_origin_that_warms_up_is_no_cost_of_the_cache() {
    let server = Server::start(Character {
        origin: Duration::from_millis(10),
        first_touch: Duration::from_millis(20),
        ..Character::default()
    });
    let ended = tool::run_quietly(&server.url, &["--functions", "heavy-op"]);
    ended.expect_code(0);
    let report = ended.report();
    let overhead = report["speed_ups"][0]["overhead_us"]["estimate"].as_f64();
    let overhead = overhead.unwrap();
    assert!(overhead.abs() < 4000.0, "{overhead} µs\n{}", ended.stdout);
}

#[test]
fn an_origin_of_three_seconds_gets_fewer_keys_and_stays_within_the_budget() {
    let server = Server::start(Character {
        origin: Duration::from_secs(3),
        instances: 1,
        ..Character::default()
    });
    let began = Instant::now();
    let ended = tool::run(&server.url, &["--budget", "30", "--keys", "75"]);
    ended.expect_code(0);
    assert!(
        began.elapsed() < Duration::from_secs(35),
        "{:?}",
        began.elapsed()
    );
    assert!(
        ended.stdout.contains("keys per round instead of 75"),
        "{}",
        ended.stdout
    );
}

/// A limit of requests, or a restart: the run goes on, and a threshold may decide.
#[test]
fn one_failure_in_two_hundred_is_a_finding_and_a_threshold_may_decide() {
    let server = Server::telling(Lie::LimitsNowAndThen);
    let more = ["--mixed", "2", "--fail-if", "errors > 50"];
    let ended = tool::run_quietly(&server.url, &more);
    ended.expect_code(0);
    assert_eq!(ended.verdict("no request failed"), "finding");
    let report = ended.report();
    assert_eq!(report["effect"]["measured_in"], "mixed");
    // The target refused: that is another thing than a failure, everywhere.
    let failures = report["failures"].as_array().unwrap();
    assert!(!failures.is_empty());
    for row in failures {
        assert_eq!(row["failure"], "throttled-429", "{row}");
        assert_eq!(row["throttled"], true, "{row}");
    }
    let checks = report["checks"].to_string();
    assert!(
        checks.contains("the target limits its requests"),
        "{checks}"
    );
    assert!(ended.stdout.contains("throttled: "), "{}", ended.stdout);
    let ended = tool::run_quietly(&server.url, &["--fail-if", "errors > 0"]);
    ended.expect_code(3);
    let first = ended.stdout.trim_start();
    assert!(
        first.starts_with("FAILED"),
        "the verdict comes first: {first}"
    );
    assert!(
        ended
            .file("report.html")
            .contains("FAILED</span> a threshold fired")
    );
}

/// Every entry lives for a second: its expiry is named truly, and so are the hits before it.
#[test]
fn a_cache_of_short_lifetimes_is_measured_and_its_expiry_is_a_finding() {
    let server = Server::start(Character {
        ttl: Duration::from_secs(1),
        hit: Duration::from_millis(15),
        ..Character::default()
    });
    let ended = tool::run_quietly(&server.url, &["--repeats", "9"]);
    ended.expect_code(0);
    assert_eq!(ended.verdict("warm answers are hits"), "finding");
    assert_eq!(ended.report()["speed_ups"].as_array().unwrap().len(), 2);
}

#[test]
fn without_ground_truth_the_report_is_headed_unverified() {
    let server = Server::telling(Lie::NoDiagnostics);
    let ended = tool::run(&server.url, &[]);
    ended.expect_code(0);
    assert_eq!(ended.verdict("misses = origin calls"), "not-checkable");
    for file in ["report.md", "report.html"] {
        assert!(ended.file(file).contains("UNVERIFIED"), "{file}");
    }
    assert!(ended.stdout.contains("UNVERIFIED"));
}

#[test]
fn off_a_terminal_progress_is_plain_lines() {
    let server = Server::telling(Lie::None);
    let ended = tool::run(&server.url, &[]);
    assert!(
        ended.stderr.contains("warm 3: 60 answers, 60 hits"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains(['\r', '\x1b']) && !ended.stdout.contains("users launched"));
}

#[test]
fn a_server_that_closes_after_each_answer_is_measured_all_the_same() {
    let server = Server::start(Character {
        connections: Connections::Closed,
        ..Character::default()
    });
    let ended = tool::run(&server.url, &[]);
    ended.expect_code(0);
    // With other tests running, it may not be checkable.
    assert_ne!(ended.verdict("throughput"), "fail");
    assert_eq!(ended.verdict("no request failed"), "pass");
}
