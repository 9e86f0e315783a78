use std::io::Write;

use crate::character::Lie;
use crate::server::Server;
use crate::tool;

/// Runs against a server that knows no `Cache-Status`, described by `target`.
fn run(target: &str) -> tool::Ended {
    let server = Server::telling(Lie::NoCacheStatus);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(target.as_bytes()).unwrap();
    tool::run(&server.url, &["--target", file.path().to_str().unwrap()])
}

const FUNCTION: &str = r#"
[flush]
path = "/flush"

[[function]]
name = "slow"
path = "/heavy-op?param={key}"
keys = "salted"
echo = "/result/param"
"#;

#[test]
fn x_cache_is_understood() {
    let ended = run(&format!(
        "outcome = {{ header = {{ in = \"x-cache\", hit = \"hit\", miss = \"miss\" }} }}\n{FUNCTION}"
    ));
    ended.expect_code(0);
    assert_eq!(ended.verdict("cold answers"), "pass");
    // The description names no value: nothing was compared.
    assert_eq!(ended.verdict("a warm value"), "not-checkable");
    assert_eq!(
        ended.verdict("bypass answers"),
        "not-checkable",
        "no bypass was described"
    );
}

#[test]
fn a_word_in_the_body_is_understood() {
    let ended = run(&format!(
        "outcome = {{ json = {{ in = \"/from\", hit = \"cache\", miss = \"database\" }} }}\n{FUNCTION}"
    ));
    ended.expect_code(0);
    assert_eq!(ended.verdict("warm answers"), "pass");
}

#[test]
fn a_word_that_means_nothing_is_named() {
    let ended = run(&format!(
        "outcome = {{ json = {{ in = \"/from\", hit = \"yes\", miss = \"no\" }} }}\n{FUNCTION}"
    ));
    ended.expect_code(1);
    assert!(
        ended.stderr.contains("/from says \"database\""),
        "{}",
        ended.stderr
    );
}

/// A token from the environment, a redirect, and a flush of another method and status.
#[test]
fn a_service_of_any_kind_is_described_and_its_token_is_never_shown() {
    let server = Server::telling(Lie::Guarded);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let text = r#"
        outcome = { cache-status = "larder" }
        bypass = "no-store"
        headers = { x-token = "${LOADTEST_TEST_TOKEN}" }
        flush = { method = "PURGE", path = "/all" }
        [[function]]
        name = "moved"
        path = "/old/{key}"
        redirects = 1
        keys = { range = { first = 1, last = 900 } }
        echo = "/result/id"
        value = "/result"
    "#;
    file.write_all(text.as_bytes()).unwrap();
    let target = ["--target", file.path().to_str().unwrap()];
    let unset = tool::run("http://127.0.0.1:1", &target);
    unset.expect_code(2);
    let message = "the environment variable LOADTEST_TEST_TOKEN is not set";
    assert!(unset.stderr.contains(message), "{}", unset.stderr);
    let variables = [("LOADTEST_TEST_TOKEN", "s3cr3t")];
    let ended = tool::start_with(&server.url, &target, &variables).wait();
    ended.expect_code(0);
    assert_eq!(ended.verdict("misses = origin calls"), "pass");
    assert_eq!(ended.verdict("flush empties"), "pass");
    assert_eq!(ended.verdict("a warm value"), "pass");
    let shown = [
        &ended.stdout,
        &ended.stderr,
        &ended.file("report.json"),
        &ended.file("report.html"),
    ];
    assert!(shown.iter().all(|text| !text.contains("s3cr3t")));
    let wrong = tool::start_with(&server.url, &target, &[("LOADTEST_TEST_TOKEN", "guess")]).wait();
    wrong.expect_code(1);
    assert!(
        wrong
            .stderr
            .contains("answered 401 (headers in the target file"),
        "{}",
        wrong.stderr
    );
}

/// What cannot be looked into is not compared, and is no failure.
#[test]
fn answers_that_are_compressed_unasked_are_measured_and_not_looked_into() {
    let server = Server::telling(Lie::Compressed);
    let ended = tool::run_quietly(&server.url, &[]);
    ended.expect_code(0);
    assert_eq!(ended.verdict("a warm value"), "not-checkable");
    assert_eq!(ended.verdict("no request failed"), "pass");
}
