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
