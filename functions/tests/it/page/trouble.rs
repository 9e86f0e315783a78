//! Failures: a slow operation, a failing origin, an unreachable server, a cache that is down.

use larder_testing::Memcached;
use rustix::process::Signal;

use super::browser::DESK;
use super::visit::{HEAVY, USER, Visit, demo};

#[tokio::test]
async fn waiting_shows_the_elapsed_time_and_can_be_cancelled() {
    let mut variables = demo("memory:");
    variables.push(("HEAVY_OP_MS", "60000".to_owned()));
    let visit = Visit::to(&variables, DESK).await;
    visit.press(HEAVY).await;
    visit
        .browser
        .until("parseFloat(document.querySelector('#heavy .elapsed')?.textContent) >= 1")
        .await;
    assert_eq!(visit.text("#live").await, "Waiting for the answer.");
    visit
        .browser
        .until("document.querySelector('#chart .rising')")
        .await;
    visit.cancel(HEAVY).await;
    assert!(visit.says(HEAVY).await.starts_with("Cancelled"));
    // After cancelling by keyboard, the focus returns to where it was.
    let focused =
        "return document.activeElement === document.querySelector('#heavy [type=submit]')";
    assert_eq!(visit.browser.js(focused).await, true);
    visit.run(USER).await;
    assert_eq!(visit.kind(USER).await, "origin");
}

#[tokio::test]
async fn a_failing_origin_is_reported_in_the_servers_words() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("not-there-yet");
    let mut variables = demo("memory:");
    variables.push((
        "DATABASE_URL",
        format!("sqlite://{}/users.sqlite", place.display()),
    ));
    let visit = Visit::to(&variables, DESK).await;
    visit.run(USER).await;
    let problem = visit.local.get("/user/8").await;
    assert_eq!(problem.status, 502);
    let says = visit.says(USER).await;
    assert!(
        says.contains("502") && says.contains(problem.json()["detail"].as_str().unwrap()),
        "{says}"
    );
    std::fs::create_dir(&place).unwrap();
    visit.run(USER).await;
    assert_eq!(visit.kind(USER).await, "origin");
}

/// What API Gateway answers itself, in place of a function: nothing here could, so the browser is
/// handed it.
#[tokio::test]
async fn a_request_that_was_turned_away_is_told_from_one_that_failed() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    for (status, body, told) in [
        (429, r#"{"message":"Too Many Requests"}"#, true),
        (503, r#"{"message":"Service Unavailable"}"#, true),
        (500, r#"{"message":"Internal Server Error"}"#, false),
        (504, r#"{"message":"Endpoint request timed out"}"#, false),
    ] {
        let answer = format!(
            "window.fetch = async () => new Response('{body}', \
             {{ status: {status}, headers: {{ 'Content-Type': 'application/json' }} }})"
        );
        visit.browser.js(&answer).await;
        visit.run(USER).await;
        let says = visit.says(USER).await;
        assert_eq!(
            says.contains("Too many requests at once") && says.contains("Nothing failed"),
            told,
            "{status}: {says}"
        );
        // A function that does not start is answered for in the same way as one without room.
        assert_eq!(says.contains("did not start"), status == 500, "{says}");
        assert!(says.contains(&status.to_string()), "{says}");
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_said_to_be_unreachable() {
    let mut visit = Visit::to(&demo("memory:"), DESK).await;
    visit.local.program.signal(Signal::KILL);
    visit.local.program.ended().await;
    for form in [HEAVY, USER] {
        visit.run(form).await;
        let says = visit.says(form).await;
        assert!(says.contains("The server cannot be reached"), "{says}");
    }
}

#[tokio::test]
async fn with_the_cache_down_answers_come_all_the_same_and_say_so() {
    let mut memcached = Memcached::start();
    let visit = Visit::to(&demo(&memcached.url()), DESK).await;
    visit.run(HEAVY).await;
    visit.run(HEAVY).await;
    assert_eq!(visit.kind(HEAVY).await, "cache");
    memcached.kill();
    visit.run(HEAVY).await;
    assert_eq!(visit.kind(HEAVY).await, "origin");
    let says = visit.says(HEAVY).await;
    assert!(says.contains("The cache is down ("), "{says}");
    assert_eq!(
        visit
            .browser
            .js("return document.getElementById('path').className")
            .await,
        "path through without"
    );
    memcached.restart();
    // How soon hits return is tested with the cache; here only the page is.
    visit.run(USER).await;
    while visit.kind(USER).await != "cache" {
        visit.run(USER).await;
    }
    assert!(!visit.says(USER).await.contains("The cache is down"));
}
