//! Accessibility: axe-core finds no violation, the keyboard suffices, and a screen reader announces
//! results.

use serde_json::Value;

use super::browser::{Browser, DESK, PHONE};
use super::visit::{BURST, FLUSH, HEAVY, ROW, USER, Visit, demo};

/// Keys as WebDriver writes them.
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";

/// axe-core itself, from npm; `make test` installs it.
fn axe() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/node_modules/axe-core/axe.min.js"
    );
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("the page's tests need axe-core: `make test` installs it, or: npm ci --prefix functions/tests ({path}: {error})"))
}

/// All violations of axe-core's rules, with place and reason.
async fn violations(browser: &Browser, axe: &str) -> Vec<String> {
    // A card that is still fading in does not have its final colours.
    browser
        .until("document.getAnimations().every(one => one.playState !== 'running')")
        .await;
    browser.js(axe).await;
    // WebDriver awaits a promise that the script returns.
    let run = "return axe.run({ resultTypes: ['violations'] }).then(({ violations }) => violations.flatMap(({ id, nodes }) => \
               nodes.map(node => `${id}: ${node.html} ${node.failureSummary}`)))";
    browser.strings(run).await
}

#[tokio::test]
async fn axe_finds_nothing_on_a_desk_nor_on_a_phone() {
    let axe = axe();
    for look in [DESK, PHONE] {
        let visit = Visit::to(&demo("memory:"), look).await;
        check(&visit, &axe, "empty").await;
        for form in [HEAVY, HEAVY, USER, ROW, BURST, FLUSH, USER] {
            visit.run(form).await;
        }
        visit
            .browser
            .js("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            .await;
        check(&visit, &axe, "used").await;
        visit.ask_for("").await;
        visit.ask_user("none").await;
        check(&visit, &axe, "refused").await;
    }
}

async fn check(visit: &Visit, axe: &str, state: &str) {
    let found = violations(&visit.browser, axe).await;
    assert!(found.is_empty(), "{state}: {found:#?}");
}

#[tokio::test]
async fn axe_finds_nothing_wrong_with_the_token_form() {
    let mut variables = demo("memory:");
    variables.push(("FLUSH_AUTH", "token".to_owned()));
    variables.push(("FLUSH_TOKEN_SHA256", "0".repeat(64)));
    let visit = Visit::to(&variables, DESK).await;
    visit.run(FLUSH).await;
    check(&visit, &axe(), "token").await;
}

#[tokio::test]
async fn the_keyboard_is_enough() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    let browser = &visit.browser;
    browser.keys(TAB).await;
    assert_eq!(focused(&visit).await, "Skip to the operations");
    browser.keys(ENTER).await;
    browser.keys(TAB).await;
    browser.keys("keys only").await;
    browser.keys(ENTER).await;
    visit
        .browser
        .until("document.querySelector('#heavy + .answer .card')")
        .await;
    let fields = visit.fields(HEAVY).await;
    assert!(fields[0].contains("keys only"), "{fields:?}");
    // Tab to the button, past the three samples.
    for _ in 0..4 {
        browser.keys(TAB).await;
    }
    assert_eq!(focused(&visit).await, "Run the operation");
    browser.keys(" ").await;
    visit
        .browser
        .until("document.querySelector('#heavy + .answer [data-kind=cache]')")
        .await;
    assert_eq!(
        focused(&visit).await,
        "Run the operation",
        "the focus stays"
    );
}

async fn focused(visit: &Visit) -> Value {
    visit
        .browser
        .js("return document.activeElement.textContent")
        .await
}

#[tokio::test]
async fn a_screen_reader_announces_where_each_answer_came_from() {
    let visit = Visit::to(&demo("memory:"), DESK).await;
    let output = "return document.querySelector('[role=status]').textContent";
    for (form, begins) in [
        (HEAVY, "From the origin, "),
        (HEAVY, "From the cache, "),
        (ROW, "0 origin calls for 20"),
        (FLUSH, "Forgotten: Everything."),
    ] {
        visit.run(form).await;
        let output = visit.browser.js(output).await;
        assert!(output.as_str().unwrap().starts_with(begins), "{output}");
    }
    visit.ask_user("0").await;
    assert_eq!(visit.browser.js(output).await, "Bad Request");
    // The chart has a text alternative; the table holds the data.
    let chart = visit
        .browser
        .js("return document.getElementById(chart.getAttribute('aria-labelledby')).textContent")
        .await;
    assert!(chart.as_str().unwrap().contains("times faster"), "{chart}");
}
