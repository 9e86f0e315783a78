//! The three operations and their cards: an answer's source, its time, the time saved, its ttl.

use serde_json::Value;

use super::browser::DESK;
use super::visit::{FLUSH, HEAVY, USER, Visit, demo};

#[tokio::test]
async fn the_first_answer_is_the_origins_and_the_second_the_caches() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    visit.ask_for("ñandú ☕").await;
    assert_eq!(visit.kind(HEAVY).await, "origin");
    assert!(visit.says(HEAVY).await.starts_with("From the origin"));
    visit.run(HEAVY).await;
    assert_eq!(visit.kind(HEAVY).await, "cache");
    let says = visit.says(HEAVY).await;
    for part in [
        "From the cache",
        " saved, ",
        "× faster",
        "Cache-Status: larder; hit; ttl=",
    ] {
        assert!(says.contains(part), "no {part:?} in {says}");
    }
    assert_eq!(visit.text("#total-requests").await, "2");
    assert_eq!(visit.text("#total-ratio").await, "50\u{a0}%");
    assert_eq!(
        visit.text("#total-origin").await,
        visit.origin_calls().await.to_string()
    );
}

#[tokio::test]
async fn the_time_left_counts_down() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    visit.ask_user("7").await;
    visit.ask_user("7").await;
    let shelf = "#user + .answer .shelf p";
    let first = visit.text(shelf).await;
    assert!(first.starts_with("Fresh for another "), "{first}");
    let seconds =
        format!("parseInt(document.querySelector('{shelf}').textContent.replace(/\\D/g, ''))");
    let then = visit.browser.js(&format!("return {seconds}")).await;
    visit
        .browser
        .until(&format!("{seconds} <= {then} - 2"))
        .await;
}

#[tokio::test]
async fn a_user_is_shown_field_by_field_as_the_server_sent_it() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    visit.ask_user("7").await;
    let row = visit.local.get("/user/7").await.json()["result"].clone();
    let mut output: Vec<String> = row.as_object().unwrap().values().map(as_shown).collect();
    let mut shown = visit.fields(USER).await;
    // serde_json does not preserve the order of the fields.
    output.sort();
    shown.sort();
    assert_eq!(shown, output);
}

fn as_shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[tokio::test]
async fn an_unknown_user_is_said_to_be_unknown_and_remembered_as_such() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    let detail = visit.local.get("/user/123456789").await.json()["detail"].clone();
    for (id, kind) in [("987654321", "origin"), ("987654321", "cache")] {
        visit.ask_user(id).await;
        assert_eq!(visit.kind(USER).await, kind);
    }
    visit.ask_user("123456789").await;
    let says = visit.says(USER).await;
    assert!(says.contains(detail.as_str().unwrap()), "{says}");
}

#[tokio::test]
async fn a_flush_sends_the_next_request_to_the_origin_and_only_within_its_scope() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    for (scope, heavy, user) in [
        ("user", "cache", "origin"),
        ("heavy-op", "origin", "cache"),
        ("all", "origin", "origin"),
    ] {
        visit.run(HEAVY).await;
        visit.run(USER).await;
        visit
            .browser
            .click(&format!("#flush [value={scope}]"))
            .await;
        visit.run(FLUSH).await;
        assert!(
            visit
                .says(FLUSH)
                .await
                .contains("The next request goes to the origin")
        );
        visit.run(HEAVY).await;
        visit.run(USER).await;
        assert_eq!(
            (&*visit.kind(HEAVY).await, &*visit.kind(USER).await),
            (heavy, user),
            "{scope}"
        );
    }
}

#[tokio::test]
async fn the_raw_response_is_there_on_demand() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    visit.ask_for("raw").await;
    let raw = "#heavy + .answer pre";
    let shown = format!("return document.querySelector('{raw}').checkVisibility()");
    assert_eq!(visit.browser.js(&shown).await, false);
    visit.browser.click("#heavy + .answer summary").await;
    assert_eq!(visit.browser.js(&shown).await, true);
    let text = visit.text(raw).await;
    for part in [
        "$ curl -i 'http://127.0.0.1:",
        "GET /heavy-op?param=raw",
        "\n200\n",
        "cache-status: larder; fwd=miss; stored",
        "{\"result\":{\"param\":\"raw\"",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[tokio::test]
async fn a_double_click_asks_once() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    let click = "for (const form of ['heavy', 'user', 'flush']) { const button = document.querySelector(`#${form} [type=submit]`); button.click(); button.click(); }";
    visit.browser.js(click).await;
    visit
        .browser
        .until(
            "document.querySelectorAll('.card').length === 3 && !document.querySelector('.busy')",
        )
        .await;
    assert_eq!(visit.answers().await, 3);
    assert_eq!(visit.origin_calls().await, 2);
}

#[tokio::test]
async fn every_request_is_a_mark_on_the_timeline_and_a_row_of_the_table() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    visit.run(HEAVY).await;
    visit.run(HEAVY).await;
    visit.ask_user("0").await;
    visit.run(FLUSH).await;
    let marks = "document.querySelectorAll('#chart .sign').length === 3 && document.querySelectorAll('#chart .flushed').length === 1";
    visit.browser.until(marks).await;
    // Higher is slower: the origin's mark is above the cache's.
    visit.browser.until("(([cold, warm]) => cold.getBoundingClientRect().y < warm.getBoundingClientRect().y)(document.querySelectorAll('#chart .sign'))").await;
    assert_eq!(visit.answers().await, 4);
    let summary = visit.text("#summary").await;
    assert!(
        summary.contains("from the origin") && summary.contains("times faster"),
        "{summary}"
    );
}
