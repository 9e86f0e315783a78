//! Languages, themes and widths.

use super::browser::{DESK, Look, PHONE};
use super::visit::{BURST, FLUSH, HEAVY, ROW, USER, Visit, demo};

/// Every static text of the page, by its key.
const WORDS: &str = "return [...document.querySelectorAll('[data-t], [data-label]')].map(node => `${node.dataset.t ?? node.dataset.label}: ${node.dataset.t ? node.textContent : node.getAttribute('aria-label')}`)";

#[tokio::test]
async fn the_language_is_the_browsers_until_it_is_switched() {
    let visit = Visit::to(
        &demo("memory:"),
        Look {
            language: "es-MX,en",
            ..DESK
        },
    )
    .await;
    assert_eq!(
        visit
            .browser
            .js("return document.documentElement.lang")
            .await,
        "es"
    );
    let spanish = visit.browser.strings(WORDS).await;
    visit.run(HEAVY).await;
    assert!(visit.says(HEAVY).await.starts_with("Del origen"));
    visit.browser.click("[lang=en]:not(html)").await;
    assert!(
        visit.says(HEAVY).await.starts_with("From the origin"),
        "cards change too"
    );
    let english = visit.browser.strings(WORDS).await;
    let same: Vec<_> = spanish
        .iter()
        .filter(|word| english.contains(word))
        .collect();
    assert!(same.is_empty(), "not translated: {same:?}");
    visit.browser.goto(&visit.address()).await;
    assert_eq!(
        visit
            .browser
            .js("return document.documentElement.lang")
            .await,
        "en"
    );
}

#[tokio::test]
async fn a_language_that_the_page_does_not_speak_gets_english() {
    let visit = Visit::to(
        &demo("memory:"),
        Look {
            language: "fr-FR",
            ..DESK
        },
    )
    .await;
    assert_eq!(visit.text("h1").await, "Slow once.\nThen instant.");
    let visit = Visit::to(
        &demo("memory:"),
        Look {
            language: "fr,es",
            ..DESK
        },
    )
    .await;
    assert_eq!(
        visit.text("h1").await,
        "Lento una vez.\nLuego, al instante."
    );
}

#[tokio::test]
async fn the_theme_is_the_systems() {
    const BACKGROUND: &str = "const sum = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number).reduce((a, b) => a + b); return sum";
    let light = Visit::to(&demo("memory:"), DESK).await;
    assert!(light.browser.js(BACKGROUND).await.as_i64().unwrap() > 600);
    let dark = Visit::to(
        &demo("memory:"),
        Look {
            theme: "dark",
            ..DESK
        },
    )
    .await;
    assert!(dark.browser.js(BACKGROUND).await.as_i64().unwrap() < 100);
}

#[tokio::test]
async fn an_answer_below_the_screen_of_a_phone_is_brought_into_view() {
    let visit = Visit::to(&demo("memory:"), PHONE).await;
    let seen = |part: &str| {
        format!(
            "(({{ top, bottom }}) => top >= 0 && bottom <= innerHeight)(document.querySelector('{part}').getBoundingClientRect())"
        )
    };
    for part in [".why", ".races"] {
        visit.browser.js("scrollTo(0, 0)").await;
        // A click by the mouse would scroll the page.
        visit
            .browser
            .js("document.querySelector('#heavy + .answer').replaceChildren(); document.getElementById('heavy').requestSubmit()")
            .await;
        let part = format!("#heavy + .answer {part}");
        visit
            .browser
            .until(&format!("document.querySelector('{part}')"))
            .await;
        visit.browser.until(&seen(&part)).await;
    }
}

#[tokio::test]
async fn nothing_sticks_out_of_a_phone() {
    for width in [320, 390] {
        let visit = Visit::to(&demo("memory:"), Look { width, ..PHONE }).await;
        visit.ask_for(&"w".repeat(1024)).await;
        visit.ask_user("99999999999999999999999999").await;
        for form in [FLUSH, ROW, BURST, HEAVY] {
            visit.run(form).await;
        }
        visit
            .browser
            .js("document.querySelectorAll('details').forEach(one => { one.open = true; })")
            .await;
        let beyond = "return [...document.querySelectorAll('body *')].filter(node => !node.closest('.scroll, .hidden, .skip') && node.getBoundingClientRect().right > innerWidth + 0.5).map(node => node.outerHTML.slice(0, 80))";
        assert_eq!(
            visit.browser.strings(beyond).await,
            Vec::<String>::new(),
            "{width}"
        );
        assert_eq!(
            visit
                .browser
                .js("return document.documentElement.scrollWidth")
                .await,
            width
        );
        assert!(visit.says(USER).await.contains("400"));
    }
}
