//! The page is three files of under 60 kB, contacts no other host, and keeps to its own
//! Content-Security-Policy.

use super::browser::DESK;
use super::visit::{BURST, FLUSH, HEAVY, ROW, USER, Visit, demo};

/// The most bytes of the three files together, uncompressed.
const MOST_BYTES: usize = 60_000;

#[tokio::test]
async fn three_files_of_less_than_sixty_kilobytes_are_all() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    let mut bytes = 0;
    for path in ["/", "/style.css", "/app.js"] {
        bytes += visit.local.get(path).await.body.len();
    }
    assert!(bytes < MOST_BYTES, "{bytes}");
    let asked = "return performance.getEntriesByType('resource').map(entry => new URL(entry.name).pathname).sort()";
    assert_eq!(
        visit.browser.strings(asked).await,
        ["/app.js", "/style.css"]
    );
}

#[tokio::test]
async fn a_whole_visit_stays_within_the_policy_and_with_its_own_host() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    for form in [HEAVY, HEAVY, USER, ROW, BURST, FLUSH] {
        visit.run(form).await;
    }
    assert_eq!(visit.browser.complaints().await, Vec::<String>::new());
    let strangers = "return performance.getEntriesByType('resource').map(entry => entry.name).filter(name => new URL(name).origin !== location.origin)";
    assert_eq!(visit.browser.strings(strangers).await, Vec::<String>::new());
    let policy = visit
        .local
        .get("/")
        .await
        .header("content-security-policy")
        .to_owned();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
}
