use std::time::Duration;

use crate::character::{Character, Lie};
use crate::server::Server;
use crate::tool;

#[test]
fn rules_print_what_was_observed_and_set_the_exit_code() {
    let server = Server::start(Character {
        origin: Duration::from_millis(20),
        ..Character::default()
    });
    let holds = [
        "--fail-if",
        "errors > 0",
        "--fail-if",
        "p50{phase=warm,outcome=hit} > 20ms",
    ];
    let ended = tool::run(&server.url, &holds);
    ended.expect_code(0);
    assert!(
        ended
            .stdout
            .contains("ok: errors > 0, observed failed requests: 0"),
        "{}",
        ended.stdout
    );
    let ended = tool::run(
        &server.url,
        &["--fail-if", "speedup{function=heavy-op} < 10000x"],
    );
    ended.expect_code(3);
    assert!(
        ended
            .stdout
            .contains("FIRED: speedup{function=heavy-op} < 10000x"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_figure_without_data_fires_and_an_invalid_run_wins_over_rules() {
    let server = Server::telling(Lie::None);
    tool::run_quietly(&server.url, &["--fail-if", "p999{phase=cold} > 1s"]).expect_code(3);
    tool::run_quietly(&server.url, &["--fail-if", "errors{phase=warm} > 0"]).expect_code(0);
    let liar = Server::telling(Lie::StuckCounter);
    tool::run(&liar.url, &["--fail-if", "errors >= 0"]).expect_code(5);
}

#[test]
fn a_rule_that_makes_no_sense_is_a_usage_error() {
    for (rule, complaint) in [
        ("speed<9", "no metric \"speed\""),
        ("errors{phase=fualts} > 0", "unknown variant `fualts`"),
        ("errors{outcome=miss} > 0", "no label \"outcome\""),
        ("errors{function=heavy} > 0", "no function \"heavy\""),
        ("errors{phase=faults} > 0", "no phase faults"),
        ("recovery > 1s", "--break-cache"),
        ("p99{phase=mixed} > 1s", "--mixed above 0"),
        ("stampede_factor > 1", "--bursts above 0"),
        ("errors{phase=cold-function} > 0", "--restart-functions"),
    ] {
        // Nothing listens on port 1, so an earlier check must fail.
        let ended = tool::run("http://127.0.0.1:1", &["--fail-if", rule]);
        ended.expect_code(2);
        assert!(ended.stderr.contains(complaint), "{rule}: {}", ended.stderr);
    }
}

/// A fifth of the speed-up is lost if a hit takes a quarter longer. The times are so long that a
/// busy machine's late timers hardly change them.
#[test]
fn a_planted_regression_is_found_and_its_absence_is_not() {
    let server = |hit| {
        let (origin, hit) = (Duration::from_millis(150), Duration::from_millis(hit));
        Server::start(Character {
            origin,
            hit,
            ..Character::default()
        })
    };
    let times = std::env::var("LOADTEST_COMPARISONS").map_or(1, |n| n.parse().unwrap());
    for _ in 0..times {
        let (server, slower) = (server(60), server(75));
        let arguments = ["--functions", "heavy-op", "--rounds", "5", "--keys", "5"];
        let before = tool::run_quietly(&server.url, &arguments);
        let file = before.path("report.json");
        let against = |url: &str| {
            let baseline = ["--baseline", &file, "--max-regress", "10%"];
            tool::run_quietly(url, &[&arguments[..], &baseline].concat())
        };
        // The same server again: the ratios agree, and there is no regression.
        let same = against(&server.url);
        same.expect_code(0);
        let again = &same.report()["baseline"]["figures"][0];
        assert_ne!(again["change"], "regression", "{again}");
        let worse = against(&slower.url);
        worse.expect_code(4);
        assert!(
            worse.stdout.contains("REGRESSION: speed-up of heavy-op"),
            "{}",
            worse.stdout
        );
        assert!(worse.file("report.html").contains("Beside the baseline"));
        let compared = tool::command()
            .args(["compare", &file, &worse.path("report.json")])
            .output()
            .unwrap();
        assert_eq!(compared.status.code(), Some(4));
        let compared = String::from_utf8(compared.stdout).unwrap();
        assert!(compared.contains("heavy-op: a hit, p50"), "{compared}");
    }
}

#[test]
fn a_baseline_of_another_size_is_told_before_anything_is_measured() {
    let server = Server::telling(Lie::None);
    let before = tool::run(&server.url, &["--rounds", "3"]);
    let file = before.path("report.json");
    // Nobody listens at port 1: it is not come to.
    let ended = tool::run(
        "http://127.0.0.1:1",
        &["--rounds", "4", "--baseline", &file],
    );
    ended.expect_code(2);
    assert!(
        ended.stderr.contains("the runs differ in rounds"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_report_is_drawn_again_as_it_was() {
    let server = Server::telling(Lie::None);
    let ended = tool::run(&server.url, &[]);
    let out = tempfile::tempdir().unwrap();
    let mut command = tool::command();
    let again = command
        .args(["report", &ended.path("report.json"), "--out"])
        .arg(out.path())
        .output()
        .unwrap();
    assert!(
        again.status.success(),
        "{}",
        String::from_utf8_lossy(&again.stderr)
    );
    for file in ["report.html", "report.md", "bench.json"] {
        assert_eq!(
            std::fs::read_to_string(out.path().join(file)).unwrap(),
            ended.file(file),
            "{file}"
        );
    }
}

#[test]
fn the_schema_names_what_the_report_holds_and_is_the_published_one() {
    let output = tool::command().arg("schema").output().unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let published = concat!(env!("CARGO_MANIFEST_DIR"), "/report.schema.json");
    let published: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(published).unwrap()).unwrap();
    assert_eq!(
        schema, published,
        "cargo run -p loadtest -- schema > loadtest/report.schema.json"
    );
    let server = Server::telling(Lie::None);
    let report = tool::run(&server.url, &[]).report();
    for key in report.as_object().unwrap().keys() {
        assert!(schema["properties"].get(key).is_some(), "{key}");
    }
}
