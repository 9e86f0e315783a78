//! The experiments: the page's counts from the headers equal the server's own.

use std::collections::HashMap;

use larder_testing::Memcached;

use super::browser::DESK;
use super::visit::{BURST, HEAVY, ROW, USER, Visit, demo};

#[tokio::test]
async fn twenty_in_a_row_are_one_origin_call() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    visit.run(ROW).await;
    let says = visit.says(ROW).await;
    assert!(says.starts_with("1 origin call for 20 requests"), "{says}");
    assert_eq!(visit.origin_calls().await, 1);
    let parts = parts(&visit, ROW).await;
    assert_eq!((parts["origin"], parts["cache"]), (1, 19));
    visit.run(ROW).await;
    assert!(
        visit
            .says(ROW)
            .await
            .starts_with("0 origin calls for 20 requests")
    );
    assert_eq!(visit.answers().await, 40);
}

#[tokio::test]
async fn many_at_once_on_a_cold_key_are_one_origin_call() {
    let memcached = Memcached::start();
    for cache in ["memory:".to_owned(), memcached.url()] {
        let mut variables = demo(&cache);
        // On a busy machine the default of 50 ms may pass, and then several calls go to the origin.
        variables.push(("CACHE_BUDGET_MS", "5000".to_owned()));
        let visit = Visit::to(&variables, DESK).await;
        // Earlier origin calls must not count for the experiment.
        visit.run(HEAVY).await;
        visit.run(USER).await;
        for round in 1..=2 {
            let before = visit.origin_calls().await;
            visit.run(BURST).await;
            let says = visit.says(BURST).await;
            assert!(
                says.starts_with("1 origin call for 12 requests"),
                "{cache}: {says}"
            );
            assert!(
                says.contains("counted by the server itself: 1 (X-Origin-Calls"),
                "{cache}: {says}"
            );
            assert_eq!(visit.origin_calls().await - before, 1, "{cache}: {says}");
            let parts = parts(&visit, BURST).await;
            assert_eq!(parts.values().sum::<i64>(), 12, "{cache}: {says}");
            assert!(
                parts["origin"] == 1 && parts["shared"] >= 1,
                "{cache}: {says}"
            );
            assert_eq!(visit.text("#total-origin").await, (2 + round).to_string());
        }
    }
}

#[tokio::test]
async fn without_a_cache_every_request_counts_as_an_origin_call() {
    let mut variables = demo("memory:");
    variables.push(("CACHE_DISABLED", "true".to_owned()));
    let visit = Visit::to(&variables, DESK).await;
    visit.run(HEAVY).await;
    visit.run(BURST).await;
    let says = visit.says(BURST).await;
    assert!(says.starts_with("12 origin calls for 12"), "{says}");
    assert!(says.contains("server itself: 12 "), "{says}");
    assert_eq!(visit.origin_calls().await, 13);
    let heavy = visit.says(HEAVY).await;
    assert!(heavy.contains("The cache is switched off"), "{heavy}");
}

#[tokio::test]
async fn the_page_explains_the_browsers_connection_limit() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    let limit = visit.text("#limit").await;
    assert!(
        limit.contains("HTTP/1.1") && limit.contains("at most 6 requests"),
        "{limit}"
    );
}

#[tokio::test]
async fn an_experiment_can_be_cancelled() {
    let mut variables = demo("memory:");
    variables.push(("HEAVY_OP_MS", "60000".to_owned()));
    let visit = Visit::to(&variables, DESK).await;
    for form in [ROW, BURST] {
        visit.press(form).await;
        visit.cancel(form).await;
        assert!(visit.says(form).await.contains("Cancelled"));
    }
}

/// The page's counts of an experiment's answers by kind.
async fn parts(visit: &Visit, form: &str) -> HashMap<String, i64> {
    let script = format!(
        "return [...document.querySelectorAll('#{form} + .answer .parts li')].map(li => [li.dataset.kind, Number(li.querySelector('b').textContent)])"
    );
    serde_json::from_value(visit.browser.js(&script).await)
        .map(|pairs: Vec<(String, i64)>| pairs.into_iter().collect())
        .unwrap()
}
