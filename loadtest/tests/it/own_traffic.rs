use std::fmt::Write as _;

use crate::character::{Character, Lie};
use crate::server::Server;
use crate::tool;

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::with_suffix(".log").unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// The log of a web server: two users that are asked for every 50 ms by turns, and a page.
fn log(requests: usize) -> String {
    let mut text = String::new();
    for number in 0..requests {
        let (ms, user) = (number * 50, 1 + number % 2);
        writeln!(
            text,
            r#"{{"time":{},"request":"GET /user/{user} HTTP/1.1","status":200,"bytes":100}}"#,
            1_767_225_600.0 + ms as f64 / 1e3,
        )
        .unwrap();
    }
    text.push_str("{\"time\":1767225600,\"request\":\"GET /favicon.ico HTTP/1.1\"}\n");
    text
}

#[test]
fn the_requests_of_a_log_are_sent_in_their_order_and_pace() {
    let server = Server::start(Character::default());
    let log = file(&log(60));
    let log = log.path().to_str().unwrap();
    let ended = tool::run_quietly(&server.url, &["--mixed", "5", "--keys", log]);
    ended.expect_code(0);
    let report = ended.report();
    let own = &report["own_traffic"];
    assert_eq!((&own["requests"], &own["keys"]), (&60.into(), &2.into()));
    assert_eq!(own["skipped"][0][0], "another path");
    let mixed = &report["effect"]["functions"][0];
    assert_eq!(
        (&mixed["lookups"], &mixed["hits"]),
        (&60.into(), &58.into()),
        "{mixed}"
    );
    let phases = report["origin"].as_array().unwrap();
    let phase = phases
        .iter()
        .find(|phase| phase["phase"] == "mixed")
        .unwrap();
    let lasted = phase["ended_s"].as_f64().unwrap() - phase["began_s"].as_f64().unwrap();
    assert!((2.9..9.0).contains(&lasted), "59 gaps of 50 ms: {lasted}");
    assert_eq!(ended.verdict("mixed traffic replays"), "pass");
    assert!(
        ended.stdout.contains("hit ratio of your own traffic"),
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .file("report.html")
            .contains("over the lifetime of entries")
    );
}

#[test]
fn a_list_is_sent_at_the_rate_that_was_asked_for_and_may_be_resampled() {
    let server = Server::start(Character::default());
    let list = file("/user/7\n/user/8\n/user/7\n/user/7\n");
    let list = list.path().to_str().unwrap();
    let more = ["--keys", list, "--mixed", "2", "--rate", "100", "--replay"];
    let lookups = |replay| {
        let ended = tool::run_quietly(&server.url, &[&more[..], &[replay]].concat());
        ended.expect_code(0);
        let report = ended.report();
        report["effect"]["functions"][0]["lookups"]
            .as_u64()
            .unwrap()
    };
    assert_eq!(lookups("order"), 4, "the file ends before the phase");
    let resampled = lookups("resample");
    assert!((140..260).contains(&resampled), "{resampled}");
}

#[test]
fn a_log_alone_says_which_lifetime_and_memory_are_enough() {
    let log = file(&log(400));
    let out = tempfile::tempdir().unwrap();
    let mut command = tool::command();
    let output = command
        .args([
            "what-if",
            log.path().to_str().unwrap(),
            "--path",
            "/user/{key}",
            "--out",
        ])
        .arg(out.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for part in [
        "would answer 99.50 %",
        "what if, lifetime: 2 s is enough",
        "200 B",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let page = std::fs::read_to_string(out.path().join("what-if.html")).unwrap();
    assert!(
        page.matches("<svg viewBox=\"0 0 720").count() >= 1 && page.contains("default-src 'none'")
    );
}

#[test]
fn a_file_that_is_no_traffic_is_named_before_anything_is_measured() {
    let other = file("/pages/1\n/pages/2\n");
    let keys = ["--keys", other.path().to_str().unwrap()];
    let ended = tool::run("http://127.0.0.1:1", &keys);
    ended.expect_code(2);
    assert!(
        ended.stderr.contains("the paths are /heavy-op?param={key}"),
        "{}",
        ended.stderr
    );
    let ended = tool::run("http://127.0.0.1:1", &["--keys", "/nowhere.log"]);
    ended.expect_code(2);
    assert!(ended.stderr.contains("/nowhere.log"), "{}", ended.stderr);
}

/// The cache may have the keys from before, because nothing empties it: that is no contradiction.
#[test]
fn keys_of_ones_own_without_a_flush_are_measured_as_they_are() {
    let server = Server::telling(Lie::NoDiagnostics);
    let target = file(
        "outcome = { cache-status = \"*\" }\n[[function]]\nname = \"user\"\n\
         path = \"/user/{key}\"\nkeys = { range = { first = 1, last = 400 } }\n",
    );
    let list = file(&"/user/900\n/user/901\n".repeat(20));
    let [target, list] = [&target, &list].map(|file| file.path().to_str().unwrap().to_owned());
    let more = ["--target", &target, "--keys", &list, "--mixed", "2"];
    for _ in 0..2 {
        let ended = tool::run_quietly(&server.url, &more);
        assert_eq!(
            ended.verdict("mixed traffic replays"),
            "not-checkable",
            "{}",
            ended.stdout
        );
    }
}
