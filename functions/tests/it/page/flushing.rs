//! A refused flush: the page asks for the token, which it does not keep, or shows the command for
//! IAM callers.

use hex::encode;
use sha2::{Digest, Sha256};

use super::browser::DESK;
use super::visit::{FLUSH, Visit, demo};
use crate::program::Variables;

const TOKEN: &str = "a token of spaces & ñ";

/// The demonstration's settings with `FLUSH_AUTH=mode` instead of `open`.
fn guarded(mode: &str) -> Variables {
    let mut variables = demo("memory:");
    variables.retain(|(name, _)| *name != "FLUSH_AUTH");
    variables.push(("FLUSH_AUTH", mode.to_owned()));
    variables
}

#[tokio::test]
async fn a_token_is_asked_for_used_and_not_kept() {
    let mut variables = guarded("token");
    variables.push(("FLUSH_TOKEN_SHA256", encode(Sha256::digest(TOKEN))));
    let visit = Visit::to(&variables, DESK).await;
    visit.run(FLUSH).await;
    assert_eq!(visit.kind(FLUSH).await, "error");
    try_token(&visit, "wrong").await;
    assert_eq!(visit.kind(FLUSH).await, "error");
    try_token(&visit, TOKEN).await;
    assert!(visit.says(FLUSH).await.starts_with("Flushed"));
    visit.run(FLUSH).await;
    assert!(
        visit.says(FLUSH).await.starts_with("Flushed"),
        "the page remembers it while it is open"
    );
    let stored = "return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])";
    assert_eq!(visit.browser.js(stored).await, "[{},{},\"\"]");
    let shown = "return document.body.innerHTML.includes(arguments[0])";
    assert_eq!(
        visit.browser.js_with(shown, vec![TOKEN.into()]).await,
        false
    );
    visit.browser.goto(&visit.address()).await;
    visit.run(FLUSH).await;
    assert_eq!(visit.kind(FLUSH).await, "error");
}

/// Types the token and presses the submit button.
async fn try_token(visit: &Visit, token: &str) {
    visit.browser.click("#token").await;
    visit.browser.keys(token).await;
    visit
        .browser
        .js("window.before = document.querySelector('#flush + .answer .card')")
        .await;
    visit.browser.click("#flush + .answer [type=submit]").await;
    let answered = "!document.querySelector('#flush.busy') && document.querySelector('#flush + .answer .card') !== window.before";
    visit.browser.until(answered).await;
}

#[tokio::test]
async fn under_iam_the_command_line_is_shown() {
    let visit = Visit::to(&guarded("iam"), DESK).await;
    visit.browser.click("#flush [value=user]").await;
    visit.run(FLUSH).await;
    let says = visit.says(FLUSH).await;
    for part in [
        "IAM",
        "curl --aws-sigv4 ",
        "-d '{\"scope\":\"user\"}'",
        &format!("'{}flush'", visit.address()),
    ] {
        assert!(says.contains(part), "no {part:?} in {says}");
    }
}

#[tokio::test]
async fn where_flushing_is_denied_the_page_says_only_that() {
    let visit = Visit::to(&guarded("deny"), DESK).await;
    visit.run(FLUSH).await;
    let says = visit.says(FLUSH).await;
    assert!(
        says.contains("403") && says.contains("FLUSH_AUTH=deny"),
        "{says}"
    );
    assert!(
        !says.contains("--aws-sigv4") && !says.contains("token"),
        "{says}"
    );
}
