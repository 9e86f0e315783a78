use crate::character::Lie;
use crate::server::Server;
use crate::tool;

#[test]
fn the_page_loads_nothing_and_runs_nothing() {
    let server = Server::telling(Lie::None);
    let ended = tool::run(&server.url, &[]);
    let page = ended.file("report.html");
    assert!(page.contains("default-src 'none'"), "a strict policy");
    for outside in [
        "src=", "href=", "url(", "@import", "<script", "<link", "<iframe", "onload",
    ] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.matches("<svg").count() > 5, "the charts are inline");
}

#[test]
fn markdown_is_short_enough_for_a_pull_request() {
    let server = Server::telling(Lie::None);
    let text = tool::run(&server.url, &[]).file("report.md");
    assert!(text.lines().count() <= 60, "{text}");
    assert!(text.starts_with("# Load test: VERIFIED"), "{text}");
}

#[test]
fn a_history_of_benchmarks_gets_its_numbers_in_its_form() {
    let server = Server::telling(Lie::None);
    let ended = tool::run(&server.url, &["--repeats", "13"]);
    let bench: serde_json::Value = serde_json::from_str(&ended.file("bench.json")).unwrap();
    let bench = bench.as_array().unwrap();
    for name in ["heavy-op: a hit, p50", "user: a hit, p99"] {
        let entry = bench.iter().find(|entry| entry["name"] == name).unwrap();
        assert_eq!(entry["unit"], "µs", "{entry}");
        assert!(entry["value"].as_f64().unwrap() > 0.0, "{entry}");
        assert!(entry["range"].as_str().unwrap().contains(" to "), "{entry}");
    }
    assert!(ended.stdout.contains("and bench.json"), "{}", ended.stdout);
    let help = tool::command().arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    assert!(help.contains("bench.json"), "{help}");
    let liar = Server::telling(Lie::StuckCounter);
    assert_eq!(tool::run(&liar.url, &[]).file("bench.json"), "[]");
}
