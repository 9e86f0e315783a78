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
