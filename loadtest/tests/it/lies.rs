use std::time::{Duration, Instant};

use crate::character::{Character, Lie};
use crate::server::Server;
use crate::tool;

/// The lie must end in exit 5, with this check failed.
fn found_out(lie: Lie, check: &str) {
    let server = Server::telling(lie);
    let ended = tool::run_once(&server.url, &[]);
    ended.expect_code(5);
    assert_eq!(ended.verdict(check), "fail", "{lie:?}\n{}", ended.stdout);
    assert!(ended.stdout.contains("INVALID") && ended.file("report.html").contains("INVALID"));
}

/// The failure must end in exit 1, with a message that contains this.
fn refused(lie: Lie, message: &str) {
    let server = Server::telling(lie);
    let ended = tool::run_once(&server.url, &["--timeout", "1"]);
    ended.expect_code(1);
    assert!(ended.stderr.contains(message), "{}", ended.stderr);
    assert!(!ended.has_file("report.json"), "there is nothing to report");
}

#[test]
fn misses_called_hits() {
    found_out(Lie::MissesCalledHits, "misses = origin calls");
}

#[test]
fn hits_called_misses() {
    found_out(Lie::HitsCalledMisses, "misses = origin calls");
}

#[test]
fn two_lies_that_cancel_out_in_the_sum() {
    found_out(Lie::EvenedOut, "misses = origin calls");
}

#[test]
fn counters_that_stand_still() {
    found_out(Lie::StuckCounter, "misses = origin calls");
}

#[test]
fn misses_called_hits_from_some_moment_on() {
    found_out(Lie::LiesAfter(150), "misses = origin calls");
}

#[test]
fn counters_that_begin_again() {
    found_out(Lie::ForgetsCountAfter(150), "misses = origin calls");
}

#[test]
fn origin_calls_that_are_told_no_more() {
    found_out(Lie::SilentAfter(250), "misses = origin calls");
}

#[test]
fn a_cache_status_that_nobody_can_read_any_more() {
    found_out(Lie::GarbledAfter(150), "every answer names its outcome");
}

#[test]
fn a_flush_that_works_once() {
    found_out(Lie::FlushesOnce, "flush empties the cache");
}

#[test]
fn a_flush_that_does_nothing() {
    found_out(Lie::FlushDoesNothing, "flush empties the cache");
}

#[test]
fn a_flush_of_one_function_alone() {
    found_out(Lie::FlushesUsersOnly, "flush empties the cache");
}

#[test]
fn a_hit_with_another_keys_value() {
    found_out(Lie::OtherKeysValue, "no request failed");
}

#[test]
fn a_hit_with_a_changed_value() {
    found_out(Lie::ChangedValue, "a warm value is the cold one");
}

/// Without any count of origin calls: the times alone contradict each other.
#[test]
fn a_bypass_that_is_served_from_the_cache() {
    let server = Server::start(Character {
        lie: Lie::BypassFromTheCache,
        origin: Duration::from_millis(50),
        ..Character::default()
    });
    let ended = tool::run(&server.url, &["--functions", "heavy-op"]);
    ended.expect_code(5);
    assert_eq!(
        ended.verdict("an answer without the cache is no hit"),
        "fail"
    );
    assert!(
        ended.stdout.contains("those answers came from the cache"),
        "{}",
        ended.stdout
    );
}

/// A figure that a check has put in doubt is given nowhere, and neither is what follows from it.
#[test]
fn no_figure_is_left_of_a_speed_up_in_doubt() {
    let server = Server::telling(Lie::MissesCalledHits);
    let ended = tool::run_once(&server.url, &[]);
    ended.expect_code(5);
    assert!(
        ended.stdout.contains("No speed-up is given"),
        "{}",
        ended.stdout
    );
    let report = ended.report();
    assert_eq!(report["speed_ups"].as_array().unwrap().len(), 0);
    assert_eq!(report["savings"].as_array().unwrap().len(), 0);
    for text in ["by the server's own clock", "a million hits save"] {
        for file in ["report.md", "report.html"] {
            assert!(!ended.file(file).contains(text), "{text} in {file}");
        }
        assert!(!ended.stdout.contains(text), "{text}\n{}", ended.stdout);
    }
}

#[test]
fn a_server_clock_that_runs_ahead() {
    found_out(Lie::SlowClock, "client time");
}

#[test]
fn a_server_that_begins_to_hang() {
    let server = Server::telling(Lie::HangsAfter(120));
    let began = Instant::now();
    let ended = tool::run_once(&server.url, &["--timeout", "1", "--budget", "20"]);
    ended.expect_code(5);
    assert_eq!(ended.verdict("no request failed"), "fail");
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_server_that_begins_to_fail() {
    found_out(Lie::FailsAfter(120), "no request failed");
}

#[test]
fn a_server_that_begins_to_reset() {
    found_out(Lie::ResetsAfter(120), "no request failed");
}

#[test]
fn a_server_that_never_answers() {
    refused(Lie::HangsAfter(0), "did not answer within");
}

#[test]
fn a_server_that_only_fails() {
    refused(Lie::FailsAfter(0), "answered 500");
}

#[test]
fn a_server_that_only_resets() {
    refused(Lie::ResetsAfter(0), "the connection broke");
}

#[test]
fn answers_without_cache_status() {
    refused(Lie::NoCacheStatus, "no Cache-Status header");
}

#[test]
fn answers_with_a_garbled_cache_status() {
    refused(Lie::GarbledCacheStatus, "is not a structured field list");
}

#[test]
fn answers_of_another_cache() {
    refused(Lie::AnotherCache, "has no member named \"larder\"");
}

#[test]
fn a_flush_that_is_refused() {
    refused(Lie::FlushRefused, "POST /flush answered 403");
    refused(Lie::FlushRefused, "LOADTEST_FLUSH_TOKEN");
    let help = tool::command().args(["run", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("LOADTEST_FLUSH_TOKEN"), "{help}");
}

#[test]
fn nobody_at_home() {
    let ended = tool::run("http://127.0.0.1:1", &[]);
    ended.expect_code(1);
    assert!(
        ended
            .stderr
            .contains("cannot connect to http://127.0.0.1:1"),
        "{}",
        ended.stderr
    );
}
