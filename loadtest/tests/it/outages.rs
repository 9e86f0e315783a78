use crate::character::{Character, Lie};
use crate::server::Server;
use crate::tool;

/// Runs with an outage of the cache.
fn through_an_outage(lie: Lie, more: &[&str]) -> (Server, tool::Ended) {
    let server = Server::telling(lie);
    let (breaks, mends) = (
        format!("touch {}", server.outage()),
        format!("rm {}", server.outage()),
    );
    let arguments = ["--break-cache", &breaks, "--mend-cache", &mends];
    let ended = tool::run(&server.url, &[&arguments, more].concat());
    (server, ended)
}

#[test]
fn callers_of_a_cache_that_breaks_have_their_answers_and_the_hits_come_back() {
    let (server, ended) = through_an_outage(Lie::None, &["--fail-if", "errors{phase=faults} > 0"]);
    ended.expect_code(0);
    assert!(!std::path::Path::new(&server.outage()).exists(), "mended");
    let report = ended.report();
    for suffered in report["faults"]["functions"].as_array().unwrap() {
        assert!(suffered["answers"].as_u64().unwrap() > 10, "{suffered}");
        assert_eq!(suffered["failed"], 0);
    }
    assert!(report["faults"]["recovered_s"].as_f64().unwrap() < 3.0);
    assert!(
        report["details"].to_string().contains("timeout"),
        "the cache's own word is kept: {}",
        report["details"]
    );
    assert_eq!(ended.verdict("misses = origin calls"), "pass");
    assert!(ended.stdout.contains("cache repaired: the first hit"));
}

#[test]
fn failures_of_a_broken_cache_are_a_finding_and_not_a_flaw_of_the_measurement() {
    let (_server, ended) = through_an_outage(Lie::FailsWhenBroken, &[]);
    ended.expect_code(0);
    let lost = &ended.report()["faults"]["functions"][0]["failed"];
    assert!(lost.as_u64().unwrap() > 0, "{}", ended.stdout);
    let rule = ["--fail-if", "errors{phase=faults} > 0"];
    through_an_outage(Lie::FailsWhenBroken, &rule)
        .1
        .expect_code(3);
}

#[test]
fn a_command_that_fails_ends_the_run_and_the_cache_is_mended_all_the_same() {
    let server = Server::telling(Lie::None);
    let breaks = format!("touch {}; exit 7", server.outage());
    let mends = format!("rm {}", server.outage());
    let arguments = ["--break-cache", &breaks, "--mend-cache", &mends];
    let ended = tool::run(&server.url, &arguments);
    ended.expect_code(1);
    assert!(ended.stderr.contains("exit status: 7"), "{}", ended.stderr);
    assert!(!std::path::Path::new(&server.outage()).exists());
}

#[test]
fn the_first_answers_of_new_processes_are_told_apart() {
    let server = Server::start(Character {
        instances: 2,
        ..Character::default()
    });
    let restart = format!("printf x >> {}", server.restarts());
    let ended = tool::run(&server.url, &["--restart-functions", &restart]);
    ended.expect_code(0);
    // Two processes, restarted six times.
    assert_eq!(ended.report()["cold_functions"]["count"], 12);
    assert_eq!(ended.verdict("misses = origin calls"), "pass");
    assert!(ended.stdout.contains("cold function: the first answer"));
}
