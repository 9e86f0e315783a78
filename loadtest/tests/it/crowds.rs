use std::time::Duration;

use crate::character::{Character, Lie};
use crate::server::Server;
use crate::tool;

const CROWD: [&str; 6] = ["--mixed", "3", "--bursts", "2", "--rate", "200"];

#[test]
fn mixed_traffic_replays_and_a_stampede_costs_one_call() {
    let server = Server::start(Character {
        origin: Duration::from_millis(50),
        ..Character::default()
    });
    let ended = tool::run_quietly(&server.url, &CROWD);
    ended.expect_code(0);
    let report = ended.report();
    for check in [
        "mixed traffic replays",
        "the generator kept up",
        "misses = origin calls",
        "bypass answers",
    ] {
        assert_eq!(ended.verdict(check), "pass", "{check}");
    }
    assert!(
        ended.stdout.contains("this tool computed for"),
        "{}",
        ended.stdout
    );
    assert_eq!(report["effect"]["measured_in"], "mixed");
    assert_eq!(report["effect"]["stampede_factor"], 1.0);
    let burst = &report["bursts"][1];
    assert_eq!(
        (&burst["callers"], &burst["origin_calls"]),
        (&32.into(), &1.into())
    );
    let ratio = report["effect"]["hit_ratio"]["estimate"].as_f64().unwrap();
    assert!(ratio > 0.5 && ratio < 1.0, "{ratio}");
}

#[test]
fn a_cache_without_single_flight_shows_in_the_stampede_factor() {
    let origin = Duration::from_millis(100);
    let server = Server::start(Character {
        origin,
        collapses: false,
        ..Character::default()
    });
    let ended = tool::run(&server.url, &["--bursts", "1"]);
    ended.expect_code(0);
    let factor = ended.report()["effect"]["stampede_factor"]
        .as_f64()
        .unwrap();
    assert!(
        factor > 20.0,
        "32 callers within 100 ms, {factor} origin calls"
    );
}

#[test]
fn entries_that_end_in_their_time_replay_and_immortal_ones_do_not() {
    let replayed = |lie| {
        let ttl = Duration::from_secs(2);
        let server = Server::start(Character {
            lie,
            ttl,
            ..Character::default()
        });
        // A round ends before its entries do: only the mixed phase outlives them.
        let ended = tool::run(&server.url, &["--mixed", "7", "--rounds", "3"]);
        (ended.code, ended.verdict("mixed traffic replays"))
    };
    assert_eq!(replayed(Lie::None), (Some(0), "pass".into()));
    assert_eq!(replayed(Lie::Immortal), (Some(5), "fail".into()));
}

#[test]
fn a_cache_that_evicts_in_mixed_traffic_alone_is_a_finding() {
    let server = Server::telling(Lie::ForgetsWhenBusy);
    let ended = tool::run_quietly(&server.url, &["--mixed", "3", "--rounds", "3"]);
    ended.expect_code(0);
    assert_eq!(
        ended.verdict("mixed traffic replays"),
        "finding",
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .stdout
            .contains("a miss although its entry was stored and live"),
        "{}",
        ended.stdout
    );
}

/// The key gets no request until its entry has expired, and then a burst.
#[test]
fn a_stampede_comes_again_when_the_entry_expires_if_there_is_time() {
    let burst = |ttl, collapses| {
        let server = Server::start(Character {
            origin: Duration::from_millis(100),
            ttl: Duration::from_secs(ttl),
            collapses,
            ..Character::default()
        });
        let arguments = ["--functions", "heavy-op", "--keys", "5", "--bursts", "1"];
        let ended = tool::run(&server.url, &arguments);
        ended.expect_code(0);
        let factor = ended.report()["effect"]["expiry_factor"].as_f64();
        (factor, ended)
    };
    let (factor, ended) = burst(4, true);
    assert_eq!(factor, Some(1.0), "{}", ended.stdout);
    assert_eq!(ended.report()["bursts"][1]["occasion"], "expiry");
    assert!(
        ended
            .stdout
            .contains("stampede at expiry: 1.00 origin calls per expired key (32 callers"),
        "{}",
        ended.stdout
    );
    let (factor, ended) = burst(4, false);
    assert!(factor.unwrap() > 20.0, "{}", ended.stdout);
    let (factor, ended) = burst(570, true);
    assert_eq!(factor, None);
    assert!(
        ended
            .stdout
            .contains("no burst on an expired key: an entry of heavy-op had 570 s to live"),
        "{}",
        ended.stdout
    );
}

#[test]
fn callers_who_get_an_expired_entry_while_one_refreshes_it_are_told_as_that() {
    let server = Server::start(Character {
        origin: Duration::from_millis(100),
        ttl: Duration::from_secs(4),
        serves_stale: true,
        // With several instances, the answers would prove that requests overlapped.
        instances: 1,
        ..Character::default()
    });
    let arguments = ["--functions", "heavy-op", "--keys", "5", "--bursts", "1"];
    let ended = tool::run(&server.url, &arguments);
    ended.expect_code(0);
    let report = ended.report();
    let (burst, factor) = (&report["bursts"][1], &report["effect"]["expiry_factor"]);
    assert_eq!(
        (&burst["origin_calls"], factor),
        (&1.into(), &1.0.into()),
        "{}",
        ended.stdout
    );
    let stale = burst["stale"].as_u64().unwrap();
    let text = format!("; {stale} answered stale while one refreshed");
    assert!(ended.stdout.contains(&text), "{}", ended.stdout);
}

#[test]
fn that_nobody_learns_when_an_entry_expires_is_told() {
    let server = Server::telling(Lie::NoTtl);
    let ended = tool::run(&server.url, &["--bursts", "1"]);
    ended.expect_code(0);
    let note = "no burst on an expired key: an entry of heavy-op came without a ttl";
    assert!(ended.stdout.contains(note), "{}", ended.stdout);
}
